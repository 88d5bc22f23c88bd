//! Losses over rows, derivatives of norms, gates and embeddings, AdamW.

use super::mamba::operands;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure, fail};

pub const OPS: &[(&str, Run)] = &[
    ("crossEntropy", cross_entropy),
    ("divergence", divergence),
    ("topKLogProbs", top_k_log_probs),
    ("topKDivergence", top_k_divergence),
    ("rowDistance", row_distance),
    ("embeddingBackward", embedding_backward),
    ("rmsNormBackward", rms_norm_backward),
    ("swiGluBackward", swi_glu_backward),
    ("globalNorm", global_norm),
    ("adamW", adam_w),
];

/// Tensors of one launch, and elements of a block: as `train.cu` has them.
const MOST: usize = 70;
const CHUNK: usize = 4096;

/// Rows whose share of a norm's weight gradient one block sums; `train.cu` has room for 32.
const PIECE: usize = 16;
/// Parts of a sum that are worth more than one thread, where there are few sums.
const MANY_PARTS: usize = 32;
const FEW_SUMS: usize = 1 << 15;

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

/// `[x [n, v], .. targets, weights [n], losses [n], (dx [n, v])]`, the first attribute says whether dx is there.
struct Rows {
    n: usize,
    v: usize,
    x: u64,
    weights: u64,
    losses: u64,
    gradient: u64,
}

impl Rows {
    fn read(call: &Call, targets: usize) -> Result<Rows> {
        let has_gradient = call.attr(0)? != 0.0;
        let [weights, losses] = [1 + targets, 2 + targets];
        let want = 3 + targets + usize::from(has_gradient);
        ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
        let [n, v] = dims("x", &call.tensors[0])?;
        ensure!(v > 0, "the rows have no columns");
        expect_shape("weights", &call.tensors[weights], &[n])?;
        expect_shape("losses", &call.tensors[losses], &[n])?;
        let gradient = match call.tensors.get(losses + 1) {
            Some(t) => {
                expect_shape("the gradient", t, &[n, v])?;
                floats("the gradient", t)?
            }
            None => 0,
        };
        Ok(Rows {
            n,
            v,
            x: floats("x", &call.tensors[0])?,
            weights: floats("weights", &call.tensors[weights])?,
            losses: floats("losses", &call.tensors[losses])?,
            gradient,
        })
    }

    fn grid(&self) -> Grid {
        Grid::blocks(self.n, self.v.next_multiple_of(32).clamp(32, 1024) as u32)
    }
}

fn cross_entropy(call: &Call) -> Result<()> {
    let rows = Rows::read(call, 1)?;
    expect_shape("labels", &call.tensors[1], &[rows.n])?;
    let labels = address("labels", &call.tensors[1], Storage::I32)?;
    if rows.n == 0 {
        return Ok(());
    }
    let Rows { x, weights, losses, gradient, v, .. } = rows;
    let arguments = arguments![x, labels, weights, losses, gradient, v, call.cuda.faults()];
    call.launch("train", "crossEntropy", rows.grid(), arguments)
}

/// Attributes `[hasGradient, reverse, temperature]`: reverse, and what logits are multiplied with.
fn divergence_attrs(call: &Call) -> Result<(i32, f32)> {
    let reverse = match call.attr(1)? {
        0.0 => 0i32,
        1.0 => 1,
        other => fail!("reverse should be 0 or 1, got {other}"),
    };
    Ok((reverse, scale(call.attr(2)?)?))
}

fn scale(temperature: f64) -> Result<f32> {
    ensure!(
        temperature > 0.0 && temperature.is_finite(),
        "temperature should be positive, got {temperature}"
    );
    Ok(1.0 / temperature as f32)
}

fn divergence(call: &Call) -> Result<()> {
    let rows = Rows::read(call, 1)?;
    let (reverse, scale) = divergence_attrs(call)?;
    expect_shape("teacher", &call.tensors[1], &[rows.n, rows.v])?;
    let teacher = floats("teacher", &call.tensors[1])?;
    if rows.n == 0 {
        return Ok(());
    }
    let Rows { x, weights, losses, gradient, v, .. } = rows;
    let arguments = arguments![x, teacher, weights, losses, gradient, v, scale, reverse];
    call.launch("train", "divergence", rows.grid(), arguments)
}

/// ids i32 [n, k] and logProbs [n, k + 1]: their addresses and k.
fn top_k(ids: &Tensor, log_probs: &Tensor, n: usize, v: usize) -> Result<(u64, u64, usize)> {
    let [_, k] = dims("ids", ids)?;
    ensure!(k >= 1 && k <= v, "ids should have 1 to {v} columns, got {k}");
    expect_shape("ids", ids, &[n, k])?;
    expect_shape("logProbs", log_probs, &[n, k + 1])?;
    Ok((address("ids", ids, Storage::I32)?, floats("logProbs", log_probs)?, k))
}

