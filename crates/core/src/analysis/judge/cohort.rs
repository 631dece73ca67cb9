//! The canary's young pods, by when they were first seen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counted::Counted;
use super::warm_up::{CLASS_SECONDS, YOUNG};
use crate::measurement::Side;
use crate::time::Timestamp;

/// How many groups of pods that began together are kept apart.
const MOST: usize = 16;

/// Pods that began together, oldest first. Those that are not young any more are in none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Cohorts(Vec<Cohort>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cohort {
    since: Timestamp,
    pods: usize,
}

impl Cohorts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pods that are there already. One that was scraped as long as anything else was may be
    /// of any age, and counts as warm.
    pub(super) fn begin(&mut self, counted: &Counted<'_>, at: Timestamp) {
        if let Some(oldest) = counted.oldest() {
            self.follow(counted, oldest, at);
        }
    }

    /// The pods that began after an instant, up to another one.
    pub(super) fn follow(&mut self, counted: &Counted<'_>, from: Timestamp, to: Timestamp) {
        let firsts = counted.pods(Side::Canary);
        let firsts = firsts.filter_map(|pod| counted.first(Side::Canary, pod));
        let mut fresh: Vec<Timestamp> = firsts.filter(|it| *it > from && *it <= to).collect();
        fresh.sort_unstable();
        for since in fresh {
            self.add(since);
        }
        self.0.retain(|cohort| to.since(cohort.since) < YOUNG);
        while self.0.len() > MOST {
            let oldest = self.0.remove(0);
            if let Some(next) = self.0.first_mut() {
                next.pods += oldest.pods;
            }
        }
    }

    fn add(&mut self, since: Timestamp) {
        match self.0.last_mut() {
            Some(last) if since.since(last.since).as_secs() < CLASS_SECONDS => last.pods += 1,
            _ => self.0.push(Cohort { since, pods: 1 }),
        }
    }

    /// How old each of so many pods was on average between two instants. Of pods that are gone
    /// nobody knows which they were: those that are left count as the youngest.
    pub(super) fn ages(&self, from: Timestamp, to: Timestamp, pods: usize) -> Vec<Duration> {
        let youngest = self.0.iter().rev().flat_map(|cohort| {
            let from = from.max(cohort.since);
            let age = to.since(cohort.since) - to.since(from) / 2;
            std::iter::repeat_n(age, cohort.pods)
        });
        let mut ages: Vec<Duration> = youngest.take(pods).collect();
        ages.resize(pods, Duration::MAX);
        ages
    }

    pub(super) fn instants(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        self.0.iter_mut().map(|cohort| &mut cohort.since)
    }
}

/// The age of pods that are young and of one age; none where they differ.
pub(super) fn one_age(ages: &[Duration]) -> Option<Duration> {
    let (first, rest) = ages.split_first()?;
    let class = |age: &Duration| age.as_secs() / CLASS_SECONDS;
    let alike = rest.iter().all(|age| class(age) == class(first));
    (*first < YOUNG && alike).then_some(*first)
}
