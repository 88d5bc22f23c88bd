//! The derivative of causal attention: weights are computed anew for some queries at a time (Dao
//! 2023, algorithm 2, without its split of the keys, which need not fit a small memory here).

use super::documents;
use super::tile::{Matrix, product};
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::mamba::operands::{Floats, Operands};
use crate::cpu::math::exp;
use crate::cpu::model::rows::{dims, expect_shape, spans};
use crate::cpu::{Call, Isa};
use crate::ensure;
use crate::error::Result;
use std::cell::RefCell;

/// Queries that share one pass over the keys.
const QUERIES: usize = 64;

/// `[q, k, v, starts, lens, (resets), dy, dq, dk, dv]` as of `causalAttention`, attributes
/// `[hasResets, scale]`: the gradients by q, k and v. Those of keys and values that no token sees are 0,
/// and of padding's queries.
pub fn causal_attention_backward(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let (q, k, v) = (operands.required()?, operands.required()?, operands.required()?);
    let (starts, lens) = (operands.required()?, operands.required()?);
    let resets = operands.optional()?;
    let scale = operands.attr()? as f32;
    let (dy, dq) = (operands.required()?, operands.required()?);
    let (dk, dv) = (operands.required()?, operands.required()?);
    operands.end()?;
    let [batch, length, heads, d] = dims("q", q)?;
    let [_, capacity, kv_heads, _] = dims("k", k)?;
    expect_shape("k", k, &[batch, capacity, kv_heads, d])?;
    for (name, t, like) in [("v", v, k), ("dk", dk, k), ("dv", dv, k), ("dy", dy, q), ("dq", dq, q)] {
        expect_shape(name, t, like.shape())?;
    }
    ensure!(
        kv_heads > 0 && heads % kv_heads == 0,
        "{heads} query heads cannot share {kv_heads} key-value heads evenly"
    );
    let spans = spans(starts, lens, batch, length, capacity, "a cache")?;
    let since = documents(resets, &spans, length)?;
    let shape = Heads { length, capacity, heads, kv_heads, d, scale, isa: call.cpu.isa };
    let (group, isa) = (heads / kv_heads, call.cpu.isa);
    let (q, k, v, dy) = (Floats::of(q)?, Floats::of(k)?, Floats::of(v)?, Floats::of(dy)?);
    let (dq, dk, dv) = (Floats::of(dq)?, Floats::of(dk)?, Floats::of(dv)?);
    let own = capacity * d;
    // Each query head's share of its key-value head's gradients: keys, then values.
    with_scratch(2 * batch * heads * own, |partial| {
        let parts = Floats::over(partial);
        call.cpu.threads.run(batch * heads, |task| {
            let (row, head, span) = (task / heads, task % heads, spans[task / heads]);
            Workspace::with(|w| unsafe {
                let (keys, values) = (parts.at(2 * task * own), parts.at((2 * task + 1) * own));
                std::slice::from_raw_parts_mut(keys, 2 * own).fill(0.0);
                let context = span.start + span.len;
                let at = shape.key(row, head);
                w.keys(&shape, k.at(at), context);
                w.values(&shape, v.at(at), context);
                for from in (0..span.len).step_by(QUERIES) {
                    let n = QUERIES.min(span.len - from);
                    let at = shape.query(row, from, head);
                    let first = weigh(w, &shape, q.at(at), n, (row, from, span.start), &since);
                    let seen = span.start + from + n;
                    let block = Block { n, first, seen, heads: &shape };
                    gradients(isa, w, &block, q.at(at), dy.at(at), dq.at(at), keys, values);
                }
                for t in span.len..length {
                    dq.slice_mut(shape.query(row, t, head), d).fill(0.0);
                }
            });
        });
        call.cpu.threads.ranges(batch * capacity, 16, |tokens| {
            for token in tokens {
                let (row, position) = (token / capacity, token % capacity);
                for kv in 0..kv_heads {
                    for (part, to) in [(0, dk), (1, dv)] {
                        let to = unsafe { to.slice_mut((token * kv_heads + kv) * d, d) };
                        to.fill(0.0);
                        for head in kv * group..(kv + 1) * group {
                            let at = (2 * (row * heads + head) + part) * own + position * d;
                            let from = unsafe { parts.slice(at, d) };
                            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                        }
                    }
                }
            }
        });
    });
    Ok(())
}

