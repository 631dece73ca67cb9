//! The only randomness of a simulation, and it is none: a number for each seed and key.

/// Numbers that depend on a seed and on what they are drawn for, never on what was drawn before.
///
/// So a world in which one thing differs draws the same numbers for everything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6772_6164_6174_696d))
    }

    /// The numbers for one thing.
    pub(crate) fn of(self, key: u64) -> Self {
        Self(mix(self.0 ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The next number, and the rest of them.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to less than 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A count of which `mean` are expected, with its natural scatter (Poisson's, or nearly so).
    pub(crate) fn count(&mut self, mean: f64) -> f64 {
        if mean >= 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (limit, mut product, mut count) = (libm::exp(-mean.max(0.0)), self.unit(), 0.0);
        while product > limit {
            product *= self.unit();
            count += 1.0;
        }
        count
    }

    /// How many of `count` it hits when each is hit with a chance of `share`.
    pub(crate) fn hits(&mut self, count: f64, share: f64) -> f64 {
        if count * share * (1.0 - share) >= 9.0 {
            let spread = (count * share * (1.0 - share)).sqrt();
            return (count * share + spread * self.normal())
                .round()
                .clamp(0.0, count);
        }
        // Few are hit, or few are not: then the scatter is that of the rarer case.
        let rare = self.count(count * share.min(1.0 - share)).min(count);
        if share <= 0.5 { rare } else { count - rare }
    }

    /// About the standard normal distribution: the sum of twelve, which no machine's `exp` touches.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// The finaliser of splitmix64.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_key_give_the_same_numbers() {
        let draw = |seed: u64, key: u64| Rng::new(seed).of(key).draw();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
    }

    #[test]
    fn counts_scatter_around_their_mean() {
        for mean in [0.0, 0.3, 5.0, 200.0] {
            let draws: Vec<f64> = (0..2000)
                .map(|key| Rng::new(7).of(key).count(mean))
                .collect();
            let average = draws.iter().sum::<f64>() / 2000.0;
            assert!(
                (average - mean).abs() <= 0.1 * mean + 0.01,
                "{mean}: {average}"
            );
            let square = |draw: &f64| (draw - average) * (draw - average);
            let variance = draws.iter().map(square).sum::<f64>() / 2000.0;
            assert!(
                (variance - mean).abs() <= 0.15 * mean + 0.01,
                "{mean}: {variance}"
            );
        }
    }

    #[test]
    fn hits_are_never_more_than_there_are() {
        for (count, share) in [
            (10.0, 0.0),
            (10.0, 1.0),
            (3.0, 0.5),
            (1000.0, 0.05),
            (50.0, 0.99),
        ] {
            let draws: Vec<f64> = (0..2000)
                .map(|key| Rng::new(3).of(key).hits(count, share))
                .collect();
            assert!(draws.iter().all(|hits| (0.0..=count).contains(hits)));
            let average = draws.iter().sum::<f64>() / 2000.0;
            let close = 0.1 * count * share + 0.05;
            assert!(
                (average - count * share).abs() <= close,
                "{count} {share}: {average}"
            );
        }
    }
}
