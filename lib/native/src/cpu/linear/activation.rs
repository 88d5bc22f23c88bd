//! What follows a fused product: tfjs' activations, by code.

use crate::cpu::math;
use crate::error::Result;
use crate::fail;

#[derive(Clone, Copy, PartialEq)]
pub enum Activation {
    Linear,
    Relu,
    Relu6,
    Elu,
    Sigmoid,
    LeakyRelu(f32),
}

impl Activation {
    /// Codes 0 linear, 1 relu, 2 relu6, 3 elu, 4 sigmoid, 5 leakyrelu (with its slope).
    pub fn from_code(code: f64, alpha: f64) -> Result<Activation> {
        Ok(match code {
            0.0 => Activation::Linear,
            1.0 => Activation::Relu,
            2.0 => Activation::Relu6,
            3.0 => Activation::Elu,
            4.0 => Activation::Sigmoid,
            5.0 => Activation::LeakyRelu(alpha as f32),
            _ => fail!(
                "unknown activation code {code}; 0 to 5 are linear, relu, relu6, elu, sigmoid, leakyrelu"
            ),
        })
    }

    pub fn apply(self, values: &mut [f32]) {
        let each = |values: &mut [f32], f: fn(f32) -> f32| values.iter_mut().for_each(|v| *v = f(*v));
        match self {
            Activation::Linear => {}
            // Comparisons and clamp keep NaN, which f32::max would drop.
            Activation::Relu => each(values, |v| if v < 0.0 { 0.0 } else { v }),
            Activation::Relu6 => each(values, |v| v.clamp(0.0, 6.0)),
            Activation::Elu => each(values, |v| if v < 0.0 { v.exp_m1() } else { v }),
            Activation::Sigmoid => each(values, |v| 1.0 / (1.0 + math::exp(-v))),
            Activation::LeakyRelu(alpha) => {
                values.iter_mut().for_each(|v| *v = if *v < 0.0 { *v * alpha } else { *v });
            }
        }
    }
}
