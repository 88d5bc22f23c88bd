//! Drawing the next token of each row: temperature, truncation, inverse transform sampling.
//!
//! A row's draw depends on its logits, parameters and key alone. Sums run in one fixed order and
//! without fused operations, so neighbours, threads and instruction sets do not change it.

mod truncate;

use super::log_softmax::{exp_sum, max_of};
use super::philox::uniform;
use super::rows::{dims, expect_shape};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::math::exp;
use crate::error::{Error, Result};
use crate::{ensure, fail};
use std::sync::Mutex;
use truncate::truncated;

/// Logits summed at a time: the sums are kept, and the draw looks into one block only.
const BLOCK: usize = 1024;

/// `[logits [b, v], params [b, 4], keys i32 [b, 4], lens i32 [b], ids i32 [b], logProb [b]]`.
///
/// params are temperature (0: the largest logit, the lowest id on a tie), top-p (1: off), min-p
/// (0: off), top-k (0: off). The filters act in this order: temperature; top-k keeps the k most
/// likely (ties: lowest ids); top-p keeps the fewest most likely whose renormalised sum reaches p;
/// min-p keeps those at least min-p times as likely as the likeliest. keys are (seed, problem,
/// sample, position): the draw uses Philox's counter (sample, position, 0, 0) under the key (seed,
/// problem), and walks the kept tokens in the order of their ids. logProb is the token's under the
/// model's own distribution: temperature 1, nothing filtered. A row of length 0 gets id 0 and 0.
pub fn sample_tokens(call: &Call) -> Result<()> {
    let [logits, params, keys, lens, ids, log_probs] = call.args()?;
    let [batch, vocabulary] = dims("logits", logits)?;
    ensure!(vocabulary > 0 && vocabulary <= i32::MAX as usize, "logits have shape {:?}", logits.shape());
    expect_shape("params", params, &[batch, 4])?;
    expect_shape("keys", keys, &[batch, 4])?;
    for (name, t) in [("lens", lens), ("ids", ids), ("logProb", log_probs)] {
        expect_shape(name, t, &[batch])?;
    }
    let (logits, keys, lens) = (logits.f32()?, keys.i32()?, lens.i32()?);
    let params = params.f32()?.chunks_exact(4).enumerate();
    let params = params.map(|(row, p)| Params::read(row, p, vocabulary)).collect::<Result<Vec<_>>>()?;
    let drawn: Vec<Mutex<Result<Draw>>> =
        (0..batch).map(|_| Mutex::new(Ok(Draw { id: 0, log_prob: 0.0 }))).collect();
    call.cpu.threads.run(batch, |row| {
        if lens[row] == 0 {
            return;
        }
        let logits = &logits[row * vocabulary..][..vocabulary];
        let key: &[i32; 4] = keys[row * 4..][..4].try_into().expect("four words");
        let draw = unsafe { draw(call.cpu.isa, logits, &params[row], key) };
        *drawn[row].lock().expect("no holder panics") =
            draw.map_err(|Error(why)| Error(format!("row {row}: {why}")));
    });
    let (ids, log_probs) = (ids.i32_mut()?, log_probs.f32_mut()?);
    for (row, draw) in drawn.into_iter().enumerate() {
        let draw = draw.into_inner().expect("no holder panics")?;
        (ids[row], log_probs[row]) = (draw.id as i32, draw.log_prob);
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Draw {
    id: usize,
    log_prob: f32,
}

#[derive(Debug, Clone, Copy)]
struct Params {
    temperature: f32,
    top_p: f32,
    min_p: f32,
    /// The vocabulary's size when off.
    top_k: usize,
}

impl Params {
    fn read(row: usize, params: &[f32], vocabulary: usize) -> Result<Params> {
        let [temperature, top_p, min_p, top_k] = *params else {
            fail!("row {row}: expected four parameters");
        };
        ensure!(
            temperature >= 0.0 && temperature.is_finite(),
            "row {row}: the temperature is {temperature}; it should be 0 or more"
        );
        ensure!(top_p > 0.0 && top_p <= 1.0, "row {row}: top-p is {top_p}; it should be above 0, at most 1");
        ensure!((0.0..=1.0).contains(&min_p), "row {row}: min-p is {min_p}; it should be from 0 to 1");
        ensure!(
            top_k >= 0.0 && top_k.fract() == 0.0 && top_k.is_finite(),
            "row {row}: top-k is {top_k}; it should be a whole number, 0 for off"
        );
        let top_k = if top_k == 0.0 { vocabulary } else { (top_k as usize).min(vocabulary) };
        Ok(Params { temperature, top_p, min_p, top_k })
    }
}

by_isa!(fn draw(logits: &[f32], params: &Params, key: &[i32; 4]) -> Result<Draw> = draw_body);

#[inline(always)]
unsafe fn draw_body<V: Lanes>(logits: &[f32], params: &Params, key: &[i32; 4]) -> Result<Draw> {
    let max = max_of(logits);
    let total: f64 = logits.chunks(BLOCK).map(|block| exp_sum(block, max, 1.0)).sum();
    if total.is_nan() {
        match logits.iter().position(|x| x.is_nan() || *x == f32::INFINITY) {
            Some(id) => fail!("the logit of token {id} is {}", logits[id]),
            None => fail!("every logit is minus infinity"),
        }
    }
    let id = if params.temperature == 0.0 {
        logits.iter().position(|&x| x == max).expect("the maximum is one of them")
    } else {
        let [seed, problem, sample, position] = key.map(|word| word as u32);
        let u = uniform([sample, position, 0, 0], [seed, problem]);
        let scale = 1.0 / params.temperature;
        if params.top_k < logits.len() || params.top_p < 1.0 {
            let mut weights = vec![0.0; logits.len()];
            for (w, &x) in weights.iter_mut().zip(logits) {
                *w = exp((x - max) * scale);
            }
            let total = logits.chunks(BLOCK).map(|block| exp_sum(block, max, scale)).sum();
            among(&truncated(logits, &weights, total, params), &weights, u)
        } else {
            walk(logits, max, scale, params.min_p, u)
        }
    };
    Ok(Draw { id, log_prob: (f64::from(logits[id] - max) - total.ln()) as f32 })
}

/// The weight of a logit before normalisation; 1 for the largest.
#[inline(always)]
fn weight(logit: f32, max: f32, scale: f32, min_p: f32) -> f32 {
    let w = exp((logit - max) * scale);
    if w >= min_p { w } else { 0.0 }
}

/// Draws from all tokens: sums of blocks, then the one block in which the draw falls.
#[inline(always)]
fn walk(logits: &[f32], max: f32, scale: f32, min_p: f32, u: f64) -> usize {
    const WIDTH: usize = 16;
    let block_sum = |block: &[f32]| -> f64 {
        if min_p == 0.0 {
            return exp_sum(block, max, scale);
        }
        let mut lanes = [0.0f32; WIDTH];
        for chunk in block.chunks(WIDTH) {
            for (sum, &x) in lanes.iter_mut().zip(chunk) {
                *sum += weight(x, max, scale, min_p);
            }
        }
        lanes.iter().map(|&s| f64::from(s)).sum()
    };
    let sums: Vec<f64> = logits.chunks(BLOCK).map(block_sum).collect();
    let total: f64 = sums.iter().sum();
    let mut left = u * total;
    let mut block = 0;
    while block + 1 < sums.len() && left >= sums[block] {
        left -= sums[block];
        block += 1;
    }
    // Rounding may leave a trace beyond the last weight: the last token of any weight takes it.
    let mut chosen = None;
    for (id, &x) in logits.iter().enumerate().skip(block * BLOCK) {
        let w = f64::from(weight(x, max, scale, min_p));
        if w > 0.0 {
            chosen = Some(id);
            if left < w {
                break;
            }
            left -= w;
        }
    }
    chosen.unwrap_or_else(|| {
        logits.iter().rposition(|&x| weight(x, max, scale, min_p) > 0.0).expect("the largest weighs 1")
    })
}

/// Draws from the kept tokens, in the order of their ids.
fn among(kept: &[u32], weights: &[f32], u: f64) -> usize {
    let weight = |id: u32| f64::from(weights[id as usize]);
    let mut left = u * kept.iter().map(|&id| weight(id)).sum::<f64>();
    for &id in kept {
        if left < weight(id) {
            return id as usize;
        }
        left -= weight(id);
    }
    *kept.last().expect("truncation keeps the likeliest") as usize
}

#[cfg(test)]
mod tests;