/// Sizes of queries and keys.
pub struct Heads {
    pub length: usize,
    pub capacity: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub d: usize,
    pub scale: f32,
    pub isa: Isa,
}

impl Heads {
    /// Where a token's query of a head lies.
    pub fn query(&self, row: usize, token: usize, head: usize) -> usize {
        ((row * self.length + token) * self.heads + head) * self.d
    }

    /// Where the first key of a query head lies.
    pub fn key(&self, row: usize, head: usize) -> usize {
        (row * self.capacity * self.kv_heads + head / (self.heads / self.kv_heads)) * self.d
    }
}

/// What a thread keeps from task to task. Positions and features are padded to whole vectors, with 0.
#[derive(Default)]
pub struct Workspace {
    /// Keys of a head by position, and by feature; values by feature.
    keys: Vec<f32>,
    keys_by_feature: Vec<f32>,
    values_by_feature: Vec<f32>,
    /// Weights of queries by position, then their gradients, then either by position first.
    weights: Vec<f32>,
    slopes: Vec<f32>,
    turned: Vec<f32>,
    /// Queries or their outputs' gradients, and a product of them.
    rows: Vec<f32>,
    product: Vec<f32>,
    positions: usize,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

fn padded(n: usize) -> usize {
    n.next_multiple_of(16)
}

impl Workspace {
    pub fn with<T>(body: impl FnOnce(&mut Workspace) -> T) -> T {
        WORKSPACE.with_borrow_mut(body)
    }

    /// Takes the first `n` keys of a head.
    pub unsafe fn keys(&mut self, heads: &Heads, from: *const f32, n: usize) {
        self.positions = padded(n);
        let (wide, stride) = (padded(heads.d), heads.kv_heads * heads.d);
        self.keys.clear();
        self.keys.resize(self.positions * wide, 0.0);
        for p in 0..n {
            let key = unsafe { std::slice::from_raw_parts(from.add(p * stride), heads.d) };
            self.keys[p * wide..][..heads.d].copy_from_slice(key);
        }
        unsafe { by_feature(heads, from, n, &mut self.keys_by_feature) };
    }

    unsafe fn values(&mut self, heads: &Heads, from: *const f32, n: usize) {
        unsafe { by_feature(heads, from, n, &mut self.values_by_feature) };
    }

