//! What a judge remembers within one release.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cohort::{Cohorts, one_age};
use super::counted::Counted;
use super::noise::BLOCK_SECONDS;
use super::pace::Risk;
use super::plan::JudgePlan;
use super::promotion;
use super::quantile;
use super::scrape::{Count, Scrape};
use super::stream::{Circumstances, Stream, evidence};
use super::warm_up::Curve;
use super::words::{Account, Event};
use crate::measurement::{Counter, Side};
use crate::number::Number;
use crate::time::Timestamp;

/// How many times worse young pods may begin, where nothing was learned.
const COLD_ERRORS: f64 = 10.0;
const COLD_SLOW: f64 = 30.0;
/// A bucket's bound is of use where so many of stable's requests are slower.
const USEFUL: std::ops::RangeInclusive<f64> = 0.002..=0.6;
/// How many bounds are watched: a state of four streams is small.
const MOST_BOUNDS: usize = 3;
/// So many requests of stable's say which bounds are of use.
const ENOUGH: u64 = 200;
/// A bound that fewer of stable's requests exceed proves nothing in time; it still takes back.
const RARE: f64 = 0.01;
/// The canary's traffic is not what its weight says when it gets less than this part of it, of
/// so many expected requests, in so many scrapes in a row.
const SHORT: f64 = 0.5;
const EXPECTED: f64 = 20.0;
const IN_A_ROW: u32 = 3;

/// How sure the bound on the canary's failed requests is, by which a ramp is paced.
const MISSES: f64 = 0.05;
/// How much of the known rate of requests is kept at each scrape.
const KEPT: f64 = 0.8;
/// Over how long the growth of a weight is limited, and how many weights of it are kept.
const GROWS_OVER: Duration = Duration::from_secs(30);
const MOST_WEIGHTS: usize = 8;

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
    /// Requests a second of both sides, over the last half a minute or so; none before any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<Number>,
    /// The weights of the last half a minute, where a ramp is paced by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    weights: Vec<(Timestamp, Number)>,
    /// For how many scrapes in a row the canary has had less traffic than its weight says.
    #[serde(default, skip_serializing_if = "is_zero")]
    short: u32,
}

/// One kind of event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    event: Event,
    stream: Stream,
    /// What this release's young pods did.
    #[serde(default, skip_serializing_if = "Curve::is_empty")]
    young: Curve,
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
        self.remember_weight(plan, moment);
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
            self.notice_rate(before.requests as f64 / minute.as_secs_f64());
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
        self.compare_share(requests, share, moment.weight);
        self.notice_rate(requests / moment.at.since(from).as_secs_f64().max(1.0));
    }

    fn notice_rate(&mut self, rate: f64) {
        let known = self.rate.map(Number::get);
        let rate = known.map_or(rate, |known| KEPT * known + (1.0 - KEPT) * rate);
        self.rate = Some(Number::new(rate));
    }

    /// Only the newest of the weights that are older than half a minute is of use.
    fn remember_weight(&mut self, plan: &JudgePlan, moment: &Moment<'_>) {
        let Some(weight) = moment.weight.filter(|_| plan.failure_budget.is_some()) else {
            return;
        };
        if weight > 0.0 {
            self.weights.push((moment.at, Number::new(weight)));
        }
        let old = moment.at - GROWS_OVER;
        while self.weights.get(1).is_some_and(|(next, _)| *next <= old)
            || self.weights.len() > MOST_WEIGHTS
        {
            self.weights.remove(0);
        }
    }

    /// What is known for a ramp that is paced by what may be lost; none before the first reading.
    pub fn risk(&self) -> Option<Risk> {
        let stream = self.errors()?;
        let canary = stream.seen().canary;
        let stable = stream.stable().rate()?;
        let (_, at_most) = quantile::share(canary.events, canary.requests, MISSES);
        let worst = stream.likelihood().range().map(|(_, ratio)| ratio * stable);
        Some(Risk {
            requests_per_second: self.rate?.get(),
            lost: self.lost(),
            canary_at_most: worst.map_or(at_most, |worst| worst.min(at_most)),
            stable,
            before: self.weights.first().map_or(0.0, |(_, weight)| weight.get()),
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

    /// Watches whether the canary's traffic is what its weight says.
    fn compare_share(&mut self, requests: f64, share: Option<f64>, weight: Option<f64>) {
        let (Some(share), Some(weight)) = (share, weight) else {
            return;
        };
        let short = requests * weight >= EXPECTED && share < weight * SHORT;
        self.short = if short {
            self.short.saturating_add(1)
        } else {
            0
        };
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
        self.short >= IN_A_ROW
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
        let weights = self.weights.iter_mut().map(|(at, _)| at);
        known.chain(self.young.instants()).chain(weights)
    }
}

impl Watched {
    fn new(event: Event, weight: f64, gate: Number) -> Self {
        Self {
            event,
            stream: Stream::new(weight, gate.get()),
            young: Curve::default(),
        }
    }

    /// Learns how much stable's pods differed before the release, block by block.
    fn remember(&mut self, counted: &Counted<'_>, at: Timestamp) {
        let block = Duration::from_secs(BLOCK_SECONDS);
        let blocks = JudgePlan::HISTORY.as_secs() / BLOCK_SECONDS;
        for before in (0..u32::try_from(blocks).unwrap_or(u32::MAX)).rev() {
            let to = at - block.saturating_mul(before);
            let pods = counted.each(Side::Stable, &self.event, to - block, to);
            self.stream.remember(&pods);
        }
    }

    fn scrape(&self, counted: &Counted<'_>, from: Timestamp, to: Timestamp) -> Scrape {
        let total = |side| -> Count { counted.total(side, &self.event, from, to) };
        Scrape {
            canary: total(Side::Canary),
            stable: total(Side::Stable),
        }
    }

    fn tolerated(&self, plan: &JudgePlan, learned: &Learned, ages: &[Duration]) -> f64 {
        let nothing = Curve::default();
        let curve = learned.get(self.event.key()).unwrap_or(&nothing);
        let cold = match self.event {
            Event::Errors => COLD_ERRORS,
            Event::Slower(_) => COLD_SLOW,
        };
        plan.warm_up.tolerated(ages, curve, cold)
    }

    /// Whether a proof of it is asked for.
    fn is_asked(&self) -> bool {
        let rate = self.stream.stable().rate();
        self.event == Event::Errors || rate.is_some_and(|rate| rate >= RARE)
    }

    /// Whether the canary is proved not to be so much worse, or to fail so seldom that it does
    /// not matter.
    fn is_proved(&self, plan: &JudgePlan) -> bool {
        self.stream.assurance() >= plan.proved() || self.is_harmless(plan)
    }

    fn is_harmless(&self, plan: &JudgePlan) -> bool {
        self.event == Event::Errors && promotion::is_harmless(self.stream.seen().canary, plan)
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
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
