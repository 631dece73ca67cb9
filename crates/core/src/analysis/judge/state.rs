//! What a judge remembers within one release.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cohort::{Cohorts, one_age};
use super::counted::Counted;
use super::noise::BLOCK_SECONDS;
use super::pace::Risk;
use super::plan::JudgePlan;
use super::quantile;
use super::stream::{Circumstances, Stream, evidence};
use super::traffic::Traffic;
use super::warm_up::Curve;
use super::watched::Watched;
use super::words::{Account, Event};
use crate::measurement::{Counter, Side};
use crate::time::Timestamp;

/// A bucket's bound is of use where so many of stable's requests are slower.
const USEFUL: std::ops::RangeInclusive<f64> = 0.002..=0.6;
/// How many bounds are watched: a state of four streams is small.
const MOST_BOUNDS: usize = 3;
/// So many requests of stable's say which bounds are of use.
const ENOUGH: u64 = 200;

/// How sure the bound on the canary's failed requests is, by which a ramp is paced.
const MISSES: f64 = 0.05;

/// How pods of earlier releases warmed up, by what was counted of them.
pub type Learned = BTreeMap<String, Curve>;

/// What a judge has found so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Finding {
    /// Neither is proved: there is not enough data yet.
    NotEnough,
    /// The canary is proved to be less than the bound worse.
    GoodEnough,
    /// The canary is worse.
    Worse,
}

/// What a judge remembers: sums, never a counter's samples. It is at most 4 KB as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgeState {
    /// One for each kind of event.
    watched: Vec<Watched>,
    /// Up to when everything is counted; none before the first scrape.
    counted_to: Option<Timestamp>,
    /// Since when it counts, which is the first scrape.
    since: Option<Timestamp>,
    /// Up to when stable's pods were compared with each other.
    learned_to: Option<Timestamp>,
    /// The canary's young pods.
    #[serde(default, skip_serializing_if = "Cohorts::is_empty")]
    young: Cohorts,
    /// How much traffic there is, and how much of it the canary gets.
    #[serde(flatten)]
    traffic: Traffic,
}

/// What holds when counters are read.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The instant that they speak of.
    pub at: Timestamp,
    /// The time between two scrapes where none is missing.
    pub interval: Duration,
    /// The canary's weight as the routers show it, 0–1; none where nobody knows.
    pub weight: Option<f64>,
    /// What earlier releases have taught.
    pub learned: &'a Learned,
}

/// Why a reading counts as no scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScrape {
    /// There is not one sample.
    #[error("no counter of either side was found")]
    Empty,
    /// Nothing was scraped since the last time.
    #[error("no counter has a new sample")]
    Old,
}

impl JudgeState {
    /// How far back counters are wanted for a reading at an instant.
    pub fn window(&self, at: Timestamp) -> Duration {
        match self.counted_to {
            None => JudgePlan::HISTORY,
            Some(to) => at.since(to).max(Duration::from_secs(BLOCK_SECONDS)),
        }
    }

    /// Counts one reading. The first one says what stable did before; each later one is a scrape.
    ///
    /// # Errors
    /// When there is nothing new in it. It changes nothing then: the next one covers the gap.
    pub fn count(
        &mut self,
        plan: &JudgePlan,
        counters: &[Counter],
        moment: &Moment<'_>,
    ) -> Result<(), NoScrape> {
        let counted = Counted::of(counters);
        let newest = counted.newest(moment.at).ok_or(NoScrape::Empty)?;
        let Some(from) = self.counted_to else {
            self.begin(plan, &counted, moment.at);
            return Ok(());
        };
        if newest <= from {
            return Err(NoScrape::Old);
        }
        if self.watched.len() == 1 {
            self.watch_latency(plan, &counted, moment.at);
        }
        self.young.follow(&counted, from, moment.at);
        if let Some(weight) = moment.weight.filter(|_| plan.failure_budget.is_some()) {
            self.traffic.remember(moment.at, weight);
        }
        self.scrape(plan, &counted, from, moment);
        self.learn(&counted, moment.at);
        self.counted_to = Some(moment.at);
        Ok(())
    }

