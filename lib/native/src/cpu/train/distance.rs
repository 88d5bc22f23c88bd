//! Euclidean distances of rows, with their gradients: what MOHAWK's first two stages minimise.

use super::rows::LossRows;
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::mamba::operands::Floats;
use crate::cpu::mamba::vectors::{load_part, store_part};
use crate::cpu::model::rows::{dims, expect_shape};
use crate::ensure;
use crate::error::Result;

/// Elements of a row that one thread takes: rows may be few and as long as a matrix.
const PIECE: usize = 1 << 14;

/// `[a [n, d], b [n, d], weights [n], losses [n], (da [n, d])]`, attribute `[hasGradient]`:
/// losses_i = weights_i |a_i - b_i|, and the gradient of their sum by a; 0 where the rows are equal.
/// A row of weight 0 is not read. da may be a or b.
pub fn row_distance(call: &Call) -> Result<()> {
    let has_gradient = call.attr(0)? != 0.0;
    let want = 4 + usize::from(has_gradient);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (a, b) = (&call.tensors[0], &call.tensors[1]);
    let [n, d] = dims("a", a)?;
    expect_shape("b", b, &[n, d])?;
    let gradient = call.tensors.get(4);
    let rows = LossRows::new(a, &call.tensors[2], &call.tensors[3], None, n, d)?;
    if let Some(t) = gradient {
        expect_shape("da", t, &[n, d])?;
    }
    let (a, b, to) = (Floats::of(a)?, Floats::of(b)?, Floats::maybe(gradient)?);
    let pieces = d.div_ceil(PIECE);
    let isa = call.cpu.isa;
    with_scratch(2 * n * pieces, |scratch| {
        // Sums of squares of pieces as pairs of floats: high and low part.
        let sums = Floats::over(scratch);
        let part = |task: usize| {
            let (i, from) = (task / pieces, task % pieces * PIECE);
            (i, i * d + from, PIECE.min(d - from))
        };
        call.cpu.threads.run(n * pieces, |task| unsafe {
            let (i, at, count) = part(task);
            let sum = if rows.weights.get(i) == 0.0 { 0.0 } else { squares(isa, a.at(at), b.at(at), count) };
            *sums.at(2 * task) = sum as f32;
            *sums.at(2 * task + 1) = (sum - f64::from(sum as f32)) as f32;
        });
        let norm = |i: usize| unsafe {
            let pair = |j: usize| f64::from(sums.get(2 * j)) + f64::from(sums.get(2 * j + 1));
            (i * pieces..(i + 1) * pieces).map(pair).sum::<f64>().sqrt()
        };
        for i in 0..n {
            unsafe { rows.each(i, |_, _, _| norm(i) as f32) };
        }
        let Some(to) = to else { return };
        call.cpu.threads.run(n * pieces, |task| unsafe {
            let (i, at, count) = part(task);
            let (norm, weight) = (norm(i), rows.weights.get(i));
            if norm == 0.0 || weight == 0.0 {
                to.slice_mut(at, count).fill(0.0);
            } else {
                scaled(isa, a.at(at), b.at(at), (f64::from(weight) / norm) as f32, to.at(at), count);
            }
        });
    });
    Ok(())
}

by_isa!(fn squares(a: *const f32, b: *const f32, n: usize) -> f64 = squares_body);

#[inline(always)]
unsafe fn squares_body<V: Lanes>(a: *const f32, b: *const f32, n: usize) -> f64 {
    const BLOCK: usize = 512;
    let mut total = 0.0;
    for from in (0..n).step_by(BLOCK) {
        let end = (from + BLOCK).min(n);
        let mut sum = unsafe { V::splat(0.0) };
        for i in (from..end).step_by(V::N) {
            unsafe {
                let (x, y): (V, V) = (load_part(a.add(i), end - i), load_part(b.add(i), end - i));
                let off = y.mul_add(V::splat(-1.0), x);
                sum = off.mul_add(off, sum);
            }
        }
        total += f64::from(unsafe { sum.sum() });
    }
    total
}

by_isa!(fn scaled(a: *const f32, b: *const f32, by: f32, to: *mut f32, n: usize) = scaled_body);

#[inline(always)]
unsafe fn scaled_body<V: Lanes>(a: *const f32, b: *const f32, by: f32, to: *mut f32, n: usize) {
    for i in (0..n).step_by(V::N) {
        unsafe {
            let (x, y): (V, V) = (load_part(a.add(i), n - i), load_part(b.add(i), n - i));
            store_part(y.mul_add(V::splat(-1.0), x).mul(V::splat(by)), to.add(i), n - i);
        }
    }
}
