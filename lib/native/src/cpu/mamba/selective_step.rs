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

/// How far ahead of its use a state is asked for, in numbers.
const AHEAD: usize = 1024;

/// Writes y and the new states, which may be the old ones. N must be a multiple of a vector's lanes.
pub fn selective_step(threads: &Threads, isa: Isa, scan: &Scan, blocks: Blocks, (y, out): (Floats, Floats)) {
    let per_row = scan.groups * blocks.each;
    let grain = (1 << 12) / (blocks.lanes * scan.n).max(1) + 1;
    threads.ranges(scan.batch * per_row, grain, |items| {
        with_scratch((scan.n + 2) * WIDEST, |scratch| {
            scratch.fill(0.0);
            for item in items {
                let block = blocks.block(item % per_row);
                unsafe { run_block(isa, scan, item / per_row, block, y, out, scratch) };
            }
        });
    });
}

by_isa!(fn run_block(
    scan: &Scan,
    row: usize,
    block: Block,
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) = block_body);

#[inline(always)]
unsafe fn block_body<V: Lanes>(
    scan: &Scan,
    row: usize,
    block: Block,
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) {
    let (n, count) = (scan.n, block.count);
    let (delta, rest) = scratch.split_at_mut(V::N);
    let (input, turned) = rest.split_at_mut(V::N);
    let at = scan.at(row, 0, block);
    let keys = scan.b_at(row, 0, block.group);
    unsafe {
        deltas::<V>(scan, row, (0, 1), block, delta.as_mut_ptr(), None);
        let u = load_part::<V>(scan.u.at(at), count);
        V::load(delta.as_ptr()).mul(u).store(input.as_mut_ptr());
        let log2e = V::splat(std::f32::consts::LOG2_E);
        for i in 0..count {
            let (d, x) = (V::splat(delta[i]), V::splat(input[i]));
            let (rates, held) = ((block.from + i) * n, (at + i) * n);
            for j in (0..n).step_by(V::N) {
                let decay = d.mul(V::load(scan.a.at(rates + j)).mul(log2e)).exp2();
                let before = match scan.state {
                    Some(state) => {
                        V::prefetch(state.near(held + j + AHEAD));
                        V::load(state.at(held + j))
                    }
                    None => V::splat(0.0),
                };
                let b = V::load(scan.b.at(keys + j));
                before.mul_add(decay, x.mul(b)).store(out.at(held + j));
            }
        }
        transpose::<V>((out.at(at * n), n), (turned.as_mut_ptr(), V::N), count, n);
        let mut sum = V::splat(0.0);
        for j in 0..n {
            sum = V::load(turned.as_ptr().add(j * V::N)).mul_add(V::splat(scan.c.get(keys + j)), sum);
        }
        if let Some(skip) = scan.skip {
            sum = u.mul_add(load_part::<V>(skip.at(block.from), count), sum);
        }
        if let Some(z) = scan.z {
            sum = sum.mul(silu(load_part::<V>(z.at(at), count)));
        }
        store_part(sum, y.at(at), count);
    }
}
