//! What the losses over rows share.

use crate::cpu::mamba::operands::Floats;
use crate::cpu::model::log_softmax::{BLOCK, exp_sum, max_of};
use crate::cpu::model::rows::expect_shape;
use crate::error::Result;
use crate::tensor::Tensor;

/// Terms that one float32 sum takes before it goes to float64.
const PIECE: usize = 1024;
const WIDTH: usize = 16;

/// Rows `x [n, v]` with a weight each, their losses and perhaps the gradient.
pub struct LossRows {
    x: Floats,
    pub weights: Floats,
    losses: Floats,
    gradient: Option<Floats>,
    v: usize,
}

impl LossRows {
    pub fn new(
        x: &Tensor,
        weights: &Tensor,
        losses: &Tensor,
        gradient: Option<&Tensor>,
        n: usize,
        v: usize,
    ) -> Result<LossRows> {
        expect_shape("weights", weights, &[n])?;
        expect_shape("losses", losses, &[n])?;
        if let Some(t) = gradient {
            expect_shape("the gradient", t, &[n, v])?;
        }
        crate::ensure!(v > 0, "the rows have no columns");
        Ok(LossRows {
            x: Floats::of(x)?,
            weights: Floats::of(weights)?,
            losses: Floats::of(losses)?,
            gradient: Floats::maybe(gradient)?,
            v,
        })
    }

    /// Row `i` by `body(x, weight, gradient or null)`, which returns the loss before its weight.
    ///
    /// # Safety
    /// No other thread may have the row.
    pub unsafe fn each(&self, i: usize, body: impl FnOnce(*const f32, f32, *mut f32) -> f32) {
        unsafe {
            let weight = self.weights.get(i);
            let to = self.gradient.map_or(std::ptr::null_mut(), |g| g.at(i * self.v));
            if weight == 0.0 {
                *self.losses.at(i) = 0.0;
                if !to.is_null() {
                    std::slice::from_raw_parts_mut(to, self.v).fill(0.0);
                }
                return;
            }
            *self.losses.at(i) = weight * body(self.x.at(i * self.v), weight, to);
        }
    }
}

/// The largest value and log(sum(exp((x - max) scale))).
#[inline(always)]
pub fn log_sum(row: &[f32], scale: f32) -> (f32, f32) {
    let max = max_of(row);
    let total: f64 = row.chunks(BLOCK).map(|block| exp_sum(block, max, scale)).sum();
    (max, total.ln() as f32)
}

/// In one order on every machine: lanes of a piece, then pieces in float64.
#[inline(always)]
pub fn sum(terms: &[f32]) -> f32 {
    let piece = |terms: &[f32]| {
        let mut lanes = [0.0f32; WIDTH];
        for chunk in terms.chunks(WIDTH) {
            lanes.iter_mut().zip(chunk).for_each(|(lane, term)| *lane += term);
        }
        lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>()
    };
    terms.chunks(PIECE).map(piece).sum::<f64>() as f32
}
