//! A service under load: ten pods of stable, a pod of the canary for each tenth of the traffic,
//! and what they count.

use crate::latency::{self, ANNOYING, EDGES, Shares};
use crate::rng::Rng;
use crate::scenario::{Defect, Scenario};

/// How long a tick is, in seconds.
pub(crate) const TICK: u32 = 5;
/// How many pods serve all of the traffic.
pub(crate) const PODS: usize = 10;
/// How long people need to notice what the judge has missed, in seconds.
const NOTICED_AFTER: u32 = 30 * 60;
/// How much of stable is known before the release, in minutes.
const HISTORY: usize = 10;
/// How often pods' luck changes, in seconds.
const MINUTE: u32 = 60;
/// The share of requests that fail.
const ERRORS: f64 = 0.003;
/// How long a blip or an outage of the metrics lasts, in seconds.
const BLIP: u32 = 60;
const OUTAGE: u32 = 120;
const LOST: f64 = 0.2;
/// How fast a cold pod warms up, in seconds.
const WARMS_IN: f64 = 30.0;
const LEAKS_FROM: u32 = 600;
const LEAKS_FOR: u32 = 300;

/// What a pod has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub requests: u64,
    pub errors: u64,
    /// Requests that took longer than each edge of [`EDGES`].
    pub slower: [u64; EDGES.len()],
}

impl Counters {
    fn count(&mut self, bucket: usize, requests: u64) {
        self.requests += requests;
        for slower in self.slower.iter_mut().take(bucket) {
            *slower += requests;
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        for (sum, slower) in self.slower.iter_mut().zip(other.slower) {
            *sum += slower;
        }
    }

    /// What was counted since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            errors: self.errors - earlier.errors,
            slower: std::array::from_fn(|edge| self.slower[edge] - earlier.slower[edge]),
        }
    }
}

/// What pods have counted together.
pub(crate) fn total(pods: &[Pod]) -> Counters {
    pods.iter().fold(Counters::default(), |mut sum, pod| {
        sum.add(&pod.counters);
        sum
    })
}

/// One pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    /// When it began, in seconds since the release did.
    pub since: u32,
    pub counters: Counters,
    /// How much more than others it fails, and how much slower it is, for a minute.
    luck: (f64, f64),
    scale: f64,
    shares: Shares,
}

impl Pod {
    fn new(since: u32, luck: (f64, f64)) -> Self {
        let (counters, scale) = (Counters::default(), 1.0);
        let shares = latency::shares(scale);
        Self {
            since,
            counters,
            luck,
            scale,
            shares,
        }
    }

    /// Serves about so many requests. A failed one takes as long as any other.
    fn serve(&mut self, rng: &mut Rng, requests: f64, (risk, scale): (f64, f64)) {
        if scale != self.scale {
            (self.scale, self.shares) = (scale, latency::shares(scale));
        }
        for (bucket, share) in self.shares.into_iter().enumerate() {
            let served = rng.count(requests * (1.0 - risk) * share);
            self.counters.count(bucket, served);
        }
        let before = self.counters.requests;
        if requests * risk > 20.0 {
            for (bucket, share) in self.shares.into_iter().enumerate() {
                let failed = rng.count(requests * risk * share);
                self.counters.count(bucket, failed);
            }
        } else {
            for _ in 0..rng.count(requests * risk) {
                let bucket = self.bucket(rng.unit());
                self.counters.count(bucket, 1);
            }
        }
        self.counters.errors += self.counters.requests - before;
    }

    fn bucket(&self, mut left: f64) -> usize {
        let within = |share: &f64| {
            left -= share;
            left < 0.0
        };
        self.shares.iter().position(within).unwrap_or(EDGES.len())
    }
}

/// One release.
pub(crate) struct World {
    scenario: Scenario,
    rng: Rng,
    /// Seconds since the release began.
    pub at: u32,
    pub stable: Vec<Pod>,
    pub canary: Vec<Pod>,
    /// What each pod of stable counted in each of the last minutes before.
    pub history: Vec<Vec<Counters>>,
    /// How many requests the new version has spoiled, on average over all that could have come.
    pub harm: f64,
    /// How long things take to drift.
    length: u32,
    blips: [u32; 2],
    outage: u32,
}

