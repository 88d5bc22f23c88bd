//! Attention of a few queries to one block of the context: the queries that share a key-value head,
//! `BLOCK` positions aligned to position 0.
//!
//! A block has its own maximum and sum (Milakov and Gimelshein 2018); blocks merge in the order of
//! their positions. That is the one canonical order: whoever computes a block, and with however many
//! other queries, its bits and those of the merged result are the same.

use super::cached::Cached;
use super::tile::{Ahead, Matrix, product_ahead};
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::math::exp;
use std::ops::Range;

/// Positions of a block.
pub const BLOCK: usize = 64;

/// Queries of one row that share a key-value head, by their addresses, and what they attend to.
pub struct Queries<'a> {
    pub rows: &'a [*const f32],
    /// Query i sees the positions from `since[i]` up to, not with, `visible[i]`.
    pub visible: &'a [usize],
    pub since: &'a [usize],
    /// The row's keys and values of this head, by position.
    pub keys: Cached,
    pub values: Cached,
    /// What is read after this block.
    pub next_keys: Ahead,
    pub next_values: Ahead,
    pub d: usize,
    pub scale: f32,
}

/// Sums over one block or, merged, over all so far: for each query the maximum score, the sum of
/// exponentials and their weighted values (`padded(d)` floats).
pub struct Sums<'a> {
    pub max: &'a mut [f32],
    pub total: &'a mut [f32],
    pub values: &'a mut [f32],
}

/// Scratch of one thread.
#[derive(Default)]
pub struct Scratch {
    /// Keys that are stored narrower, as floats.
    widened: Vec<f32>,
    /// Keys, positions as columns.
    keys: Vec<f32>,
    scores: Vec<f32>,
    values: Vec<f32>,
}

/// Features rounded up to whole vectors of every instruction set.
pub fn padded(d: usize) -> usize {
    d.next_multiple_of(16)
}

by_isa!(pub fn attend_block(queries: &Queries, block: usize, scratch: &mut Scratch, out: &mut Sums)
    = attend_block_body);

#[inline(always)]
unsafe fn attend_block_body<V: Lanes>(
    queries: &Queries,
    block: usize,
    scratch: &mut Scratch,
    out: &mut Sums,
) {
    let Queries { rows, visible, d, .. } = *queries;
    let first = block * BLOCK;
    let seen = visible.iter().max().map_or(0, |&n| n.saturating_sub(first)).min(BLOCK);
    let wide = padded(d);
    scratch.keys.resize(d * BLOCK, 0.0);
    scratch.scores.resize(rows.len() * BLOCK, 0.0);
    unsafe {
        let keys = Matrix { at: scratch.keys.as_mut_ptr(), stride: BLOCK };
        let stored = match queries.keys.floats(first) {
            Some(floats) => floats,
            None => {
                scratch.widened.resize(d * BLOCK, 0.0);
                let into = Matrix { at: scratch.widened.as_mut_ptr(), stride: d };
                queries.keys.read::<V>(first, seen, d, into);
                into
            }
        };
        transpose::<V>(stored, seen, d, keys);
        let scores = Matrix { at: scratch.scores.as_mut_ptr(), stride: BLOCK };
        product_ahead::<V>(rows, keys, scores, d, seen.next_multiple_of(16), queries.next_keys);
    }
    for (i, scores) in scratch.scores.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
        let count = visible[i].saturating_sub(first).min(BLOCK);
        let hidden = queries.since[i].saturating_sub(first).min(count);
        (out.max[i], out.total[i]) = soften(scores, hidden..count, queries.scale);
    }
    unsafe {
        let values = match queries.values.floats(first) {
            Some(floats) if d == wide => floats,
            _ => {
                scratch.values.resize(BLOCK * wide, 0.0);
                let packed = Matrix { at: scratch.values.as_mut_ptr(), stride: wide };
                queries.values.read::<V>(first, seen, d, packed);
                packed
            }
        };
        const GROUP: usize = 96;
        let mut weights = [std::ptr::null::<f32>(); GROUP];
        for from in (0..rows.len()).step_by(GROUP) {
            let n = GROUP.min(rows.len() - from);
            for (i, w) in weights[..n].iter_mut().enumerate() {
                *w = scratch.scores.as_ptr().add((from + i) * BLOCK);
            }
            let into = Matrix { at: out.values.as_mut_ptr().add(from * wide), stride: wide };
            let asked = if from == 0 { queries.next_values } else { Ahead::NOTHING };
            product_ahead::<V>(&weights[..n], values, into, seen, wide, asked);
        }
    }
}

