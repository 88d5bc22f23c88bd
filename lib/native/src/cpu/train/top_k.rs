//! Distributions cut to their likeliest classes and one outcome for all the others: made of logits, and
//! held against a student's.

use super::rows::{LossRows, sum};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::mamba::operands::Floats;
use crate::cpu::math::exp;
use crate::cpu::model::log_softmax::max_of;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::{ensure, fail};

/// Logits of a row, some of them told from the rest.
struct Parts {
    max: f32,
    /// The rest's own largest logit, and its sum of exponentials under that.
    rest_max: f32,
    rest: f64,
    has_rest: bool,
    /// The sum of all exponentials under `max`, as a logarithm.
    log: f64,
    scale: f32,
}

impl Parts {
    fn own(&self, x: f32) -> f64 {
        f64::from((x - self.max) * self.scale) - self.log
    }

    fn own_rest(&self) -> f64 {
        f64::from((self.rest_max - self.max) * self.scale) + self.rest.ln() - self.log
    }
}

/// Divides `row` into the classes `ids` and the rest. `weights` becomes exp((x - rest_max) scale) of the rest,
/// 0 at `ids`: the rest's mass comes of its own sum, not of what the others leave of 1, so that little of it
/// is as exact as much.
#[inline(always)]
fn divide(row: &[f32], ids: &[i32], weights: &mut [f32], scale: f32) -> Parts {
    weights.copy_from_slice(row);
    for &id in ids {
        weights[id as usize] = f32::NEG_INFINITY;
    }
    let rest_max = max_of(weights);
    let max = ids.iter().fold(rest_max, |max, &id| row[id as usize].max(max));
    let has_rest = ids.len() < row.len();
    let mut rest = 0.0;
    if has_rest {
        for w in weights.iter_mut() {
            *w = exp((*w - rest_max) * scale);
        }
        rest = f64::from(sum(weights));
    }
    let top: f64 = ids.iter().map(|&id| f64::from(exp((row[id as usize] - max) * scale))).sum();
    let all = if has_rest { top + rest * f64::from((rest_max - max) * scale).exp() } else { top };
    Parts { max, rest_max, rest, has_rest, log: all.ln(), scale }
}

fn temperature(value: f64) -> Result<f32> {
    ensure!(value > 0.0 && value.is_finite(), "temperature should be positive, got {value}");
    Ok(1.0 / value as f32)
}

/// Memory that threads write, each its rows.
struct Ids(*mut i32);

unsafe impl Sync for Ids {}

impl Ids {
    fn of(t: &Tensor) -> Result<Ids> {
        t.i32()?;
        Ok(Ids(t.ptr().cast()))
    }

    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, i: usize, k: usize) -> &mut [i32] {
        unsafe { std::slice::from_raw_parts_mut(self.0.add(i * k), k) }
    }
}

/// `[logits [n, v], ids i32 [n, k], logProbs [n, k + 1], restEntropy [n]]`, attribute `[temperature]`: of
/// softmax(logits / temperature) the k likeliest classes, the likeliest first and of equals the lower id,
/// their log-probabilities, and last that of all other classes together, minus infinity where there are
/// none; and the entropy of the distribution within those others.
pub fn top_k_log_probs(call: &Call) -> Result<()> {
    let [logits, ids, log_probs, entropies] = call.args()?;
    let scale = temperature(call.attr(0)?)?;
    let [n, v] = dims("logits", logits)?;
    let [_, k] = dims("ids", ids)?;
    ensure!(k >= 1 && k <= v, "ids should have 1 to {v} columns, got {k}");
    expect_shape("ids", ids, &[n, k])?;
    expect_shape("logProbs", log_probs, &[n, k + 1])?;
    expect_shape("restEntropy", entropies, &[n])?;
    let (from, to) = (Floats::of(logits)?, Ids::of(ids)?);
    let (log_probs, entropies) = (Floats::of(log_probs)?, Floats::of(entropies)?);
    let isa = call.cpu.isa;
    call.cpu.threads.run(n, |i| unsafe {
        let row = std::slice::from_raw_parts(from.at(i * v), v);
        let out = std::slice::from_raw_parts_mut(log_probs.at(i * (k + 1)), k + 1);
        let ids = to.row(i, k);
        likeliest(row, ids);
        *entropies.at(i) = with_scratch(v, |weights| probabilities(isa, row, ids, weights, scale, out));
    });
    Ok(())
}

/// The classes of the largest logits, in falling order, of equals the lower id first.
fn likeliest(row: &[f32], ids: &mut [i32]) {
    let key = |(id, &x): (usize, &f32)| {
        let bits = (x + 0.0).to_bits();
        let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        u64::from(!rising) << 32 | id as u64
    };
    let mut keys: Vec<u64> = row.iter().enumerate().map(key).collect();
    let k = ids.len();
    if k < keys.len() {
        keys.select_nth_unstable(k);
    }
    keys[..k].sort_unstable();
    for (id, key) in ids.iter_mut().zip(keys) {
        *id = key as u32 as i32;
    }
}

by_isa!(fn probabilities(
    row: &[f32],
    ids: &[i32],
    weights: &mut [f32],
    scale: f32,
    out: &mut [f32],
) -> f32 = probabilities_body);

