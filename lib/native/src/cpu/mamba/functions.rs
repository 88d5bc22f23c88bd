//! softplus and sigmoid as branch-free Rust that vectorises in its caller's loops.

use crate::cpu::math::exp;

/// ln(1 + x) for x in [0, 1], within 2e-7 of itself: 2 atanh(x / (2 + x)) by its series.
#[inline(always)]
fn log1p(x: f32) -> f32 {
    let z = x / (2.0 + x);
    let s = z * z;
    let p = 1.0 / 15.0;
    let p = p * s + 1.0 / 13.0;
    let p = p * s + 1.0 / 11.0;
    let p = p * s + 1.0 / 9.0;
    let p = p * s + 1.0 / 7.0;
    let p = p * s + 1.0 / 5.0;
    let p = p * s + 1.0 / 3.0;
    2.0 * z + 2.0 * z * (s * p)
}

/// ln(1 + e^x); infinity and NaN as they are.
#[inline(always)]
pub fn softplus(x: f32) -> f32 {
    // Not f32::max, which drops NaN.
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + log1p(exp(-x.abs()))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softplus_and_sigmoid_are_accurate_relative_to_themselves() {
        let mut x = -87.0f32;
        while x < 90.0 {
            let e = f64::from(x).exp();
            for (got, want) in [(softplus(x), e.ln_1p()), (sigmoid(x), e / (1.0 + e))] {
                assert!((f64::from(got) - want).abs() <= 6e-7 * want, "at {x}: {got}, not {want}");
            }
            x += 0.0137;
        }
    }

    #[test]
    fn their_ends() {
        assert_eq!(softplus(f32::INFINITY), f32::INFINITY);
        assert_eq!(softplus(f32::NEG_INFINITY), 0.0);
        assert!(softplus(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert_eq!((sigmoid(200.0), sigmoid(-200.0)), (1.0, 0.0));
    }
}