/// Positions become columns: `count` rows of `from` to the first columns of `into`.
#[inline(always)]
unsafe fn transpose<V: Lanes>(from: Matrix, count: usize, d: usize, into: Matrix) {
    unsafe {
        let (positions, features) = (count - count % 8, d - d % 8);
        for p in (0..positions).step_by(8) {
            for i in (0..features).step_by(8) {
                V::transpose8(from.row(p).add(i), from.stride, into.row(i).add(p), into.stride);
            }
            for i in features..d {
                for p in p..p + 8 {
                    *into.row(i).add(p) = *from.row(p).add(i);
                }
            }
        }
        for p in positions..count {
            for i in 0..d {
                *into.row(i).add(p) = *from.row(p).add(i);
            }
        }
    }
}

/// Turns the scores that are seen into exp(scale * score - maximum) and the others into 0; returns
/// the maximum and the sum. With nothing to see: minus infinity and 0.
#[inline(always)]
fn soften(scores: &mut [f32; BLOCK], seen: Range<usize>, scale: f32) -> (f32, f32) {
    const WIDTH: usize = 16;
    for score in scores.iter_mut() {
        *score *= scale;
    }
    scores[..seen.start].fill(f32::NEG_INFINITY);
    scores[seen.end..].fill(f32::NEG_INFINITY);
    let mut lanes = [f32::NEG_INFINITY; WIDTH];
    for chunk in scores.as_chunks::<WIDTH>().0 {
        for (m, &s) in lanes.iter_mut().zip(chunk) {
            *m = if s > *m { s } else { *m };
        }
    }
    let max = lanes.iter().fold(f32::NEG_INFINITY, |m, &s| if s > m { s } else { m });
    let from = if max == f32::NEG_INFINITY { 0.0 } else { max };
    let mut sums = [0.0f32; WIDTH];
    for chunk in scores.as_chunks_mut::<WIDTH>().0 {
        for (sum, s) in sums.iter_mut().zip(chunk) {
            *s = exp(*s - from);
            *sum += *s;
        }
    }
    let mut width = WIDTH / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
        width /= 2;
    }
    (max, sums[0])
}

by_isa!(pub fn merge(into: &mut Sums, block: &Sums, d: usize) = merge_body);

/// Adds a later block to the sums of those before it.
#[inline(always)]
unsafe fn merge_body<V: Lanes>(into: &mut Sums, block: &Sums, d: usize) {
    let wide = padded(d);
    let weight = |from: f32, to: f32| if from == to { 1.0 } else { exp(from - to) };
    for i in 0..into.max.len() {
        let max = if block.max[i] > into.max[i] { block.max[i] } else { into.max[i] };
        let (old, new) = (weight(into.max[i], max), weight(block.max[i], max));
        into.max[i] = max;
        into.total[i] = into.total[i] * old + block.total[i] * new;
        unsafe {
            let to = into.values.as_mut_ptr().add(i * wide);
            let from = block.values.as_ptr().add(i * wide);
            for at in (0..wide).step_by(V::N) {
                let kept = V::load(to.add(at)).mul(V::splat(old));
                V::load(from.add(at)).mul_add(V::splat(new), kept).store(to.add(at));
            }
        }
    }
}
