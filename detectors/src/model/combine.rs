//! One p from several families of evidence.
//!
//! Invariant: valid under any dependence in the tail, and a silent family never speaks against the
//! others.

use std::f64::consts::PI;

/// No family counts for less than this, so that one verdict cannot be infinite.
const P_MIN: f64 = 1e-30;

/// The Cauchy combination (Liu & Xie 2020, ACAT) over the families tested for a principal on a day:
/// one p per family, that of its largest surprise. In any order; 1 when nothing was tested.
///
/// Each p is capped at 1/2: a family that saw nothing says nothing. Without the cap one p of 1 would
/// veto any number of small ones.
pub fn combine(ps: &[f64]) -> f64 {
    if ps.is_empty() {
        return 1.0;
    }
    // Sorted, so that the sum has the same bits in whatever order the families come.
    let mut sorted: Vec<f64> = ps.iter().copied().map(capped).collect();
    sorted.sort_by(f64::total_cmp);
    let mean = sorted.iter().copied().map(cauchy).sum::<f64>() / sorted.len() as f64;
    // Far out the tail is 1 / (pi x); the arctangent would lose all digits.
    if 1e8 < mean {
        1.0 / (mean * PI)
    } else {
        0.5 - mean.atan() / PI
    }
}

/// A p within [`P_MIN`] and 1/2; one that is no number says nothing.
fn capped(p: f64) -> f64 {
    if p < 0.5 { p.max(P_MIN) } else { 0.5 }
}

/// The standard Cauchy value with upper tail p.
fn cauchy(p: f64) -> f64 {
    if p < 1e-8 {
        1.0 / (p * PI)
    } else {
        ((0.5 - p) * PI).tan()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_families_give_their_own_p() {
        for p in [0.3, 0.01, 1e-6, 1e-12] {
            assert!((combine(&[p; 4]) / p - 1.0).abs() < 1e-6);
        }
    }

    proptest! {
        #[test]
        fn a_smaller_p_never_gives_a_larger_one(
            ps in prop::collection::vec(0.0..=1.0f64, 1..6), factor in 0.0..1.0f64,
        ) {
            let mut smaller = ps.clone();
            smaller[0] *= factor;
            prop_assert!(combine(&smaller) <= combine(&ps) * (1.0 + 1e-7));
        }

        #[test]
        fn order_does_not_matter(mut ps in prop::collection::vec(0.0..=1.0f64, 0..8)) {
            let forth = combine(&ps);
            ps.reverse();
            prop_assert_eq!(forth.to_bits(), combine(&ps).to_bits());
        }
    }
}
