//! What a histogram's buckets can say of a quantile, for the explanation.

use super::evidence::at_least;

/// The half width of a band around the whole distribution that is right at all times and for all
/// quantiles at once with probability 1 − `misses`.
///
/// Source: S. Howard and A. Ramdas, "Sequential estimation of quantiles", Bernoulli 28(3), 2022.
pub fn radius(samples: u64, misses: f64) -> f64 {
    let n = samples as f64;
    if samples == 0 {
        return 1.0;
    }
    let spread = libm::log(libm::log(std::f64::consts::E * n)) + 0.8 * libm::log(1612.0 / misses);
    (0.85 * libm::sqrt(at_least(spread, 0.0) / n)).min(1.0)
}

/// The edges between which a quantile lies; the upper one may be infinite.
///
/// `buckets` are counts by upper edge, not cumulated, the last edge being infinite, and
/// `band` gives the lowest and highest share that may truly lie below an edge, of how many of
/// how many samples were seen there.
pub fn between(
    buckets: &[(f64, u64)],
    quantile: f64,
    band: impl Fn(u64, u64) -> (f64, f64),
) -> (f64, f64) {
    let all: u64 = buckets.iter().map(|(_, count)| count).sum();
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut below = 0_u64;
    for (edge, count) in buckets {
        below = below.saturating_add(*count);
        if edge.is_infinite() {
            break;
        }
        let (least, most) = band(below, all);
        if most < quantile {
            low = *edge;
        }
        if least >= quantile && high.is_infinite() {
            high = *edge;
        }
    }
    (low, high)
}

/// The range of a share of which `events` of `samples` were seen, right at all times with
/// probability 1 − `misses`. Robbins' mixture with a flat prior.
pub fn share(events: u64, samples: u64, misses: f64) -> (f64, f64) {
    let (x, n) = (events.min(samples) as f64, samples as f64);
    if samples == 0 {
        return (0.0, 1.0);
    }
    let log_beta = libm::lgamma(x + 1.0) + libm::lgamma(n - x + 1.0) - libm::lgamma(n + 2.0);
    let log = |count: f64, share: f64| {
        if count > 0.0 {
            count * libm::log(share)
        } else {
            0.0
        }
    };
    let inside = |p: f64| log_beta - log(x, p) - log(n - x, 1.0 - p) < libm::log(1.0 / misses);
    let seen = x / n;
    let low = if x > 0.0 {
        edge(seen, 0.0, &inside)
    } else {
        0.0
    };
    let high = if x < n { edge(seen, 1.0, &inside) } else { 1.0 };
    (low, high)
}

/// Between a point inside and one outside, where it changes.
fn edge(inside: f64, outside: f64, is_inside: &impl Fn(f64) -> bool) -> f64 {
    let (mut inner, mut outer) = (inside, outside);
    for _ in 0..60 {
        let middle = f64::midpoint(inner, outer);
        if is_inside(middle) {
            inner = middle;
        } else {
            outer = middle;
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::super::tests::close;
    use super::*;

    const EDGES: [f64; 6] = [0.1, 0.25, 0.5, 1.0, 2.5, f64::INFINITY];

    fn p95(counts: [u64; 6]) -> (f64, (f64, f64), (f64, f64)) {
        let buckets: Vec<(f64, u64)> = EDGES.into_iter().zip(counts).collect();
        let all: u64 = counts.iter().sum();
        let radius = radius(all, 0.05);
        let uniform = between(&buckets, 0.95, |below, all| {
            let seen = below as f64 / all as f64;
            (seen - radius, seen + radius)
        });
        let each = between(&buckets, 0.95, |below, all| share(below, all, 0.05 / 5.0));
        (radius, uniform, each)
    }

    #[test]
    fn a_quantile_lies_between_edges_that_the_band_allows() {
        let inf = f64::INFINITY;
        for (counts, radius, uniform, each) in [
            ([750, 656, 90, 4, 0, 0], 0.070854, (0.1, inf), (0.1, 0.5)),
            (
                [7500, 6560, 880, 58, 2, 0],
                0.022667,
                (0.1, 0.5),
                (0.25, 0.5),
            ),
            (
                [1850, 7400, 4200, 1350, 200, 0],
                0.022667,
                (0.5, 1.0),
                (0.5, 1.0),
            ),
        ] {
            let found = p95(counts);
            close(found.0, radius, 1e-6);
            assert_eq!((found.1, found.2), (uniform, each), "{counts:?}");
        }
    }

    #[test]
    fn the_range_of_a_share() {
        for (events, samples, misses, low, high) in [
            (15, 1500, 0.01, 0.002487, 0.025769),
            (0, 40, 0.05, 0.0, 0.154420),
            (3, 20, 0.05, 0.013832, 0.470818),
        ] {
            let found = share(events, samples, misses);
            close(found.0, low, 1e-6);
            close(found.1, high, 1e-6);
        }
        assert_eq!(share(0, 0, 0.05), (0.0, 1.0));
        assert_eq!(share(9, 9, 0.05).1, 1.0);
    }
}
