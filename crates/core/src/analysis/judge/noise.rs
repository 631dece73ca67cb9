//! How much less a count says than independent requests would: pods differ, failures come in
//! bursts, clients try again.

use serde::{Deserialize, Serialize};

use super::evidence::at_least;
use super::scrape::Count;
use super::sum::Sum;

/// How long a block is, in seconds: longer than the memory of bursts and retries.
pub const BLOCK_SECONDS: u64 = 60;

/// How much the counts of like pods differ beyond chance, learned from stable's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noise {
    excess: Sum,
    expected: Sum,
}

impl Noise {
    /// Counts one block of [`BLOCK_SECONDS`] over stable's pods. One pod alone says nothing.
    pub fn count(&mut self, pods: &[Count]) {
        let all = pods.iter().fold(Count::default(), |mut sum, pod| {
            sum += *pod;
            sum
        });
        let (Some(rate), true) = (all.rate(), pods.len() > 1) else {
            return;
        };
        let spread = 1.0 - 1.0 / pods.len() as f64;
        for pod in pods {
            let expected = pod.requests as f64 * rate;
            let off = pod.events as f64 - expected;
            self.excess
                .add(off * off - expected * spread * (1.0 - rate));
            self.expected.add(expected * expected * spread);
        }
    }

    /// The squared coefficient of variation between pods, 0 where it may as well be chance.
    pub fn variation(&self) -> f64 {
        let expected = self.expected.get();
        if expected <= 0.0 {
            return 0.0;
        }
        let squared = self.excess.get() / expected;
        let error = libm::sqrt(2.0 / expected);
        if squared > 2.0 * error {
            squared + error
        } else {
            0.0
        }
    }

    /// The factor by which evidence is divided, 1 and more.
    ///
    /// `share` is the canary's share of requests, and the other two are the events that are
    /// expected for a pod of each side within one block, at stable's rate.
    pub fn factor(&self, share: f64, canary: f64, stable: f64) -> f64 {
        let (canary, stable) = (at_least(canary, 0.0), at_least(stable, 0.0));
        let mean = (1.0 - share) * canary + share * stable;
        at_least(1.0 + self.variation() * mean, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::close;
    use super::*;

    fn of(blocks: &[[(u64, u64); 4]]) -> Noise {
        let mut noise = Noise::default();
        for block in blocks {
            let pods = block.map(|(events, requests)| Count::new(requests, events));
            noise.count(&pods);
        }
        noise
    }

    #[test]
    fn pods_that_differ_make_a_factor() {
        let noise = of(&[
            [(3, 900), (9, 910), (1, 890), (2, 900)],
            [(2, 905), (12, 895), (3, 900), (0, 900)],
            [(1, 900), (8, 900), (2, 900), (5, 900)],
        ]);
        close(noise.excess.get(), 117.470559, 1e-6);
        close(noise.expected.get(), 144.378440, 1e-6);
        close(noise.variation(), 0.931326, 1e-6);
        close(noise.factor(0.1, 5.0, 4.5), 5.610064, 1e-6);
    }

    #[test]
    fn pods_that_differ_by_chance_make_none() {
        let noise = of(&[
            [(3, 900), (2, 900), (4, 900), (3, 900)],
            [(2, 900), (3, 900), (3, 900), (4, 900)],
        ]);
        close(noise.excess.get(), -13.94, 1e-6);
        close(noise.expected.get(), 54.0, 1e-6);
        close(noise.factor(0.1, 5.0, 4.5), 1.0, 0.0);
    }

    #[test]
    fn many_events_are_told_apart_from_chance_more_finely() {
        let noise = of(&[
            [(40, 9000), (95, 9000), (22, 9000), (60, 9000)],
            [(55, 9100), (30, 8900), (88, 9000), (41, 9000)],
        ]);
        close(noise.excess.get(), 4487.419610, 1e-6);
        close(noise.expected.get(), 17416.467546, 1e-6);
        close(noise.variation(), 0.268370, 1e-6);
        close(noise.factor(0.1, 5.0, 4.5), 2.328431, 1e-6);
    }

    #[test]
    fn one_pod_or_no_request_says_nothing() {
        let mut noise = Noise::default();
        noise.count(&[Count::new(900, 90)]);
        noise.count(&[Count::default(); 4]);
        assert_eq!(noise, Noise::default());
    }
}
