//! Randomness that is the same on every machine: the numbers of a seed, and what is drawn of them.

/// xoshiro256++ by D. Blackman and S. Vigna, filled by their SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng([u64; 4]);

impl Rng {
    /// The numbers for these keys; other keys give numbers that have nothing to do with them.
    pub(crate) fn of(keys: &[u64]) -> Self {
        let mut state = 0x6a75_6467_6521_u64;
        for key in keys {
            state = mix(state ^ mix(key.wrapping_add(GOLDEN)));
        }
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(GOLDEN);
            mix(state)
        }))
    }

    fn draw(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let drawn = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let kept = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= kept;
        *d = d.rotate_left(45);
        drawn
    }

    /// From 0 to less than 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether a thing of this chance happens.
    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// A count of which `mean` are expected (Poisson's distribution).
    pub(crate) fn count(&mut self, mean: f64) -> u64 {
        match mean {
            mean if mean <= 0.0 => 0,
            mean if mean < 10.0 => self.small_count(mean),
            mean => self.large_count(mean),
        }
    }

    /// By inversion.
    fn small_count(&mut self, mean: f64) -> u64 {
        let mut chance = libm::exp(-mean);
        let (mut left, mut count) = (self.unit() - chance, 0_u64);
        while left >= 0.0 && chance > 0.0 {
            count += 1;
            chance *= mean / count as f64;
            left -= chance;
        }
        count
    }

    /// W. Hörmann's transformed rejection, PTRS (1993).
    fn large_count(&mut self, mean: f64) -> u64 {
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.024_83 * b;
        let quick = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.unit() - 0.5;
            let v = self.unit();
            let side = 0.5 - u.abs();
            let count = ((2.0 * a / side + b) * u + mean + 0.43).floor();
            if side >= 0.07 && v <= quick {
                return count as u64;
            }
            if count < 0.0 || (side < 0.013 && v > side) {
                continue;
            }
            let scale = (1.1239 + 1.1328 / (b - 3.4)) / (a / (side * side) + b);
            let likely = count * libm::log(mean) - mean - libm::lgamma(count + 1.0);
            if libm::log(v * scale) <= likely {
                return count as u64;
            }
        }
    }

    /// Standard normal, by G. Marsaglia's polar method.
    fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * libm::log(square) / square).sqrt();
            }
        }
    }

    /// A factor with a mean of 1 and this coefficient of variation (gamma distribution, by
    /// G. Marsaglia and W. W. Tsang, 2000). At most 1 for the variation.
    pub(crate) fn factor(&mut self, variation: f64) -> f64 {
        if variation <= 0.0 {
            return 1.0;
        }
        let shape = 1.0 / (variation * variation);
        let d = shape - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let v = libm::pow(1.0 + x / (9.0 * d).sqrt(), 3.0);
            let bound = 0.5 * x * x + d - d * v + d * libm::log(v);
            if v > 0.0 && libm::log(self.unit()) < bound {
                return d * v / shape;
            }
        }
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(draw: impl FnMut() -> f64) -> (f64, f64) {
        const DRAWS: usize = 20_000;
        let drawn: Vec<f64> = std::iter::repeat_with(draw).take(DRAWS).collect();
        let mean = drawn.iter().sum::<f64>() / DRAWS as f64;
        let squares = drawn.iter().map(|it| (it - mean) * (it - mean));
        (mean, squares.sum::<f64>() / DRAWS as f64)
    }

    #[test]
    fn counts_have_the_mean_and_the_variance_of_poissons() {
        for mean in [0.01, 0.7, 9.9, 10.1, 40.0, 2500.0] {
            let mut rng = Rng::of(&[7]);
            let (found, variance) = moments(|| rng.count(mean) as f64);
            let error = (mean / 20_000.0).sqrt();
            assert!((found - mean).abs() < 4.0 * error, "{mean}: {found}");
            assert!((variance / mean - 1.0).abs() < 0.12, "{mean}: {variance}");
        }
        assert_eq!(Rng::of(&[7]).count(0.0), 0);
    }

    #[test]
    fn factors_have_a_mean_of_one_and_the_variation_asked_for() {
        for variation in [0.1, 0.7, 1.0] {
            let mut rng = Rng::of(&[7]);
            let (mean, variance) = moments(|| rng.factor(variation));
            assert!((mean - 1.0).abs() < 0.03, "{variation}: {mean}");
            let found = variance.sqrt() / variation;
            assert!((found - 1.0).abs() < 0.06, "{variation}: {found}");
        }
        assert_eq!(Rng::of(&[7]).factor(0.0), 1.0);
    }

    #[test]
    fn other_keys_give_other_numbers_and_the_same_the_same() {
        let first = |keys: &[u64]| Rng::of(keys).draw();
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_ne!(first(&[1, 2]), first(&[1, 3]));
    }
}
