//! What no part can show alone.

use super::*;

pub(super) fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} where {expected} is expected"
    );
}

pub(super) fn scrape(n1: u64, x1: u64, n0: u64, x0: u64) -> Scrape {
    Scrape {
        canary: Count::new(n1, x1),
        stable: Count::new(n0, x0),
    }
}

/// The mean gain over all alternatives, without a reserve.
fn mean_gain(scrape: &Scrape) -> f64 {
    let share = scrape.share().unwrap();
    let gains = RATIOS.map(|ratio| libm::exp(evidence::log_gain(scrape, share, ratio, 1.0, 1.0)));
    gains.iter().sum::<f64>() / gains.len() as f64
}

#[test]
fn latency_is_the_same_test_on_requests_slower_than_a_bound() {
    let stable = [675, 590, 80, 5, 0, 0];
    let slower = |counts: &[u64; 6], bound: usize| {
        let all: u64 = counts.iter().sum();
        Count::new(all, counts[bound + 1..].iter().sum())
    };
    let expected = [
        (
            [74, 66, 9, 1, 0, 0],
            [0.025981, 0.196631, 0.652004],
            0.291539,
        ),
        (
            [57, 74, 17, 2, 0, 0],
            [0.906017, 6.494466, 1.379294],
            2.926592,
        ),
        (
            [18, 80, 40, 10, 2, 0],
            [4.444925e5, 2.672992e15, 8.619465e6],
            8.909972e14,
        ),
    ];
    for (canary, each, mean) in expected {
        let mut sum = 0.0;
        for (bound, wanted) in each.into_iter().enumerate() {
            let scrape = Scrape {
                canary: slower(&canary, bound),
                stable: slower(&stable, bound),
            };
            let found = mean_gain(&scrape);
            close(found / wanted, 1.0, 2e-6);
            sum += found / 3.0;
        }
        close(sum / mean, 1.0, 2e-6);
    }
}

#[test]
fn a_scrape_split_in_two_at_the_same_share_is_the_sum_of_its_parts() {
    let (whole, parts) = (
        scrape(300, 7, 2700, 20),
        [scrape(100, 2, 900, 5), scrape(200, 5, 1800, 15)],
    );
    for ratio in RATIOS {
        let gain = |scrape: &Scrape| evidence::log_gain(scrape, 0.1, ratio, 1.0, 1.3);
        close(gain(&whole), parts.iter().map(gain).sum(), 1e-12);
    }
}

/// The probability of `x` of `n` at `p`.
fn binomial(n: u64, x: u64, p: f64) -> f64 {
    let (n, x) = (n as f64, x as f64);
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(x + 1.0) - libm::lgamma(n - x + 1.0);
    libm::exp(ways + x * libm::log(p) + (n - x) * libm::log(1.0 - p))
}

/// The expectation of a factor when the canary's risk is `tolerated` times stable's, by
/// enumeration.
fn expectation(n1: u64, n0: u64, p: f64, ratio: f64, tolerated: f64) -> f64 {
    let share = n1 as f64 / (n1 + n0) as f64;
    let mut sum = 0.0;
    for x1 in 0..=n1 {
        for x0 in 0..=n0 {
            let chance = binomial(n1, x1, p * tolerated) * binomial(n0, x0, p);
            let gain = evidence::log_gain(&scrape(n1, x1, n0, x0), share, ratio, tolerated, 1.0);
            sum += chance * libm::exp(gain);
        }
    }
    sum
}

#[test]
fn no_factor_has_a_mean_above_one_while_the_canary_is_no_worse() {
    for (n1, n0) in [(1, 1), (3, 20), (10, 30), (20, 7), (30, 60)] {
        for p in [0.0005, 0.01, 0.2, 0.45] {
            for ratio in RATIOS {
                for tolerated in [1.0, 1.5, 2.0] {
                    let mean = expectation(n1, n0, p, ratio, tolerated);
                    assert!(
                        mean <= 1.0 + 1e-9,
                        "{n1} {n0} {p} {ratio} {tolerated}: {mean}"
                    );
                }
            }
        }
    }
}

#[test]
fn at_small_equal_risks_the_mean_is_as_good_as_one() {
    for ratio in RATIOS {
        let mean = expectation(20, 60, 0.0005, ratio, 1.0);
        assert!((0.99..=1.0 + 1e-9).contains(&mean), "{ratio}: {mean}");
    }
}

#[test]
fn a_judge_that_was_saved_goes_on_bit_for_bit() {
    let rows = [
        scrape(150, 1, 1350, 4),
        scrape(148, 3, 1361, 5),
        scrape(151, 4, 1344, 3),
    ];
    let (mut whole, mut noise) = (Evidence::default(), Likelihood::default());
    let mut saved = (whole.clone(), noise.clone());
    for row in &rows {
        whole.count(row, 1.1, 1.7, 0.01);
        noise.count(row, 1.7);
        let text = serde_json::to_string(&saved).unwrap();
        saved = serde_json::from_str(&text).unwrap();
        saved.0.count(row, 1.1, 1.7, 0.01);
        saved.1.count(row, 1.7);
    }
    assert_eq!(saved, (whole, noise));
}

#[test]
fn what_four_streams_keep_fits_in_four_kilobytes() {
    let mut streams: Vec<Stream> = (0..4).map(|_| Stream::new(1.0 / 6.0, 1.15)).collect();
    for at in 0..120 {
        let share = [1, 10, 25, 50][at as usize / 30];
        for (place, stream) in (0..).zip(&mut streams) {
            let row = scrape(
                150 * share + at,
                3 + (at + place) % 7,
                150 * (100 - share) + 3 * at,
                40 + at % 11,
            );
            stream.remember(&[row.canary, row.stable]);
            let now = Circumstances {
                tolerated: 1.0,
                canary_pods: 3,
                stable_pods: 10,
                seconds: 5.0,
                interval: 5.0,
                invested: 0.5 / 120.0,
                bound: 2.0,
            };
            stream.count(&row, &now);
        }
    }
    let text = serde_json::to_string(&streams).unwrap();
    assert!(text.len() <= 4096, "{} bytes: {text}", text.len());
    assert!(text.len() > 2000, "not all of it was used: {text}");
}