#[inline(always)]
unsafe fn probabilities_body<V: Lanes>(
    row: &[f32],
    ids: &[i32],
    weights: &mut [f32],
    scale: f32,
    out: &mut [f32],
) -> f32 {
    let parts = divide(row, ids, weights, scale);
    for (to, &id) in out.iter_mut().zip(ids) {
        *to = parts.own(row[id as usize]) as f32;
    }
    if !parts.has_rest {
        out[ids.len()] = f32::NEG_INFINITY;
        return 0.0;
    }
    out[ids.len()] = parts.own_rest() as f32;
    for (w, &x) in weights.iter_mut().zip(row) {
        let off = (x - parts.rest_max) * scale;
        *w = if *w == 0.0 { 0.0 } else { *w * off };
    }
    (parts.rest.ln() - f64::from(sum(weights)) / parts.rest) as f32
}

/// `[student [n, v], ids i32 [n, k], logProbs [n, k + 1], weights [n], losses [n], (dstudent [n, v])]`,
/// attributes `[hasGradient, reverse, temperature]`: ids are k different classes of a row, logProbs the
/// teacher's of each and, last, of all others together. With p = softmax(student / temperature) over the
/// same k + 1 outcomes and q the teacher's: losses_i = weights_i sum p (log p - log q) where reverse is 1,
/// else weights_i sum q (log q - log p), and the gradient of their sum by the student's logits. Outcomes of
/// probability 0 add nothing; with k = v there is no last one. A row of weight 0 is not read. dstudent may be
/// student.
pub fn top_k_divergence(call: &Call) -> Result<()> {
    let has_gradient = call.attr(0)? != 0.0;
    let reverse = match call.attr(1)? {
        0.0 => false,
        1.0 => true,
        other => fail!("reverse should be 0 or 1, got {other}"),
    };
    let scale = temperature(call.attr(2)?)?;
    let want = 5 + usize::from(has_gradient);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let [student, ids, log_probs, weights, losses] = [0, 1, 2, 3, 4].map(|i| &call.tensors[i]);
    let [n, v] = dims("student", student)?;
    let [_, k] = dims("ids", ids)?;
    ensure!(k >= 1 && k <= v, "ids should have 1 to {v} columns, got {k}");
    expect_shape("ids", ids, &[n, k])?;
    expect_shape("logProbs", log_probs, &[n, k + 1])?;
    let rows = LossRows::new(student, weights, losses, call.tensors.get(5), n, v)?;
    let ids = ids.i32()?;
    for (i, row) in ids.chunks(k).enumerate() {
        let wrong = row.iter().find(|&&id| !usize::try_from(id).is_ok_and(|id| id < v));
        if let Some(id) = wrong.filter(|_| unsafe { rows.weights.get(i) } != 0.0) {
            fail!("class {id} of row {i} is out of range: there are {v} classes");
        }
    }
    let log_probs = Floats::of(log_probs)?;
    let isa = call.cpu.isa;
    call.cpu.threads.run(n, |i| unsafe {
        rows.each(i, |x, weight, to| {
            let row = Row {
                x,
                ids: &ids[i * k..][..k],
                teacher: std::slice::from_raw_parts(log_probs.at(i * (k + 1)), k + 1),
                reverse,
                scale,
                factor: weight * scale,
            };
            with_scratch(v, |terms| with_scratch(k, |top| loss_row(isa, &row, terms, top, to)))
        });
    });
    Ok(())
}

/// A student's logits and what they are held against.
struct Row<'a> {
    x: *const f32,
    ids: &'a [i32],
    teacher: &'a [f32],
    reverse: bool,
    scale: f32,
    /// Of the gradient.
    factor: f32,
}

by_isa!(fn loss_row(row: &Row, terms: &mut [f32], top: &mut [f32], to: *mut f32) -> f32 = row_body);

#[inline(always)]
unsafe fn row_body<V: Lanes>(row: &Row, terms: &mut [f32], top: &mut [f32], to: *mut f32) -> f32 {
    let Row { ids, teacher, reverse, scale, factor, .. } = *row;
    let x = unsafe { std::slice::from_raw_parts(row.x, terms.len()) };
    let parts = divide(x, ids, terms, scale);
    let term = |own: f64, other: f64| {
        let (a, b) = if reverse { (own, other) } else { (other, own) };
        let p = a.exp();
        if p == 0.0 { 0.0 } else { p * (a - b) }
    };
    let other = |i: usize| f64::from(teacher[i]);
    let rest = parts.has_rest.then(|| (parts.own_rest(), other(ids.len())));
    let tops = ids.iter().enumerate().map(|(i, &id)| term(parts.own(x[id as usize]), other(i)));
    let loss = tops.sum::<f64>() + rest.map_or(0.0, |(own, other)| term(own, other));
    if !to.is_null() {
        let slope = |own: f64, other: f64| {
            let p = own.exp();
            if reverse { term(own, other) - p * loss } else { p - other.exp() }
        };
        // Before anything is written: the gradient may replace the logits.
        for (i, (to, &id)) in top.iter_mut().zip(ids).enumerate() {
            *to = factor * slope(parts.own(x[id as usize]), other(i)) as f32;
        }
        let by = rest.map_or(0.0, |(own, other)| slope(own, other) / parts.rest) as f32 * factor;
        let to = unsafe { std::slice::from_raw_parts_mut(to, terms.len()) };
        for (to, w) in to.iter_mut().zip(terms) {
            *to = *w * by;
        }
        for (&slope, &id) in top.iter().zip(ids) {
            to[id as usize] = slope;
        }
    }
    loss as f32
}
