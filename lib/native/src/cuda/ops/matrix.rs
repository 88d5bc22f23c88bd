//! The matrices by which mixers mix tokens.

use super::mamba::operands;
use super::train::sum_parts;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, Scratch, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[
    ("attentionWeights", attention_weights),
    ("discreteSsdMatrix", discrete_ssd_matrix),
    ("discreteSsdMatrixBackward", discrete_ssd_matrix_backward),
];

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

fn attention_weights(call: &Call) -> Result<()> {
    let (scale, has_resets) = (call.attr(0)? as f32, call.attr(1)? != 0.0);
    let want = 3 + usize::from(has_resets);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (q, k, y) = (&call.tensors[0], &call.tensors[1], &call.tensors[want - 1]);
    let [batch, length, heads, d] = dims("q", q)?;
    let [_, _, kv_heads, _] = dims("k", k)?;
    expect_shape("k", k, &[batch, length, kv_heads, d])?;
    expect_shape("y", y, &[batch, heads, length, length])?;
    ensure!(
        kv_heads > 0 && heads % kv_heads == 0,
        "{heads} query heads cannot share {kv_heads} key-value heads evenly"
    );
    if y.is_empty() {
        return Ok(());
    }
    let since = if has_resets {
        let resets = &call.tensors[2];
        expect_shape("resets", resets, &[batch, length])?;
        let since = call.scratch(4 * batch * length)?;
        let resets = address("resets", resets, Storage::I32)?;
        call.launch("matrix", "firsts", Grid::over(batch), arguments![resets, since.ptr, batch, length])?;
        Some(since)
    } else {
        None
    };
    let since = since.as_ref().map_or(0, |s| s.ptr as u64);
    let grid = Grid { blocks: (length as u32, heads as u32, batch as u32), threads: 128, shared: 0 };
    let arguments =
        arguments![floats("q", q)?, floats("k", k)?, since, floats("y", y)?, heads, kv_heads, d, scale];
    call.launch("matrix", "attentionWeights", grid, arguments)
}

/// `[a [b, l, h], B [b, l, g, n], C [b, l, g, n], (D [h]), (resets i32 [b, l])]`.
struct Inputs<'a> {
    a: u64,
    b: u64,
    c: u64,
    skip: u64,
    resets: u64,
    keys: &'a Tensor,
    batch: usize,
    length: usize,
    heads: usize,
    groups: usize,
    n: usize,
}

impl Inputs<'_> {
    fn words(&self) -> [i64; 5] {
        [self.batch, self.length, self.heads, self.groups, self.n].map(|n| n as i64)
    }

    fn cells(&self) -> usize {
        self.batch * self.heads * self.length * self.length
    }

    /// The running sums of the decays' logarithms, and where documents start.
    fn decays<'c, 'b>(&self, call: &'c Call<'b>) -> Result<(Scratch<'c, 'b>, Scratch<'c, 'b>)> {
        let units = self.batch * self.heads;
        let logs = call.scratch(8 * units * self.length)?;
        let since = call.scratch(4 * self.batch * self.length)?;
        let arguments = arguments![self.a, self.resets, logs.ptr, since.ptr, Words(&self.words())];
        call.launch("matrix", "decays", Grid::over(units), arguments)?;
        Ok((logs, since))
    }
}

fn inputs<'a>(o: &mut super::mamba::Operands<'a, '_>) -> Result<Inputs<'a>> {
    let (a, b, c) = (o.required()?, o.required()?, o.required()?);
    let [batch, length, heads] = dims("a", a)?;
    let [_, _, groups, n] = dims("B", b)?;
    expect_shape("B", b, &[batch, length, groups, n])?;
    expect_shape("C", c, &[batch, length, groups, n])?;
    ensure!(groups > 0 && heads % groups == 0, "{groups} groups do not divide {heads} heads");
    let skip = o.optional("D", &[heads], Storage::F32)?;
    let resets = o.optional("resets", &[batch, length], Storage::I32)?;
    let (a, b_at, c) = (floats("a", a)?, floats("B", b)?, floats("C", c)?);
    Ok(Inputs { a, b: b_at, c, skip, resets, keys: b, batch, length, heads, groups, n })
}

fn discrete_ssd_matrix(call: &Call) -> Result<()> {
    let mut o = operands(call);
    let own = inputs(&mut o)?;
    let m = o.output("the matrix", &[own.batch, own.heads, own.length, own.length])?;
    o.end()?;
    if own.cells() == 0 {
        return Ok(());
    }
    let (logs, since) = own.decays(call)?;
    let arguments = arguments![own.b, own.c, own.skip, logs.ptr, since.ptr, m, Words(&own.words())];
    call.launch("matrix", "discreteSsdMatrix", Grid::over(own.cells()), arguments)
}

fn discrete_ssd_matrix_backward(call: &Call) -> Result<()> {
    let mut o = operands(call);
    let own = inputs(&mut o)?;
    let Inputs { batch, length, heads, groups, n, .. } = own;
    let dm = o.output("dM", &[batch, heads, length, length])?;
    let da = o.output("da", &[batch, length, heads])?;
    let (db, dc) = (o.output("dB", own.keys.shape())?, o.output("dC", own.keys.shape())?);
    let dskip = if own.skip == 0 { 0 } else { o.output("dD", &[heads])? };
    o.end()?;
    if own.cells() == 0 || n == 0 {
        return Ok(());
    }
    let shape = own.words();
    let (logs, since) = own.decays(call)?;
    let (scores, products) = (call.scratch(4 * own.cells())?, call.scratch(4 * own.cells())?);
    let arguments =
        arguments![own.b, own.c, logs.ptr, since.ptr, dm, scores.ptr, products.ptr, Words(&shape)];
    call.launch("matrix", "matrix_scores", Grid::over(own.cells()), arguments)?;
    let rows = batch * heads * length;
    call.launch("matrix", "matrix_before", Grid::over(rows), arguments![products.ptr, rows, length])?;
    let arguments = arguments![own.a, own.resets, products.ptr, da, Words(&shape)];
    call.launch("matrix", "matrix_decays", Grid::over(rows), arguments)?;
    let per_head = batch * length * heads * n;
    let (own_b, own_c) = (call.scratch(4 * per_head)?, call.scratch(4 * per_head)?);
    let arguments = arguments![own.b, own.c, since.ptr, scores.ptr, own_b.ptr, own_c.ptr, Words(&shape)];
    call.launch("matrix", "matrix_keys", Grid::over(per_head), arguments)?;
    let (tokens, each) = (batch * length * groups, heads / groups);
    sum_parts(call, own_b.ptr as u64, db, tokens, each, n)?;
    sum_parts(call, own_c.ptr as u64, dc, tokens, each, n)?;
    if dskip != 0 {
        let parts = call.scratch(4 * batch * heads)?;
        let arguments = arguments![dm, parts.ptr, batch * heads, length];
        call.launch("matrix", "matrix_diagonal", Grid::blocks(batch * heads, 128), arguments)?;
        sum_parts(call, parts.ptr as u64, dskip, 1, batch, heads)?;
    }
    Ok(())
}