    /// Learns from the time before the release.
    fn begin(&mut self, plan: &JudgePlan, counted: &Counted<'_>, at: Timestamp) {
        let weight = if counted.bounds().is_empty() {
            1.0
        } else {
            0.5
        };
        self.watched = vec![Watched::new(Event::Errors, weight, plan.stop_errors)];
        if let Some(errors) = self.watched.first_mut() {
            errors.remember(counted, at);
        }
        self.watch_latency(plan, counted, at);
        self.young.begin(counted, at);
        let minute = Duration::from_secs(BLOCK_SECONDS);
        let before = counted.total(Side::Stable, &Event::Errors, at - minute, at);
        if before.requests > 0 {
            self.traffic
                .notice(before.requests as f64 / minute.as_secs_f64());
        }
        (self.counted_to, self.since, self.learned_to) = (Some(at), Some(at), Some(at));
    }

    /// Chooses the bounds of the histogram that can tell something, once stable has shown how
    /// slow it is. They share one half of the whole.
    fn watch_latency(&mut self, plan: &JudgePlan, counted: &Counted<'_>, at: Timestamp) {
        let from = at - JudgePlan::HISTORY;
        let slower = counted.bounds().into_iter().map(Event::Slower);
        let is_useful = |event: &Event| {
            let count = counted.total(Side::Stable, event, from, at);
            let rate = count.rate().unwrap_or_default();
            count.requests >= ENOUGH && USEFUL.contains(&rate)
        };
        let useful = evenly(slower.filter(is_useful).collect());
        let weight = 0.5 / useful.len().max(1) as f64;
        for event in useful {
            let mut watched = Watched::new(event, weight, plan.stop_slow);
            watched.remember(counted, at);
            self.watched.push(watched);
        }
    }

    fn scrape(
        &mut self,
        plan: &JudgePlan,
        counted: &Counted<'_>,
        from: Timestamp,
        moment: &Moment<'_>,
    ) {
        let canary_pods = counted.pods(Side::Canary).count();
        let ages = self.young.ages(from, moment.at, canary_pods);
        let like = one_age(&ages);
        let (mut requests, mut share) = (0.0, None);
        for watched in &mut self.watched {
            let scrape = watched.scrape(counted, from, moment.at);
            let now = Circumstances {
                tolerated: watched.tolerated(plan, moment.learned, &ages),
                canary_pods,
                stable_pods: counted.pods(Side::Stable).count(),
                seconds: moment.at.since(from).as_secs_f64(),
                interval: moment.interval.as_secs_f64(),
                invested: plan.invested(),
                bound: plan.not_worse_than.get(),
            };
            watched.stream.count(&scrape, &now);
            if let (Some(age), Some(rate)) = (like, scrape.stable.rate()) {
                watched.young.count(age, scrape.canary, rate);
            }
            if watched.event == Event::Errors {
                requests = scrape.canary.requests as f64 + scrape.stable.requests as f64;
                share = scrape.share();
            }
        }
        self.traffic.compare(requests, share, moment.weight);
        let seconds = moment.at.since(from).as_secs_f64();
        self.traffic.notice(requests / seconds.max(1.0));
    }

    /// What is known for a ramp that is paced by what may be lost; none before the first reading.
    pub fn risk(&self) -> Option<Risk> {
        let stream = self.errors()?;
        let canary = stream.seen().canary;
        let stable = stream.stable().rate()?;
        let (_, at_most) = quantile::share(canary.events, canary.requests, MISSES);
        let worst = stream.likelihood().range().map(|(_, ratio)| ratio * stable);
        Some(Risk {
            requests_per_second: self.traffic.per_second()?,
            lost: self.lost(),
            canary_at_most: worst.map_or(at_most, |worst| worst.min(at_most)),
            stable,
            before: self.traffic.weight_before(),
        })
    }