impl World {
    /// A service before its release, which is planned to take so many seconds.
    pub(crate) fn new(scenario: &Scenario, length: u32, mut rng: Rng) -> Self {
        let mut any = |room: u32| (rng.unit() * f64::from(length.saturating_sub(room))) as u32;
        let (first, second, outage) = (any(2 * BLIP), any(2 * BLIP), any(OUTAGE));
        // Two that do not overlap.
        let blips = [first.min(second), first.max(second) + BLIP];
        let mut world = Self {
            scenario: *scenario,
            rng,
            at: 0,
            stable: vec![Pod::new(0, (1.0, 1.0)); PODS],
            canary: Vec::new(),
            history: Vec::new(),
            harm: 0.0,
            length,
            blips,
            outage,
        };
        world.live_before();
        world
    }

    /// The minutes before the release, in which all was calm.
    fn live_before(&mut self) {
        let each = f64::from(self.scenario.rate * MINUTE) / PODS as f64;
        for _ in 0..HISTORY {
            self.throw_dice();
            for pod in &mut self.stable {
                let (errors, latency) = pod.luck;
                pod.counters = Counters::default();
                pod.serve(&mut self.rng, each, ((ERRORS * errors).min(1.0), latency));
            }
            let counted = self.stable.iter().map(|pod| pod.counters);
            self.history.push(counted.collect());
        }
        for pod in &mut self.stable {
            pod.counters = Counters::default();
        }
    }

    /// Lets a tick pass in which the canary gets this share of the traffic. Says whether there
    /// are metrics at its end.
    pub(crate) fn pass(&mut self, weight: f64) -> bool {
        if self.at.is_multiple_of(MINUTE) {
            self.throw_dice();
        }
        let pods = (weight * PODS as f64 - 1e-9).ceil() as usize;
        while self.canary.len() < pods {
            let luck = self.luck();
            self.canary.push(Pod::new(self.at, luck));
        }
        let requests = traffic(&self.scenario, self.at) * f64::from(TICK);
        self.serve_stable(requests * (1.0 - weight));
        self.serve_canary(requests * weight);
        self.at += TICK;
        self.has_metrics()
    }

    fn serve_stable(&mut self, requests: f64) {
        let now = self.moment();
        let each = requests / self.stable.len() as f64;
        for pod in &mut self.stable {
            let conditions = now.conditions(pod.luck, None, &Defect::NONE);
            pod.serve(&mut self.rng, each, conditions);
        }
    }

    fn serve_canary(&mut self, requests: f64) {
        let now = self.moment();
        let each = requests / self.canary.len().max(1) as f64;
        for pod in &mut self.canary {
            let age = now.cold.then(|| self.at - pod.since);
            let conditions = now.conditions(pod.luck, age, &self.scenario.defect);
            let harmless = now.conditions(pod.luck, age, &Defect::NONE);
            self.harm += each * harm(&self.scenario, conditions, harmless);
            pod.serve(&mut self.rng, each, conditions);
        }
    }

    /// What the version spoils if it is promoted now, until people notice.
    pub(crate) fn harm_if_promoted(&self) -> f64 {
        let ticks = (0..NOTICED_AFTER / TICK).map(|tick| self.at + tick * TICK);
        let each = ticks.map(|at| {
            let now = Moment::new(self, at);
            let bad = now.conditions((1.0, 1.0), None, &self.scenario.defect);
            let good = now.conditions((1.0, 1.0), None, &Defect::NONE);
            let requests = traffic(&self.scenario, at) * f64::from(TICK);
            requests * harm(&self.scenario, bad, good)
        });
        each.sum()
    }

    fn throw_dice(&mut self) {
        for at in 0..self.stable.len() + self.canary.len() {
            let luck = self.luck();
            if let Some(pod) = self.stable.iter_mut().chain(&mut self.canary).nth(at) {
                pod.luck = luck;
            }
        }
    }

    fn luck(&mut self) -> (f64, f64) {
        let (errors, latency) = self.scenario.weather.noise;
        (self.rng.factor(errors), self.rng.factor(latency))
    }

    fn has_metrics(&mut self) -> bool {
        if !self.scenario.weather.gaps {
            return true;
        }
        let lost = self.rng.happens(LOST);
        !lost && !(self.outage..self.outage + OUTAGE).contains(&self.at)
    }

    fn moment(&self) -> Moment {
        Moment::new(self, self.at)
    }
}

/// What both sides meet at an instant.
struct Moment {
    errors: f64,
    latency: f64,
    cold: bool,
    leaked: f64,
}

