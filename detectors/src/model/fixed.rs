//! Integers in which everything is learned: logarithms of counts, surprises, and forgetting.
//!
//! Invariant: bringing sums forward by a and then by b days gives the same bits as by a + b at once.

use std::sync::LazyLock;

/// One doubling in Q12.
pub const ONE: i64 = 4096;

/// The largest surprise, in millidecades: p = 1e-30 or less.
pub const S_MAX: u32 = 30_000;

/// How much: half-life of magnitudes and of the population, 28 days.
pub static MAGNITUDE: LazyLock<Decay> = LazyLock::new(|| Decay::new(28));

/// Which: half-life of habits, 112 days.
pub static HABIT: LazyLock<Decay> = LazyLock::new(|| Decay::new(112));

/// Half-life of the histograms of past verdicts, 56 days.
pub static VERDICTS: LazyLock<Decay> = LazyLock::new(|| Decay::new(56));

/// log2 of `n` in Q12, rounded down; error below 2^-12 + 2^-40. Never falls as `n` grows.
///
/// By repeated squaring (Knuth, The Art of Computer Programming 1, 1.2.2, exercise 25), without
/// floats: the same bits everywhere. Zero has no logarithm and is read as one.
pub fn log2_q12(n: u64) -> i64 {
    let n = n.max(1);
    let whole = n.ilog2();
    // In [1, 2) as Q30, so that its square fits 64 bits.
    let mut mantissa = ((u128::from(n) << 30) >> whole) as u64;
    let mut log2 = i64::from(whole) << 12;
    for bit in (0..12).rev() {
        mantissa = (mantissa * mantissa) >> 30;
        if 2 << 30 <= mantissa {
            mantissa >>= 1;
            log2 |= 1 << bit;
        }
    }
    log2
}

/// A count as *x*: log2(1 + count), Q12.
pub fn x_of(count: u64) -> i64 {
    log2_q12(count.saturating_add(1))
}

/// -1000 log10 of a probability, rounded half up, within 0 and [`S_MAX`].
pub fn surprise(p: f64) -> u32 {
    if p <= 0.0 {
        return S_MAX;
    }
    round_surprise(-1000.0 * p.log10())
}

/// Rounds millidecades half up, into 0 and [`S_MAX`].
pub(super) fn round_surprise(millidecades: f64) -> u32 {
    // The cast is saturating, and NaN becomes 0: nothing known, nothing surprising.
    ((millidecades + 0.5).floor() as i64).clamp(0, i64::from(S_MAX)) as u32
}

/// The probability that a surprise stands for.
pub fn p_of(surprise: u32) -> f64 {
    10f64.powf(-f64::from(surprise) / 1000.0)
}

/// Whether a day is a Saturday or a Sunday. 1970-01-01 was a Thursday.
pub fn is_weekend(day: i32) -> bool {
    5 <= (i64::from(day) + 3).rem_euclid(7)
}

/// Forgetting by forward decay (Cormode, Shkapenyuk, Srivastava & Xu, ICDE 2009): new days weigh
/// more, instead of old days being scaled down.
///
/// Every half-life ("block") all sums are shifted right by one bit. Two shifts equal one of both, so
/// an idle entity is brought forward in one step, whenever somebody looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decay {
    half_life: i32,
    table: Vec<i64>,
}

impl Decay {
    /// A decay with this half-life in days: a multiple of 28, so that every block holds as many of
    /// each day of the week. Zero is read as one.
    pub fn new(half_life: u16) -> Self {
        let half_life = half_life.max(1);
        let weight = |i: u16| {
            let share = f64::from(i) / f64::from(half_life);
            (ONE as f64 * share.exp2() + 0.5).floor() as i64
        };
        Decay {
            half_life: i32::from(half_life),
            table: (0..half_life).map(weight).collect(),
        }
    }

    /// Weight of what is learned on `day`, in the units of its own block: 4096 to 8191.
    pub fn weight(&self, day: i32) -> i64 {
        self.table[day.rem_euclid(self.half_life) as usize]
    }

    /// By how many bits sums kept on `from_day` are shifted right in the units of `to_day`; none
    /// when time does not go forward. At most 127, which empties any sum.
    pub fn shift(&self, from_day: i32, to_day: i32) -> u32 {
        if from_day == to_day {
            return 0;
        }
        let block = |day: i32| i64::from(day.div_euclid(self.half_life));
        let blocks = block(to_day) - block(from_day);
        blocks.clamp(0, 127) as u32
    }

    /// Sums kept on `from_day`, in the units of `to_day`; rounds towards minus infinity.
    pub fn forward<const N: usize>(&self, sums: &[i64; N], from_day: i32, to_day: i32) -> [i64; N] {
        let bits = self.shift(from_day, to_day);
        if bits == 0 {
            return *sums;
        }
        sums.map(|sum| aged(sum, bits))
    }
}

/// A sum shifted right by any number of bits; rounds towards minus infinity.
pub(super) fn aged(sum: i64, bits: u32) -> i64 {
    sum >> bits.min(63)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// No weight is so near a half that another exp2 could round it the other way.
    #[test]
    fn weights_do_not_depend_on_the_platform() {
        for half_life in [28u16, 56, 112] {
            for i in 0..half_life {
                let exact = ONE as f64 * (f64::from(i) / f64::from(half_life)).exp2();
                assert!(1e-6 < (exact.fract() - 0.5).abs(), "{half_life} {i}");
            }
        }
    }

    #[test]
    fn no_number_is_too_large_or_too_small() {
        assert_eq!(log2_q12(0), 0);
        assert_eq!(x_of(u64::MAX), log2_q12(u64::MAX));
        assert_eq!(surprise(f64::NAN), 0);
        assert_eq!(surprise(f64::INFINITY), 0);
        assert_eq!(surprise(-1.0), S_MAX);
        assert_eq!(is_weekend(i32::MAX), is_weekend(i32::MAX - 7));
        assert_eq!(Decay::new(0).shift(i32::MIN, i32::MAX), 127);
        assert_eq!(Decay::new(0).shift(i32::MAX, i32::MIN), 0);
    }

    proptest! {
        #[test]
        fn forgetting_is_the_same_however_it_is_split(
            sums: [i64; 3], a in -1_000..30_000i32, b in 0..9_000i32, c in 0..9_000i32,
        ) {
            for decay in [&*MAGNITUDE, &*HABIT, &*VERDICTS] {
                let stepwise = decay.forward(&decay.forward(&sums, a, a + b), a + b, a + b + c);
                prop_assert_eq!(stepwise, decay.forward(&sums, a, a + b + c));
            }
        }

        #[test]
        fn the_logarithm_never_falls(n: u64) {
            prop_assert!(log2_q12(n) <= log2_q12(n.saturating_add(1)));
            let exact = (n.max(1) as f64).log2() * ONE as f64;
            prop_assert!((log2_q12(n) as f64 - exact).abs() < 1.1);
        }

        #[test]
        fn a_surprise_gives_its_probability_back(s in 0..=S_MAX) {
            prop_assert_eq!(surprise(p_of(s)), s);
        }
    }
}