    /// How many requests of the canary's failed that stable would not have failed; below 0 where
    /// it fails less.
    pub fn lost(&self) -> f64 {
        let Some(stream) = self.errors() else {
            return 0.0;
        };
        let (canary, stable) = (stream.seen().canary, stream.stable().rate());
        canary.events as f64 - canary.requests as f64 * stable.unwrap_or_default()
    }

    /// Compares stable's pods with each other, a block at a time.
    fn learn(&mut self, counted: &Counted<'_>, at: Timestamp) {
        let block = Duration::from_secs(BLOCK_SECONDS);
        let since = self.learned_to.map_or(Duration::ZERO, |to| at.since(to));
        if since < block {
            return;
        }
        self.learned_to = Some(at);
        for watched in &mut self.watched {
            let pods = counted.each(Side::Stable, &watched.event, at - block, at);
            watched.stream.learn(&pods);
        }
    }

    /// What is found so far.
    pub fn finding(&self, plan: &JudgePlan) -> Finding {
        if self.evidence() >= plan.needed() {
            return Finding::Worse;
        }
        let mut asked = self.watched.iter().filter(|watched| watched.is_asked());
        match !self.watched.is_empty() && asked.all(|watched| watched.is_proved(plan)) {
            true => Finding::GoodEnough,
            false => Finding::NotEnough,
        }
    }

    /// The evidence against the canary: 1 at the start, and [`JudgePlan::needed`] takes it back.
    pub fn evidence(&self) -> f64 {
        evidence(self.watched.iter().map(|watched| &watched.stream))
    }

    /// What is counted, for people.
    pub fn accounts(&self) -> Vec<Account<'_>> {
        let accounts = self.watched.iter().map(|watched| Account {
            event: watched.event.clone(),
            stream: &watched.stream,
        });
        accounts.collect()
    }

    /// What is asked for and not proved yet.
    pub fn open(&self, plan: &JudgePlan) -> Vec<Account<'_>> {
        let open = self
            .watched
            .iter()
            .map(|it| it.is_asked() && !it.is_proved(plan));
        let accounts = self.accounts().into_iter().zip(open);
        accounts
            .filter_map(|(account, open)| open.then_some(account))
            .collect()
    }

    /// What is known of failed requests; none before the first scrape.
    pub fn errors(&self) -> Option<&Stream> {
        let mut watched = self.watched.iter();
        let errors = watched.find(|watched| watched.event == Event::Errors);
        errors.map(|watched| &watched.stream)
    }

    /// How long it has counted.
    pub fn lasted(&self) -> Duration {
        let from_to = self.counted_to.zip(self.since);
        from_to.map_or(Duration::ZERO, |(to, since)| to.since(since))
    }

    /// Whether the canary gets much less traffic than its weight says.
    pub fn is_short_of_traffic(&self) -> bool {
        self.traffic.is_short()
    }

    /// Adds what this release's young pods did to what earlier ones taught; for a release that
    /// was promoted.
    pub fn teach(&self, learned: &mut Learned) {
        for watched in &self.watched {
            if !watched.young.is_empty() {
                let curve = learned.entry(watched.event.key().to_owned()).or_default();
                curve.add_release(&watched.young);
            }
        }
        let known = |key: &String| self.watched.iter().any(|it| it.event.key() == key);
        learned.retain(|key, _| known(key));
    }

    /// Every instant that it remembers.
    pub(crate) fn instants(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        let optional = [&mut self.counted_to, &mut self.since, &mut self.learned_to];
        let known = optional.into_iter().flatten();
        let more = self.young.instants().chain(self.traffic.instants());
        known.chain(more)
    }
}

/// At most so many of the bounds, over their whole range.
fn evenly(bounds: Vec<Event>) -> Vec<Event> {
    let count = bounds.len();
    if count <= MOST_BOUNDS {
        return bounds;
    }
    let places = (0..MOST_BOUNDS).map(|at| at * (count - 1) / (MOST_BOUNDS - 1));
    places.filter_map(|at| bounds.get(at).cloned()).collect()
}

#[cfg(test)]
mod tests;
