//! The tail of Student's t, in logarithms: exact where the probability itself would vanish.
//!
//! Invariant: no argument panics or loops without end.

use std::f64::consts::{LN_2, LN_10};

use statrs::function::gamma::ln_gamma;

/// log10 P(T >= t) for Student's t with `nu` degrees of freedom (above 0, not necessarily whole).
pub fn log10_t_sf(t: f64, nu: f64) -> f64 {
    let two_sided = ln_inc_beta(nu / 2.0, 0.5, nu / (nu + t * t));
    if t <= 0.0 {
        return (1.0 - two_sided.exp() / 2.0).log10();
    }
    (two_sided - LN_2) / LN_10
}

/// ln of the regularised incomplete beta function I_x(a, b).
///
/// The continued fraction of DLMF 8.17.22 converges fast below the mean; above it the other tail is
/// taken from one.
pub fn ln_inc_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if 1.0 <= x {
        return 0.0;
    }
    if (a + 1.0) / (a + b + 2.0) < x {
        return (-ln_lower_beta(b, a, 1.0 - x).exp()).ln_1p();
    }
    ln_lower_beta(a, b, x)
}

/// ln I_x(a, b) for x below the mean, 0 < x < 1.
fn ln_lower_beta(a: f64, b: f64, x: f64) -> f64 {
    let ln_beta = ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    a * x.ln() + b * (-x).ln_1p() - a.ln() - ln_beta + beta_fraction(a, b, x).ln()
}

/// The continued fraction of I_x(a, b) by the modified Lentz method (Thompson & Barnett 1986).
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < 1e-14 {
            break;
        }
    }
    fraction
}

fn away_from_zero(value: f64) -> f64 {
    const TINY: f64 = 1e-300;
    if TINY < value.abs() { value } else { TINY }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::distribution::{ContinuousCDF, StudentsT};

    use super::*;

    proptest! {
        /// Where the probability is large enough for the library's own tail, both agree.
        #[test]
        fn the_tail_is_that_of_the_library(log_nu in -0.3..3.0f64, t in -50.0..50.0f64) {
            let nu = 10f64.powf(log_nu);
            let library = StudentsT::new(0.0, 1.0, nu).expect("a valid t").sf(t);
            if library < 1e-12 {
                return Ok(());
            }
            let ours = 10f64.powf(log10_t_sf(t, nu));
            prop_assert!((ours / library - 1.0).abs() < 1e-8, "{} {}: {} {}", t, nu, ours, library);
        }

        #[test]
        fn the_tail_never_rises(nu in 0.5..1000.0f64, t in -100.0..1e4f64, step in 1e-3..10.0f64) {
            prop_assert!(log10_t_sf(t + step, nu) <= log10_t_sf(t, nu) + 1e-12);
        }
    }

    #[test]
    fn no_argument_hangs_or_panics() {
        let odd = [
            0.0,
            -1.0,
            1e-300,
            1e300,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        for t in odd {
            for nu in odd {
                let _ = log10_t_sf(t, nu);
            }
        }
    }
}
