//! exp, and what is made of it, as plain branch-free Rust: a loop over a slice vectorises under
//! whatever instruction set its caller was compiled for.
//!
//! Multiplications and additions are kept apart (no FMA), so every instruction set computes the
//! same bits; sampling relies on that.

/// e^x within 2 units in the last place over the whole range: 0 below -104, infinity above 88.73,
/// denormals in between, NaN for NaN. Cody and Waite's reduction, Cephes' polynomial.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// 1.5 * 2^23: adding it rounds a small float to an integer, left in the low bits.
    const ROUND: f32 = 12_582_912.0;

    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let p = p * (r * r) + r + 1.0;
    // 2^n in two factors: n reaches 128 and -150, beyond one float's exponent.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// Coefficients of 2^f for f in [-0.5, 0.5], highest power first: within 1e-7 of it, the best of those
/// that end in 1, so that decays close to 1 are as close to it as they should be. One is near ln 2, and
/// not it.
#[allow(clippy::approx_constant)]
pub const EXP2: [f32; 6] = [1.326_472_7e-3, 9.671_513e-3, 5.550_733_6e-2, 2.402_224_2e-1, 6.931_47e-1, 1.0];
/// 1.5 * 2^23: adding it rounds a small float to an integer, left in the low bits.
const EXP2_ROUND: f32 = 12_582_912.0;

/// 2^x within 3e-7: less than 1e-37 below -126, infinity from 128, NaN for NaN.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = if x < -126.0 { -126.0 } else { x };
    let x = if x > 128.0 { 128.0 } else { x };
    let shifted = x + EXP2_ROUND;
    let f = x - (shifted - EXP2_ROUND);
    let p = EXP2[1..].iter().fold(EXP2[0], |p, c| p * f + c);
    // Added to p's exponent: 2^128 is no float, and p * 2^128 is one where p is below 1.
    let n = shifted.to_bits() << 23;
    if x.is_nan() { x } else { f32::from_bits(p.to_bits().wrapping_add(n)) }
}

/// x * sigmoid(x).
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_over_the_whole_range() {
        let mut x = -103.0f32;
        while x < 88.7 {
            let want = f64::from(x).exp();
            let got = f64::from(exp(x));
            let tiny = f64::from(f32::from_bits(1));
            assert!((got - want).abs() <= (2.5e-7 * want).max(tiny), "exp({x}) = {got}, not {want}");
            x += 1.237e-3;
        }
    }

    #[test]
    fn exp_at_its_ends() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(88.8), f32::INFINITY);
        assert!(exp(88.72).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn exp2_is_accurate_and_right_at_its_ends() {
        let mut x = -126.0f32;
        while x < 127.9 {
            let want = f64::from(x).exp2();
            let got = f64::from(exp2(x));
            assert!((got - want).abs() <= 3e-7 * want, "exp2({x}) = {got}, not {want}");
            x += 1.237e-3;
        }
        assert_eq!((exp2(0.0), exp2(1.0), exp2(-1.0)), (1.0, 2.0, 0.5));
        assert!(exp2(f32::NEG_INFINITY) < 1e-37);
        assert!(exp2(127.999_99).is_finite());
        assert_eq!((exp2(128.0), exp2(f32::INFINITY)), (f32::INFINITY, f32::INFINITY));
        assert!(exp2(f32::NAN).is_nan());
    }

    #[test]
    fn silu_at_its_ends() {
        assert_eq!(silu(0.0), 0.0);
        assert_eq!(silu(100.0), 100.0);
        assert_eq!(silu(-1000.0), 0.0);
        assert!((f64::from(silu(-3.0)) - -3.0 / (1.0 + 3f64.exp())).abs() < 1e-7);
    }
}
