//! How long requests take: log-normal, counted in the buckets that Prometheus has by default.

/// The bounds of the buckets, in seconds. What is shorter than the first is counted with it.
pub(crate) const EDGES: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// The bound beyond which a request is an annoyance: 250 ms.
pub(crate) const ANNOYING: usize = 2;

const MEDIAN: f64 = 0.1;
const SPREAD: f64 = 0.6;

/// The shares of all requests that fall in each bucket, the last one being open.
pub(crate) type Shares = [f64; EDGES.len() + 1];

/// The shares where everything takes `scale` times as long as usual.
pub(crate) fn shares(scale: f64) -> Shares {
    let mut above = 1.0;
    std::array::from_fn(|bucket| {
        let beyond = EDGES.get(bucket).map_or(0.0, |edge| slower(*edge, scale));
        let share = above - beyond;
        above = beyond;
        share
    })
}

/// The share of requests that take longer than so many seconds.
pub(crate) fn slower(seconds: f64, scale: f64) -> f64 {
    let deviations = libm::log(seconds / (MEDIAN * scale)) / SPREAD;
    0.5 * libm::erfc(deviations / std::f64::consts::SQRT_2)
}

/// A quantile as `histogram_quantile` finds it, in seconds, from how many were slower than each
/// edge; none without requests.
pub(crate) fn quantile(share: f64, requests: u64, slower: &[u64; EDGES.len()]) -> Option<f64> {
    if requests == 0 {
        return None;
    }
    let rank = share * requests as f64;
    let (mut from, mut below) = (0.0, 0.0);
    for (edge, slower) in EDGES.into_iter().zip(slower) {
        let upto = (requests - slower) as f64;
        if upto >= rank {
            let part = if upto > below {
                (rank - below) / (upto - below)
            } else {
                1.0
            };
            return Some(from + (edge - from) * part);
        }
        (from, below) = (edge, upto);
    }
    Some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_those_of_the_world_that_is_described() {
        assert!((slower(0.1, 1.0) - 0.5).abs() < 1e-12);
        // The 95th and the 99th percentile.
        assert!((slower(0.2683, 1.0) - 0.05).abs() < 1e-4);
        assert!((slower(0.4038, 1.0) - 0.01).abs() < 1e-4);
        assert!((slower(0.5366, 2.0) - 0.05).abs() < 1e-4);
        for scale in [0.5, 1.0, 3.0] {
            assert!((shares(scale).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let slower = [900, 500, 60, 4, 0, 0, 0];
        let p95 = quantile(0.95, 1000, &slower).unwrap();
        assert!((p95 - (0.25 + 0.25 * 10.0 / 56.0)).abs() < 1e-9, "{p95}");
        assert_eq!(quantile(0.95, 0, &[0; 7]), None);
        assert_eq!(quantile(0.95, 10, &[10; 7]), Some(5.0));
    }
}
