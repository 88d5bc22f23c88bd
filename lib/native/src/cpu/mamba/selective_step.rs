//! One token of the selective scan. A channel's numbers lie side by side as they are stored, so that the
//! state is read and written once; only their sum into y is taken across channels, in the scan's order.

use super::operands::Floats;
use super::selective::{Block, Blocks, Scan, deltas};
use super::transpose::transpose;
use super::vectors::{WIDEST, load_part, silu, store_part};
use crate::cpu::Isa;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::threads::Threads;
use std::ops::Range;

/// How far ahead of its use a state is asked for, in numbers.
const AHEAD: usize = 1024;
/// Vectors of channels that go through each phase together: one alone would wait for itself.
const MANY: usize = 8;

/// Writes y and the new states, which may be the old ones. N must be a multiple of a vector's lanes.
pub fn selective_step(threads: &Threads, isa: Isa, scan: &Scan, blocks: Blocks, (y, out): (Floats, Floats)) {
    let per_row = scan.groups * blocks.each;
    let parts = per_row.div_ceil(MANY);
    let grain = (1 << 12) / (MANY * blocks.lanes * scan.n).max(1) + 1;
    threads.ranges(scan.batch * parts, grain, |items| {
        with_scratch((scan.n + 2) * MANY * WIDEST, |scratch| {
            scratch.fill(0.0);
            for item in items {
                let first = item % parts * MANY;
                let part = (blocks, first..(first + MANY).min(per_row));
                unsafe { run_part(isa, scan, item / parts, part, y, out, scratch) };
            }
        });
    });
}

by_isa!(fn run_part(
    scan: &Scan,
    row: usize,
    part: (Blocks, Range<usize>),
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) = part_body);

#[inline(always)]
unsafe fn part_body<V: Lanes>(
    scan: &Scan,
    row: usize,
    (blocks, part): (Blocks, Range<usize>),
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) {
    let (delta, rest) = scratch.split_at_mut(MANY * V::N);
    let (input, turned) = rest.split_at_mut(MANY * V::N);
    let first = part.start;
    unsafe {
        for i in part.clone() {
            let (block, at) = (blocks.block(i), (i - first) * V::N);
            deltas::<V>(scan, row, (0, 1), block, delta.as_mut_ptr().add(at), None);
            let u = load_part::<V>(scan.u.at(scan.at(row, 0, block)), block.count);
            V::load(delta.as_ptr().add(at)).mul(u).store(input.as_mut_ptr().add(at));
        }
        for i in part.clone() {
            let at = (i - first) * V::N;
            move_block::<V>(scan, row, blocks.block(i), &delta[at..], &input[at..], out);
        }
        // Wide loads of what was just stored in pieces would wait: all are turned before any is summed.
        let size = scan.n * V::N;
        for i in part.clone() {
            let block = blocks.block(i);
            let from = (out.at(scan.at(row, 0, block) * scan.n).cast_const(), scan.n);
            let to = turned.as_mut_ptr().add((i - first) * size);
            transpose::<V>(from, (to, V::N), block.count, scan.n);
        }
        for i in part {
            sum_block::<V>(scan, row, blocks.block(i), &turned[(i - first) * size..], y);
        }
    }
}

/// The new states of a vector of channels.
#[inline(always)]
unsafe fn move_block<V: Lanes>(
    scan: &Scan,
    row: usize,
    block: Block,
    delta: &[f32],
    input: &[f32],
    out: Floats,
) {
    let n = scan.n;
    let stored = scan.at(row, 0, block) * n;
    unsafe {
        let (rates, b) = (scan.a.at(block.from * n), scan.b.at(scan.b_at(row, 0, block.group)));
        let state = scan.state.map(|s| s.at(stored).cast_const());
        for i in 0..block.count {
            let (d, x) = (V::splat(delta[i]), V::splat(input[i]));
            for j in (0..n).step_by(V::N) {
                let held = state.map(|s| s.add(i * n + j));
                let input = x.mul(V::load(b.add(j)));
                move_on::<V>(d, input, rates.add(i * n + j), held, out.at(stored + i * n + j));
            }
        }
    }
}

/// What a vector of channels, turned, gives to y.
#[inline(always)]
unsafe fn sum_block<V: Lanes>(scan: &Scan, row: usize, block: Block, turned: &[f32], y: Floats) {
    let (n, count, at) = (scan.n, block.count, scan.at(row, 0, block));
    let keys = scan.b_at(row, 0, block.group);
    unsafe {
        let mut sum = V::splat(0.0);
        for j in 0..n {
            sum = V::load(turned.as_ptr().add(j * V::N)).mul_add(V::splat(scan.c.get(keys + j)), sum);
        }
        if let Some(skip) = scan.skip {
            let u = load_part::<V>(scan.u.at(at), count);
            sum = u.mul_add(load_part::<V>(skip.at(block.from), count), sum);
        }
        if let Some(z) = scan.z {
            sum = sum.mul(silu(load_part::<V>(z.at(at), count)));
        }
        store_part(sum, y.at(at), count);
    }
}

/// A vector of one channel's state: decayed, and added to.
#[inline(always)]
unsafe fn move_on<V: Lanes>(delta: V, input: V, rates: *const f32, state: Option<*const f32>, out: *mut f32) {
    unsafe {
        let decay = delta.mul(V::load(rates).mul(V::splat(std::f32::consts::LOG2_E))).exp2();
        let before = match state {
            Some(state) => {
                V::prefetch(state.wrapping_add(AHEAD));
                V::load(state)
            }
            None => V::splat(0.0),
        };
        before.mul_add(decay, input).store(out);
    }
}