    /// The weights of query `i` by position.
    pub fn weights(&self, i: usize) -> &[f32] {
        &self.weights[i * self.positions..][..self.positions]
    }
}

unsafe fn by_feature(heads: &Heads, from: *const f32, n: usize, to: &mut Vec<f32>) {
    let (stride, wide) = (heads.kv_heads * heads.d, padded(n));
    to.clear();
    to.resize(heads.d * wide, 0.0);
    unsafe { turn(heads.isa, from, stride, n, heads.d, to.as_mut_ptr(), wide) };
}

/// Computes the weights of `n` queries; returns the first position that one of them sees, rounded down
/// to a whole vector. Weights before it are not written.
pub unsafe fn weigh(
    w: &mut Workspace,
    heads: &Heads,
    queries: *const f32,
    n: usize,
    (row, token, start): (usize, usize, usize),
    since: &[usize],
) -> usize {
    let since = |t: usize| if since.is_empty() { 0 } else { since[row * heads.length + token + t] };
    let first = since(0) / 16 * 16;
    let seen = start + token + n;
    w.weights.resize(QUERIES * w.positions, 0.0);
    unsafe {
        scores(heads.isa, w, heads, queries, n, first, seen);
        for t in 0..n {
            let (lo, hi) = (since(t), start + token + t + 1);
            let row = &mut w.weights[t * w.positions..][first..padded(seen)];
            soften(heads.isa, row, lo - first, hi - first, heads.scale);
        }
    }
    first
}

by_isa!(fn turn(
    from: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
    to: *mut f32,
    to_stride: usize,
) = turn_body);

/// `to[j][i] = from[i][j]`.
#[inline(always)]
unsafe fn turn_body<V: Lanes>(
    from: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
    to: *mut f32,
    to_stride: usize,
) {
    unsafe {
        let (whole_rows, whole_columns) = (rows - rows % 8, columns - columns % 8);
        for i in (0..whole_rows).step_by(8) {
            for j in (0..whole_columns).step_by(8) {
                V::transpose8(from.add(i * stride + j), stride, to.add(j * to_stride + i), to_stride);
            }
        }
        for i in 0..rows {
            let left = if i < whole_rows { whole_columns } else { 0 };
            for j in left..columns {
                *to.add(j * to_stride + i) = *from.add(i * stride + j);
            }
        }
    }
}

by_isa!(fn scores(
    w: &mut Workspace,
    heads: &Heads,
    queries: *const f32,
    n: usize,
    first: usize,
    seen: usize,
) = scores_body);

#[inline(always)]
unsafe fn scores_body<V: Lanes>(
    w: &mut Workspace,
    heads: &Heads,
    queries: *const f32,
    n: usize,
    first: usize,
    seen: usize,
) {
    let stride = w.positions;
    unsafe {
        let rows = rows_of(queries, heads.heads * heads.d, n);
        let keys = Matrix { at: w.keys_by_feature.as_mut_ptr().add(first), stride };
        let to = Matrix { at: w.weights.as_mut_ptr().add(first), stride };
        product::<V>(&rows[..n], keys, to, heads.d, padded(seen) - first);
    }
}

unsafe fn rows_of(from: *const f32, stride: usize, n: usize) -> [*const f32; QUERIES] {
    std::array::from_fn(|i| unsafe { from.add(i.min(n - 1) * stride) })
}

by_isa!(fn soften(row: &mut [f32], lo: usize, hi: usize, scale: f32) = soften_body);

/// softmax(scale * row) over `lo..hi`, 0 elsewhere.
#[inline(always)]
unsafe fn soften_body<V: Lanes>(row: &mut [f32], lo: usize, hi: usize, scale: f32) {
    const WIDTH: usize = 16;
    for s in row.iter_mut() {
        *s *= scale;
    }
    row[..lo].fill(f32::NEG_INFINITY);
    row[hi..].fill(f32::NEG_INFINITY);
    let mut lanes = [f32::NEG_INFINITY; WIDTH];
    for chunk in row.as_chunks::<WIDTH>().0 {
        for (m, &s) in lanes.iter_mut().zip(chunk) {
            *m = if s > *m { s } else { *m };
        }
    }
    let max = lanes.iter().fold(f32::NEG_INFINITY, |m, &s| if s > m { s } else { m });
    let mut sums = [0.0f32; WIDTH];
    for chunk in row.as_chunks_mut::<WIDTH>().0 {
        for (sum, s) in sums.iter_mut().zip(chunk) {
            *s = exp(*s - max);
            *sum += *s;
        }
    }
    let over = 1.0 / sums.iter().sum::<f32>();
    for s in row {
        *s *= over;
    }
}

/// Some queries, and the positions that they see.
struct Block<'a> {
    n: usize,
    first: usize,
    seen: usize,
    heads: &'a Heads,
}

by_isa!(fn gradients(
    w: &mut Workspace,
    block: &Block,
    q: *const f32,
    dy: *const f32,
    dq: *mut f32,
    dk: *mut f32,
    dv: *mut f32,
) = gradients_body);

