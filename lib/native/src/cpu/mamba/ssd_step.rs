//! One token of Mamba-2's recurrence. A channel's state lies as it is stored, so that it is read and
//! written once; only its sum into y is taken across channels, in the scan's order.

use super::operands::Floats;
use super::ssd::Ssd;
use super::transpose::transpose;
use super::vectors::{WIDEST, load_part, store_part};
use crate::cpu::Isa;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::threads::Threads;

/// How far ahead of its use a state is asked for, in numbers.
const AHEAD: usize = 1024;

/// Writes y and the new states, which may be the old ones. N must be a multiple of a vector's lanes.
pub fn ssd_step(threads: &Threads, isa: Isa, ssd: &Ssd, y: Floats, out: Floats) {
    let grain = (1 << 14) / (ssd.width * ssd.n).max(1) + 1;
    threads.ranges(ssd.batch * ssd.heads, grain, |items| {
        with_scratch(ssd.n * WIDEST, |scratch| {
            scratch.fill(0.0);
            for item in items {
                unsafe { run_head(isa, ssd, item / ssd.heads, item % ssd.heads, y, out, scratch) };
            }
        });
    });
}

by_isa!(fn run_head(
    ssd: &Ssd,
    row: usize,
    head: usize,
    y: Floats,
    out: Floats,
    turned: &mut [f32],
) = head_body);

#[inline(always)]
unsafe fn head_body<V: Lanes>(
    ssd: &Ssd,
    row: usize,
    head: usize,
    y: Floats,
    out: Floats,
    turned: &mut [f32],
) {
    let n = ssd.n;
    let (stored, keys) = (ssd.state_at(row, head), ssd.b_at(row, 0, head));
    let (mut decay, mut weight) = ([0.0], [0.0]);
    unsafe {
        ssd.decays(row, 0, head, &mut decay, &mut weight);
        let d = V::splat(decay[0]);
        for from in (0..ssd.width).step_by(V::N) {
            let count = V::N.min(ssd.width - from);
            let at = ssd.x_at(row, 0, head) + from;
            let state = stored + from * n;
            for i in 0..count {
                let x = ssd.x.get(at + i);
                let x = V::splat(if ssd.decay_rate.is_some() { weight[0] * x } else { x });
                for j in (0..n).step_by(V::N) {
                    let place = state + i * n + j;
                    let before = match ssd.state {
                        Some(state) => {
                            V::prefetch(state.near(place + AHEAD));
                            V::load(state.at(place))
                        }
                        None => V::splat(0.0),
                    };
                    before.mul_add(d, x.mul(V::load(ssd.b.at(keys + j)))).store(out.at(place));
                }
            }
            transpose::<V>((out.at(state), n), (turned.as_mut_ptr(), V::N), count, n);
            let mut sum = V::splat(0.0);
            for j in 0..n {
                sum = V::load(turned.as_ptr().add(j * V::N)).mul_add(V::splat(ssd.c.get(keys + j)), sum);
            }
            if let Some(skip) = ssd.skip {
                let x = load_part::<V>(ssd.x.at(at), count);
                sum = sum.add(x.mul(V::splat(skip.get(head))));
            }
            store_part(sum, y.at(at), count);
        }
    }
}
