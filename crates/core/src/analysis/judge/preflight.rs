//! What a rollout can and cannot see, before it starts.

use super::evidence::{RATIOS, RESERVE};

/// One stretch of a rollout: how many requests both sides serve, and the canary's share of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Requests of both sides.
    pub requests: f64,
    /// The canary's share, 0–1.
    pub share: f64,
}

/// The worst ratio that is looked for.
const WORST: f64 = 10_000.0;

/// How much evidence a rollback needs, in nats, of a stream that has `weight` of the whole (0–1).
pub fn needed(false_rollback: f64, weight: f64) -> f64 {
    let stakes = RATIOS.len() as f64 / RESERVE;
    libm::log(1.0 / false_rollback) + libm::log(stakes) + libm::log(1.0 / weight)
}

/// How much evidence a canary that is `ratio` times worse gives, in nats, where stable's share of
/// events is `rate`.
pub fn given(stretches: &[Stretch], rate: f64, ratio: f64) -> f64 {
    let each = stretches.iter().map(|stretch| {
        let r = stretch.share.clamp(0.0, 1.0);
        let mixed = 1.0 - r + r * ratio;
        stretch.requests * rate * (r * ratio * libm::log(ratio) - mixed * libm::log(mixed))
    });
    each.sum()
}

/// The smallest ratio that is caught in about half of all releases; none where not even one that
/// fails altogether is.
pub fn smallest_ratio(stretches: &[Stretch], rate: f64, needed: f64) -> Option<f64> {
    let most = (1.0 / rate).min(WORST);
    if most.is_nan() || given(stretches, rate, most) < needed {
        return None;
    }
    let (mut low, mut high) = (0.0, libm::log(most));
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if given(stretches, rate, libm::exp(middle)) < needed {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(libm::exp(high))
}

/// How many failures beyond stable's any test that looks all the time must let happen before it
/// can know of a ratio, whatever the traffic.
pub fn price(ratio: f64, needed: f64) -> f64 {
    needed * (ratio - 1.0) / (ratio * libm::log(ratio) - ratio + 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::close;
    use super::*;

    fn ramp(requests_per_second: f64) -> Vec<Stretch> {
        let requests = requests_per_second * 300.0;
        [0.1, 0.25, 0.5]
            .map(|share| Stretch { requests, share })
            .to_vec()
    }

    #[test]
    fn the_evidence_that_a_rollback_needs() {
        close(needed(0.01, 0.5), 8.07, 0.005);
        close(needed(0.05, 0.5), 6.46, 0.005);
    }

    #[test]
    fn what_a_usual_ramp_can_see() {
        let table = [
            (0.0005, [67.0, 10.0, 2.9, 1.5]),
            (0.003, [15.0, 3.6, 1.7, 1.2]),
            (0.01, [6.6, 2.2, 1.3, 1.1]),
        ];
        for (rate, ratios) in table {
            for (traffic, ratio) in [1.0, 10.0, 100.0, 1000.0].into_iter().zip(ratios) {
                let found = smallest_ratio(&ramp(traffic), rate, needed(0.01, 0.5)).unwrap();
                assert!(
                    (found / ratio - 1.0).abs() < 0.06,
                    "{rate} {traffic}: {found} {ratio}"
                );
            }
        }
        assert_eq!(smallest_ratio(&ramp(0.001), 0.003, 8.07), None);
    }

    #[test]
    fn what_any_test_must_pay() {
        for (ratio, failures) in [(2.0, 21.0), (5.0, 8.0), (10.0, 5.0), (100.0, 2.0)] {
            assert_eq!(price(ratio, needed(0.01, 0.5)).round(), failures, "{ratio}");
        }
    }
}