impl Moment {
    fn new(world: &World, at: u32) -> Self {
        let weather = world.scenario.weather;
        let (mut errors, mut latency) = (ERRORS, 1.0);
        let mut blips = world.blips.into_iter();
        if weather.blips && blips.any(|from| (from..from + BLIP).contains(&at)) {
            (errors, latency) = (errors * 10.0, latency * 1.5);
        }
        if weather.drift {
            let part = (f64::from(at) / f64::from(world.length)).min(1.0);
            (errors, latency) = (errors * (1.0 + 2.0 * part), latency * (1.0 + 0.3 * part));
        }
        let leaks_since = f64::from(at.saturating_sub(LEAKS_FROM));
        Self {
            errors,
            latency,
            cold: weather.cold,
            leaked: (leaks_since / f64::from(LEAKS_FOR)).min(1.0),
        }
    }

    /// The risk of a request to fail, and how many times as long as usual it takes.
    fn conditions(&self, luck: (f64, f64), age: Option<u32>, defect: &Defect) -> (f64, f64) {
        let cold = age.map_or(0.0, |age| libm::exp(-f64::from(age) / WARMS_IN));
        let leaked = if defect.leak { self.leaked } else { 0.0 };
        let risk = self.errors * luck.0 * (1.0 + 9.0 * cold) * defect.errors;
        let scale = self.latency * luck.1 * (1.0 + 2.0 * cold) * defect.latency;
        let added = defect.added + 0.1 * leaked;
        ((risk + added).min(1.0), scale * (1.0 + leaked))
    }
}

/// The part of requests that a version spoils.
fn harm(scenario: &Scenario, bad: (f64, f64), good: (f64, f64)) -> f64 {
    if scenario.is_good() {
        return 0.0;
    }
    if scenario.is_slow() {
        let annoying = |(_, scale)| latency::slower(EDGES[ANNOYING], scale);
        return annoying(bad) - annoying(good);
    }
    bad.0 - good.0
}

/// Requests a second.
fn traffic(scenario: &Scenario, at: u32) -> f64 {
    let usual = f64::from(scenario.rate);
    match scenario.weather.drift {
        true => usual * (1.0 + 0.5 * libm::sin(std::f64::consts::TAU * f64::from(at) / 600.0)),
        false => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::SCENARIOS;

    fn world(text: &str) -> World {
        let scenario = SCENARIOS.iter().find(|it| it.is_meant(text)).unwrap();
        World::new(scenario, 900, Rng::of(&[3]))
    }

    #[test]
    fn a_tenth_of_the_traffic_meets_a_pod_of_ten() {
        let mut world = world("G1@1000");
        for _ in 0..180 {
            assert!(world.pass(0.1));
        }
        assert_eq!((world.canary.len(), world.at), (1, 900));
        let (canary, stable) = (total(&world.canary), total(&world.stable));
        let close = |found: u64, expected: f64| {
            let off = (found as f64 - expected).abs();
            assert!(off < 4.0 * expected.sqrt(), "{found} {expected}");
        };
        close(canary.requests, 90_000.0);
        close(stable.requests, 810_000.0);
        close(stable.errors, 2430.0);
        close(stable.slower[1], 405_000.0);
        assert_eq!(world.harm, 0.0);
        assert_eq!(world.history.len(), HISTORY);
    }

    #[test]
    fn harm_is_what_the_defect_alone_spoils() {
        let mut bad = world("B2@100");
        for _ in 0..60 {
            bad.pass(0.1);
        }
        assert!((bad.harm - 10.0 * 300.0 * 0.012).abs() < 1e-9);
        assert!((bad.harm_if_promoted() - 100.0 * 1800.0 * 0.012).abs() < 1e-6);
        let mut failing = world("B4@100");
        failing.pass(0.5);
        let counted = total(&failing.canary);
        assert_eq!(counted.errors, counted.requests);
        assert!((failing.harm - 250.0 * 0.997).abs() < 1e-9);
    }

    #[test]
    fn a_leak_begins_after_ten_minutes_and_a_cold_pod_warms_up() {
        let (leak, cold) = (world("B7"), world("G6"));
        let risk = |world: &World, at: u32, age: u32| {
            let now = Moment::new(world, at);
            let age = now.cold.then_some(age);
            now.conditions((1.0, 1.0), age, &world.scenario.defect)
        };
        assert_eq!(risk(&leak, 600, 0), (0.003, 1.0));
        let (errors, latency) = risk(&leak, 900, 0);
        assert!((errors - 0.103).abs() < 1e-12 && latency == 2.0);
        assert_eq!(risk(&cold, 0, 0), (0.03, 3.0));
        assert!(risk(&cold, 300, 300).0 < 0.003_002);
    }
}