/// Writes `dq` of the block's queries and adds to `dk` and `dv [capacity, d]`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn gradients_body<V: Lanes>(
    w: &mut Workspace,
    block: &Block,
    q: *const f32,
    dy: *const f32,
    dq: *mut f32,
    dk: *mut f32,
    dv: *mut f32,
) {
    let &Block { n, first, seen, heads } = block;
    let (d, stride, positions) = (heads.d, heads.heads * heads.d, w.positions);
    let (wide, count) = (padded(d), padded(seen) - first);
    w.slopes.resize(QUERIES * positions, 0.0);
    w.turned.resize(positions * QUERIES, 0.0);
    w.rows.resize(QUERIES * wide, 0.0);
    w.product.resize(positions.max(QUERIES) * wide, 0.0);
    unsafe {
        let outputs = rows_of(dy, stride, n);
        let values = Matrix { at: w.values_by_feature.as_mut_ptr().add(first), stride: positions };
        let slopes = Matrix { at: w.slopes.as_mut_ptr().add(first), stride: positions };
        product::<V>(&outputs[..n], values, slopes, d, count);
        add_turned::<V>(w, block, false, dy, dv);
        for t in 0..n {
            let p = &w.weights[t * positions..][first..first + count];
            let s = &mut w.slopes[t * positions..][first..first + count];
            let dot = dot::<V>(p, s);
            for (s, p) in s.iter_mut().zip(p) {
                *s = p * (*s - dot) * heads.scale;
            }
        }
        let rows: [*const f32; QUERIES] =
            std::array::from_fn(|t| w.slopes.as_ptr().add(t.min(n - 1) * positions + first));
        let keys = Matrix { at: w.keys.as_mut_ptr().add(first * wide), stride: wide };
        let to = Matrix { at: w.product.as_mut_ptr(), stride: wide };
        product::<V>(&rows[..n], keys, to, count.min(seen - first), wide);
        for t in 0..n {
            std::ptr::copy_nonoverlapping(to.row(t), dq.add(t * stride), d);
        }
        add_turned::<V>(w, block, true, q, dk);
    }
}

/// `into += turned(weights or slopes) rows`, for `rows` of the block's queries.
#[inline(always)]
unsafe fn add_turned<V: Lanes>(
    w: &mut Workspace,
    block: &Block,
    slopes: bool,
    rows: *const f32,
    into: *mut f32,
) {
    let &Block { n, first, seen, heads } = block;
    let (d, wide, count) = (heads.d, padded(heads.d), seen - first);
    unsafe {
        for t in 0..n {
            let to = w.rows.as_mut_ptr().add(t * wide);
            std::ptr::copy_nonoverlapping(rows.add(t * heads.heads * d), to, d);
        }
        let from = if slopes { &w.slopes } else { &w.weights };
        let from = from.as_ptr().add(first);
        turn_body::<V>(from, w.positions, n, count, w.turned.as_mut_ptr(), QUERIES);
        let right = Matrix { at: w.rows.as_mut_ptr(), stride: wide };
        let to = Matrix { at: w.product.as_mut_ptr(), stride: wide };
        const GROUP: usize = 96;
        for from in (0..count).step_by(GROUP) {
            let m = GROUP.min(count - from);
            let left: [*const f32; GROUP] =
                std::array::from_fn(|i| w.turned.as_ptr().add((from + i.min(m - 1)) * QUERIES));
            let to = Matrix { at: to.row(from), ..to };
            product::<V>(&left[..m], right, to, n, wide);
        }
        for p in 0..count {
            let to = std::slice::from_raw_parts_mut(into.add((first + p) * d), d);
            let from = std::slice::from_raw_parts(to_row(&w.product, p, wide), d);
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
}

#[inline(always)]
fn to_row(product: &[f32], row: usize, wide: usize) -> *const f32 {
    product[row * wide..].as_ptr()
}

#[inline(always)]
unsafe fn dot<V: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    unsafe {
        let mut sum = V::splat(0.0);
        for i in (0..a.len()).step_by(V::N) {
            sum = V::load(a.as_ptr().add(i)).mul_add(V::load(b.as_ptr().add(i)), sum);
        }
        sum.sum()
    }
}
