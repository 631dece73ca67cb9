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

#[test]
fn however_a_scrape_is_split_at_the_same_share_its_parts_add_up_to_it() {
    let mut chance = Chance(11);
    for _ in 0..500 {
        let mut below = |most: f64| (chance.unit() * most) as u64;
        let (n1, n0, times) = (1 + below(40.0), 1 + below(400.0), 2 + below(6.0));
        let part = |events: (u64, u64), times: u64| {
            let (canary, stable) = (times * n1, times * n0);
            scrape(canary, events.0.min(canary), stable, events.1.min(stable))
        };
        let (first, rest) = (
            part((below(5.0), below(20.0)), 1),
            part((below(20.0), below(80.0)), times - 1),
        );
        let mut whole = first;
        whole += rest;
        let share = whole.share().unwrap();
        let (tolerated, noise) = (1.0 + below(3.0) as f64 / 2.0, 1.0 + below(4.0) as f64);
        for ratio in RATIOS {
            let gain = |it: &Scrape| evidence::log_gain(it, share, ratio, tolerated, noise);
            let (all, parts) = (gain(&whole), gain(&first) + gain(&rest));
            close(all, parts, 1e-9 * (1.0 + all.abs()));
        }
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

/// The logarithm of the evidence where the share is always the same and the prior on the canary's
/// share of the events is Beta(a, b), cut off below what is tolerated.
fn closed_form(s: f64, e: f64, r: f64, tolerated: f64, (a, b): (f64, f64)) -> f64 {
    let least = r * tolerated / (1.0 - r + r * tolerated);
    let log_beta = |a: f64, b: f64| libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let above = |a: f64, b: f64| libm::log(1.0 - beta_below(least, a, b));
    let after = log_beta(a + s, b + e - s) + above(a + s, b + e - s);
    let before = log_beta(a, b) + above(a, b);
    after - before - s * libm::log(least) - (e - s) * libm::log(1.0 - least)
}

/// The regularised incomplete beta function, by its continued fraction.
fn beta_below(x: f64, a: f64, b: f64) -> f64 {
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_below(1.0 - x, b, a);
    }
    let log_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let front = libm::exp(a * libm::log(x) + b * libm::log(1.0 - x) - log_beta) / a;
    let (mut c, mut d) = (1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for step in 1..500 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / (1.0 + term * d);
            c = 1.0 + term / c;
            fraction *= c * d;
        }
    }
    front * fraction
}

#[test]
fn the_closed_form_of_a_constant_share() {
    close(closed_form(4.0, 5.0, 0.1, 1.0, (1.0, 1.0)), 6.019809, 1e-6);
    close(
        closed_form(12.0, 60.0, 0.1, 1.0, (0.5, 4.5)),
        1.842393,
        1e-6,
    );
    close(
        closed_form(40.0, 100.0, 0.25, 1.25, (1.0, 1.0)),
        0.781326,
        1e-6,
    );
}

#[test]
fn gains_averaged_over_all_ratios_are_the_closed_form() {
    const SLICES: u32 = 20_000;
    for (x1, x0, n1, n0, tolerated) in [
        (4, 1, 100, 900, 1.0),
        (40, 60, 1000, 3000, 1.25),
        (0, 7, 500, 500, 1.0),
        (3, 0, 20, 380, 2.0),
    ] {
        let scrape = scrape(n1, x1, n0, x0);
        let share = scrape.share().unwrap();
        let least = share * tolerated / (1.0 - share + share * tolerated);
        let slice = |at: u32| {
            let part = (f64::from(at) + 0.5) / f64::from(SLICES);
            let of_events = least + (1.0 - least) * part;
            let ratio = of_events * (1.0 - share) / (share * (1.0 - of_events));
            libm::exp(evidence::log_gain(&scrape, share, ratio, tolerated, 1.0))
        };
        let mean = (0..SLICES).map(slice).sum::<f64>() / f64::from(SLICES);
        let (s, e) = (x1 as f64, (x1 + x0) as f64);
        let exact = closed_form(s, e, share, tolerated, (1.0, 1.0));
        close(libm::log(mean), exact, 1e-5);
    }
}

/// Numbers that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn hits(&mut self, requests: u64, risk: f64) -> u64 {
        (0..requests).filter(|_| self.unit() < risk).count() as u64
    }
}

/// A release of a version that is no worse, or `worse` times as bad: weights change, risks and
/// traffic drift, scrapes are lost. Whether the evidence ever reaches `limit`.
fn is_taken_back(chance: &mut Chance, worse: f64, limit: f64) -> bool {
    const SCRAPES: u32 = 40;
    let mut evidence = Evidence::default();
    let (base, drift) = (0.002 + 0.1 * chance.unit(), 4.0 * chance.unit() - 1.0);
    let traffic = 20.0 + 200.0 * chance.unit();
    let mut unseen = Scrape::default();
    for at in 0..SCRAPES {
        let part = f64::from(at) / f64::from(SCRAPES);
        let weight = [0.05, 0.2, 0.5, 0.3][(4.0 * part) as usize];
        let now = traffic * (1.0 + chance.unit());
        let risk = (base * (1.0 + drift * part)).clamp(0.0, 0.4);
        let (n1, n0) = ((now * weight) as u64, (now * (1.0 - weight)) as u64);
        let events = (chance.hits(n1, risk * worse), chance.hits(n0, risk));
        unseen += scrape(n1, events.0, n0, events.1);
        // What is lost is counted by the next scrape, as long as the weight stays.
        if chance.unit() < 0.2 && at % 10 != 9 {
            continue;
        }
        evidence.count(
            &std::mem::take(&mut unseen),
            1.0,
            1.0,
            0.5 / f64::from(SCRAPES),
        );
        if evidence.value() >= limit {
            return true;
        }
    }
    false
}

#[test]
fn the_promise_holds_in_worlds_that_drift_while_weights_change() {
    const RELEASES: u32 = 1500;
    for (limit, worse) in [(5.0, 1.0), (20.0, 1.0), (5.0, 0.8)] {
        let mut chance = Chance(7);
        let back = (0..RELEASES).filter(|_| is_taken_back(&mut chance, worse, limit));
        let (back, promised) = (back.count() as f64, f64::from(RELEASES) / limit);
        assert!(back <= promised, "{limit} {worse}: {back} of {RELEASES}");
        assert!(back > 0.0 || worse < 1.0, "nothing was ever tried");
    }
    let mut chance = Chance(7);
    let found = (0..300).filter(|_| is_taken_back(&mut chance, 3.0, 100.0));
    assert!(found.count() > 200, "a version that is three times as bad");
}
