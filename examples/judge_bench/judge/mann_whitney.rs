//! By how much one sample lies above another, without asking how either is distributed.

/// The shift of `these` against `those`: its lower bound at a confidence of 98 %, both sides
/// counted, and the Hodges-Lehmann estimate. By the normal approximation, with ties.
pub(super) fn shift(these: &[f64], those: &[f64]) -> Option<(f64, f64)> {
    let (m, n) = (these.len(), those.len());
    if m == 0 || n == 0 {
        return None;
    }
    let pairs = these.iter().flat_map(|x| those.iter().map(move |y| x - y));
    let mut differences: Vec<f64> = pairs.collect();
    let middle = differences.len() / 2;
    let rank = m as f64 * n as f64 / 2.0 - Z * spread(these, those);
    let lowest = (rank.round().max(1.0) as usize - 1).min(middle);
    Some((nth(&mut differences, lowest), median(&mut differences)))
}

/// The 99th percentile of the standard normal distribution.
const Z: f64 = 2.326_347_874;

/// The standard deviation of the number of pairs in which one of `these` is the larger.
fn spread(these: &[f64], those: &[f64]) -> f64 {
    let mut all: Vec<f64> = these.iter().chain(those).copied().collect();
    all.sort_by(f64::total_cmp);
    let tied: f64 = all
        .chunk_by(|a, b| a == b)
        .map(|ties| (ties.len() as f64).powi(3) - ties.len() as f64)
        .sum();
    let (m, n, all) = (these.len() as f64, those.len() as f64, all.len() as f64);
    let ties = tied / (all * (all - 1.0));
    (m * n / 12.0 * (all + 1.0 - ties)).max(0.0).sqrt()
}

fn nth(values: &mut [f64], at: usize) -> f64 {
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let upper = nth(values, middle);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = values.get(..middle).unwrap_or_default();
    f64::midpoint(
        lower.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        upper,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_found_and_bounded() {
        let those: Vec<f64> = (0..40).map(f64::from).collect();
        let these: Vec<f64> = those.iter().map(|it| it + 20.0).collect();
        let (lower, estimate) = shift(&these, &those).unwrap();
        assert_eq!(estimate, 20.0);
        assert!((12.0..16.0).contains(&lower), "{lower}");
    }

    #[test]
    fn what_is_all_the_same_or_missing_shows_nothing() {
        assert_eq!(shift(&[1.0; 20], &[1.0; 20]), Some((0.0, 0.0)));
        assert_eq!(shift(&[1.0], &[]), None);
        assert_eq!(shift(&[2.0], &[1.0]), Some((1.0, 1.0)));
    }
}