fn top_k_log_probs(call: &Call) -> Result<()> {
    let [logits, ids, log_probs, entropies] = call.args()?;
    let scale = scale(call.attr(0)?)?;
    let [n, v] = dims("logits", logits)?;
    let (ids, log_probs, k) = top_k(ids, log_probs, n, v)?;
    expect_shape("restEntropy", entropies, &[n])?;
    let (logits, entropies) = (floats("logits", logits)?, floats("restEntropy", entropies)?);
    if n == 0 {
        return Ok(());
    }
    let grid = Grid::blocks(n, v.next_multiple_of(32).clamp(32, 1024) as u32);
    call.launch("train", "topKLogProbs", grid, arguments![logits, ids, log_probs, entropies, v, k, scale])
}

fn top_k_divergence(call: &Call) -> Result<()> {
    let rows = Rows::read(call, 2)?;
    let (reverse, scale) = divergence_attrs(call)?;
    let (ids, log_probs, k) = top_k(&call.tensors[1], &call.tensors[2], rows.n, rows.v)?;
    if rows.n == 0 {
        return Ok(());
    }
    let marks = call.scratch(4 * rows.n * rows.v.div_ceil(32))?;
    let Rows { x, weights, losses, gradient, v, .. } = rows;
    let arguments = arguments![
        x,
        ids,
        log_probs,
        weights,
        losses,
        gradient,
        marks.ptr,
        v,
        k,
        scale,
        reverse,
        call.cuda.faults()
    ];
    call.launch("train", "topKDivergence", rows.grid(), arguments)
}

fn row_distance(call: &Call) -> Result<()> {
    let rows = Rows::read(call, 1)?;
    expect_shape("b", &call.tensors[1], &[rows.n, rows.v])?;
    let b = floats("b", &call.tensors[1])?;
    if rows.n == 0 {
        return Ok(());
    }
    let Rows { x, weights, losses, gradient, v, .. } = rows;
    call.launch("train", "rowDistance", rows.grid(), arguments![x, b, weights, losses, gradient, v])
}

fn embedding_backward(call: &Call) -> Result<()> {
    let [ids, dy, dtable] = call.args()?;
    let [v, d] = dims("dtable", dtable)?;
    let [n] = dims("ids", ids)?;
    expect_shape("dy", dy, &[n, d])?;
    let accumulate = i32::from(call.attr(0)? != 0.0);
    let ids = address("ids", ids, Storage::I32)?;
    if v * d == 0 {
        return Ok(());
    }
    let arguments = arguments![
        ids,
        floats("dy", dy)?,
        floats("dtable", dtable)?,
        n,
        d,
        accumulate,
        v,
        call.cuda.faults()
    ];
    call.launch("train", "embeddingBackward", Grid::blocks(v, 256), arguments)
}

/// `out` = the sums of `parts [items, each, n]` over the middle axis.
pub fn sum_parts(call: &Call, parts: u64, out: u64, items: usize, each: usize, n: usize) -> Result<()> {
    if items * n == 0 {
        return Ok(());
    }
    if each >= MANY_PARTS && items * n <= FEW_SUMS {
        let grid = Grid { blocks: (n.div_ceil(32) as u32, items as u32, 1), threads: 256, shared: 0 };
        return call.launch("train", "sumManyParts", grid, arguments![parts, out, each, n]);
    }
    call.launch("train", "sumParts", Grid::over(items * n), arguments![parts, out, items, each, n])
}

fn rms_norm_backward(call: &Call) -> Result<()> {
    let mut o = operands(call);
    let (dy, x, weight) = (o.required()?, o.required()?, o.required()?);
    let added = o.optional("added", x.shape(), Storage::F32)?;
    let eps = o.attr()? as f32;
    let (dx, dweight) = (o.required()?, o.required()?);
    o.end()?;
    ensure!(x.rank() >= 1 && x.dim(-1) > 0, "x has no features: shape {:?}", x.shape());
    let d = x.dim(-1);
    expect_shape("dy", dy, x.shape())?;
    expect_shape("dx", dx, x.shape())?;
    expect_shape("weight", weight, &[d])?;
    expect_shape("dweight", dweight, &[d])?;
    let rows = x.len() / d;
    let pieces = rows.div_ceil(PIECE);
    let to = floats("dweight", dweight)?;
    if pieces == 0 {
        return sum_parts(call, 0, to, 1, 0, d);
    }
    let parts = call.scratch(4 * pieces * d)?;
    let arguments = arguments![
        floats("dy", dy)?,
        floats("x", x)?,
        floats("weight", weight)?,
        added,
        floats("dx", dx)?,
        parts.ptr,
        rows,
        d,
        PIECE,
        eps
    ];
    call.launch("train", "rmsNormBackward", Grid::blocks(pieces, 256), arguments)?;
    sum_parts(call, parts.ptr as u64, to, 1, pieces, d)
}

