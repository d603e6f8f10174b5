//! Chance with a memory: a stream of random numbers for a name, always the same.
//!
//! Invariant: nothing here depends on the platform. A logarithm or an exponential of the system's
//! library may differ in its last bit, and with it a whole company; so only + - * / are used.

use std::fmt::Write;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of a name and its numbers. Streams of different names know nothing of each other,
    /// which is what makes a day independent of the days before it.
    pub fn of(seed: u64, name: &str, numbers: &[u64]) -> Chance {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        Chance(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Any of 2^64 numbers.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// One of 0..end; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// One of from..=to.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from).max(0) as u64 + 1) as i64
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// Nearly normal, mean 0 and variance 1, never beyond 6: a sum of twelve.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Log-normal with this median; `sigma` in natural logarithms.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(sigma * self.normal())
    }

    /// A whole number whose mean is `mean`: its floor, or by chance one more.
    pub fn round(&mut self, mean: f64) -> u64 {
        let floor = mean.max(0.0).floor();
        floor as u64 + u64::from(self.happens(mean - floor))
    }

    /// Hexadecimal text of a given length.
    pub fn hex(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        while text.len() < length {
            let _ = write!(text, "{:016x}", self.number());
        }
        text.truncate(length);
        text
    }

    /// A UUID.
    pub fn uuid(&mut self) -> String {
        uuid(self.number(), self.number())
    }
}

/// A UUID of version 4 made of two numbers.
pub fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

/// A steady deviation: nearly normal noise over days in which neighbours resemble each other.
pub fn mood(seed: u64, name: &str, who: u64, day: u32) -> f64 {
    let noise = |back: u32| Chance::of(seed, name, &[who, u64::from(day + 2 - back)]).normal();
    // A moving average of three days, scaled back to variance 1.
    (noise(0) + noise(1) + noise(2)) / 1.732_050_8
}

/// e^x from the four operations alone.
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let halvings = (x / std::f64::consts::LN_2).round();
    let rest = x - halvings * std::f64::consts::LN_2;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..18 {
        term *= rest / f64::from(n);
        sum += term;
    }
    sum * f64::from_bits(((halvings as i64 + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_one() {
        for x in [-30.0, -1.5, 0.0, 0.3, 1.0, 12.25] {
            assert!((exp(x) / f64::exp(x) - 1.0).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn noise_has_mean_nought_and_variance_one() {
        let mut chance = Chance::of(1, "noise", &[]);
        let many: Vec<f64> = (0..20_000).map(|_| chance.normal()).collect();
        let mean = many.iter().sum::<f64>() / many.len() as f64;
        let square = many.iter().map(|x| x * x).sum::<f64>() / many.len() as f64;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((square - 1.0).abs() < 0.05, "{square}");
    }

    #[test]
    fn a_name_always_gives_the_same_stream() {
        let take = |seed, name| Chance::of(seed, name, &[3, 4]).number();
        assert_eq!(take(1, "a"), take(1, "a"));
        assert_ne!(take(1, "a"), take(2, "a"));
        assert_ne!(take(1, "a"), take(1, "b"));
    }
}
