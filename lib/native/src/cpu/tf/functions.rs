//! Elementary functions of tfjs' unary kernels as branch-free Rust that vectorises.

use crate::cpu::math::exp;

/// Natural logarithm within 2 units in the last place; -infinity at 0, NaN below. Cephes' logf.
#[inline(always)]
pub fn log(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits();
    // The mantissa in [sqrt(1/2), sqrt(2)) and what is left of the exponent.
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let e = (shifted as i32 >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    let z = m * m;
    let p = 7.037_683_6e-2;
    let p = p * m - 1.151_461e-1;
    let p = p * m + 1.167_699_9e-1;
    let p = p * m - 1.242_014_1e-1;
    let p = p * m + 1.424_932_3e-1;
    let p = p * m - 1.666_805_8e-1;
    let p = p * m + 2.000_071_5e-1;
    let p = p * m - 2.499_999_4e-1;
    let p = p * m + 3.333_333e-1;
    let y = p * m * z - 2.121_944_4e-4 * e - 0.5 * z;
    let y = m + y + 0.693_359_4 * e;
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f32::NAN } else { y }
}

/// Cephes' tanhf: a polynomial near 0, exp elsewhere.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909e-2;
    let p = p * z - 5.373_971_6e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let small = p * z * x + x;
    let large = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    let large = if x < 0.0 { -large } else { large };
    if x.abs() < 0.625 { small } else { large }
}

#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tfjs' erf: Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let v = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * v);
    let p = ((((1.061_405_4 * t - 1.453_152_1) * t + 1.421_413_8) * t - 0.284_496_72) * t + 0.254_829_6) * t;
    let y = 1.0 - p * exp(-v * v);
    if x < 0.0 { -y } else { y }
}

/// log(1 + e^x), with tfjs' ends.
#[inline(always)]
pub fn softplus(x: f32) -> f32 {
    const THRESHOLD: f32 = -13.942_385;
    let e = exp(x);
    let middle = log(1.0 + e);
    let y = if x < THRESHOLD { e } else { middle };
    if x > -THRESHOLD { x } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(
        name: &str,
        f: fn(f32) -> f32,
        want: fn(f64) -> f64,
        xs: impl Iterator<Item = f32>,
        tolerance: f64,
    ) {
        for x in xs {
            let (got, want) = (f64::from(f(x)), want(f64::from(x)));
            assert!(
                (got - want).abs() <= tolerance * want.abs().max(1e-30),
                "{name}({x}) = {got}, not {want}"
            );
        }
    }

    #[test]
    fn log_is_accurate() {
        close("log", log, f64::ln, (1..4_000_000).map(|i| f32::from_bits(i * 533)), 3e-7);
        close("log", log, f64::ln, (0..10_000).map(|i| 2.0 + i as f32 * 1e-3), 3e-7);
        assert_eq!(log(1.0), 0.0);
        assert_eq!(log(0.0), f32::NEG_INFINITY);
        assert_eq!(log(f32::INFINITY), f32::INFINITY);
        assert!(log(-1.0).is_nan() && log(f32::NAN).is_nan() && log(f32::NEG_INFINITY).is_nan());
    }

    #[test]
    fn tanh_is_accurate() {
        close("tanh", tanh, f64::tanh, (-100_000..100_000).map(|i| i as f32 * 1.1e-4), 5e-7);
        close("tanh", tanh, f64::tanh, (1..1000).map(|i| i as f32 * 1e-6), 3e-7);
        assert_eq!(tanh(100.0), 1.0);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn softplus_and_sigmoid_at_their_ends() {
        assert_eq!(softplus(100.0), 100.0);
        assert_eq!(softplus(-200.0), 0.0);
        assert!((softplus(0.0) - std::f32::consts::LN_2).abs() < 1e-7);
        assert_eq!(sigmoid(-200.0), 0.0);
        assert_eq!(sigmoid(200.0), 1.0);
        assert!(sigmoid(f32::NAN).is_nan() && softplus(f32::NAN).is_nan() && erf(f32::NAN).is_nan());
    }
}