fn swi_glu_backward(call: &Call) -> Result<()> {
    let [dy, gate, up, dgate, dup] = call.args()?;
    for (name, t) in [("gate", gate), ("up", up), ("dgate", dgate), ("dup", dup)] {
        expect_shape(name, t, dy.shape())?;
    }
    let n = dy.len();
    if n == 0 {
        return Ok(());
    }
    let arguments = arguments![
        floats("dy", dy)?,
        floats("gate", gate)?,
        floats("up", up)?,
        floats("dgate", dgate)?,
        floats("dup", dup)?,
        n
    ];
    call.launch("train", "swiGluBackward", Grid::over(n), arguments)
}

/// `struct Tensors` of some tensors, and the blocks that they take.
fn tensors(some: &[&Tensor]) -> (Vec<i64>, usize) {
    let mut words = vec![0i64; 1 + 2 * MOST];
    words[0] = some.len() as i64;
    let mut blocks = 0;
    for (i, t) in some.iter().enumerate() {
        words[1 + i] = t.len() as i64;
        words[1 + MOST + i] = blocks as i64;
        blocks += t.len().div_ceil(CHUNK);
    }
    (words, blocks)
}

/// Addresses of float tensors, in a list of its full size.
fn addresses(name: &str, some: &[&Tensor]) -> Result<Vec<i64>> {
    let mut words = vec![0i64; MOST];
    for (word, t) in words.iter_mut().zip(some) {
        *word = floats(name, t)? as i64;
    }
    Ok(words)
}

fn global_norm(call: &Call) -> Result<()> {
    let Some((norm, gradients)) = call.tensors.split_last() else {
        fail!("gradients and norm expected, got no tensor")
    };
    ensure!(norm.len() == 1, "norm should hold one number, got {:?}", norm.shape());
    let some: Vec<&Tensor> = gradients.iter().filter(|t| !t.is_empty()).collect();
    let all: usize = some.iter().map(|t| t.len().div_ceil(CHUNK)).sum();
    let sums = call.scratch(8 * all.max(1))?;
    let mut at = 0usize;
    for part in some.chunks(MOST) {
        let (mut words, blocks) = tensors(part);
        words.extend(addresses("a gradient", part)?);
        let arguments = arguments![Words(&words), sums.ptr, at];
        call.launch("train", "squares", Grid::blocks(blocks, 256), arguments)?;
        at += blocks;
    }
    let arguments = arguments![sums.ptr, floats("norm", norm)?, all];
    call.launch("train", "rootOfSum", Grid::blocks(1, 1024), arguments)
}

fn adam_w(call: &Call) -> Result<()> {
    let n = call.attr(0)? as usize;
    let has_rounded = n > 0 && call.tensors.len() == 2 + 5 * n;
    ensure!(
        (has_rounded || call.tensors.len() == 2 + 4 * n) && call.attrs.len() == 6 + n,
        "expected {} or {} tensors and {} attributes for {n} parameters, got {} and {}",
        2 + 4 * n,
        2 + 5 * n,
        6 + n,
        call.tensors.len(),
        call.attrs.len()
    );
    let (schedule, norm) = (&call.tensors[0], &call.tensors[1]);
    ensure!(schedule.len() == 2 && norm.len() == 1, "schedule should hold 2 numbers and norm 1");
    let (schedule, norm) = (floats("schedule", schedule)?, floats("norm", norm)?);
    let list = |i: usize| &call.tensors[2 + i * n..2 + (i + 1) * n];
    for i in 0..n {
        let names = ["gradient", "first moment", "second moment", "rounded copy"];
        for (k, name) in names[..3 + usize::from(has_rounded)].iter().enumerate() {
            ensure!(
                list(k + 1)[i].shape() == list(0)[i].shape(),
                "the {name} of parameter {i} should have shape {:?}, got {:?}",
                list(0)[i].shape(),
                list(k + 1)[i].shape()
            );
        }
    }
    let some: Vec<usize> = (0..n).filter(|&i| !list(0)[i].is_empty()).collect();
    for part in some.chunks(MOST) {
        let of = |k: usize| part.iter().map(|&i| &list(k)[i]).collect::<Vec<_>>();
        let (mut words, blocks) = tensors(&of(0));
        for (k, name) in ["a parameter", "a gradient", "a moment", "a moment"].iter().enumerate() {
            words.extend(addresses(name, &of(k))?);
        }
        words.extend(addresses("a rounded copy", &if has_rounded { of(4) } else { vec![] })?);
        let mut decays = [0u64; 2];
        for (k, &i) in part.iter().enumerate() {
            decays[k / 64] |= u64::from(call.attrs[6 + i] != 0.0) << (k % 64);
        }
        words.extend(decays.map(|d| d as i64));
        words.extend(call.attrs[1..6].iter().map(|a| a.to_bits() as i64));
        let arguments = arguments![Words(&words), schedule, norm];
        call.launch("train", "adamW", Grid::blocks(blocks, 256), arguments)?;
    }
    Ok(())
}
