//! tfjs' BatchMatMul and _FusedMatMul: float32 products of batches, either side transposed.

use super::activation::Activation;
use super::left::{Left, pack};
use super::panel::Source;
use super::product::{Cut, ROW_BLOCK, STRIP, strip};
use super::scratch::with_scratch;
use super::weight::{Out, Weight};
use crate::cpu::Call;
use crate::ensure;
use crate::error::Result;
use crate::tensor::{Storage, Tensor};

/// One side's shape as [batch, rows, columns]; a matrix is a batch of one.
fn sides(name: &str, t: &Tensor) -> Result<[usize; 3]> {
    match *t.shape() {
        [rows, cols] => Ok([1, rows, cols]),
        [batch, rows, cols] => Ok([batch, rows, cols]),
        _ => Err(crate::error::Error(format!("{name} must have 2 or 3 axes, got {:?}", t.shape()))),
    }
}

/// `[a f32 [ba, m, k], b f32 [bb, k, n], (bias f32, n values), out f32 [batch, m, n]]`, attributes
/// `[transposeA, transposeB, hasBias, activation, alpha?, accumulate?]`: out = activation(a b + bias),
/// or activation(a b + out) where accumulate is 1. ba and bb are equal, or one of them is 1; transposed
/// sides come as [ba, k, m] and [bb, n, k]. The codes of `activation` are `Activation::from_code`'s;
/// alpha is leakyrelu's slope.
pub fn gemm(call: &Call) -> Result<()> {
    let (ta, tb, has_bias) = (call.attr(0)? != 0.0, call.attr(1)? != 0.0, call.attr(2)? != 0.0);
    let alpha = call.attrs.get(4).copied().unwrap_or(0.2);
    let activation = Activation::from_code(call.attr(3)?, alpha)?;
    let accumulate = call.attrs.get(5).is_some_and(|&a| a != 0.0);
    ensure!(!(accumulate && has_bias), "a product that is added to out takes no bias");
    let want = 3 + usize::from(has_bias);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (a, b, out) = (&call.tensors[0], &call.tensors[1], &call.tensors[want - 1]);
    let ([ba, a1, a2], [bb, b1, b2]) = (sides("a", a)?, sides("b", b)?);
    let (m, k) = if ta { (a2, a1) } else { (a1, a2) };
    let (kb, n) = if tb { (b2, b1) } else { (b1, b2) };
    ensure!(
        k == kb && (ba == bb || ba == 1 || bb == 1),
        "cannot multiply a {:?}{} by b {:?}{}",
        a.shape(),
        if ta { " transposed" } else { "" },
        b.shape(),
        if tb { " transposed" } else { "" }
    );
    let batch = if ba == 1 { bb } else { ba };
    ensure!(sides("out", out)? == [batch, m, n], "out must be [{batch}, {m}, {n}], got {:?}", out.shape());
    let bias = if has_bias {
        let bias = &call.tensors[2];
        ensure!(bias.len() == n, "bias must hold {n} values, got {:?}", bias.shape());
        Some(bias.f32()?)
    } else {
        None
    };
    let (a, b, out) = (a.f32()?, b.f32()?, Out { ptr: out.f32_mut()?.as_mut_ptr(), ld: n });
    if batch * m * n == 0 {
        return Ok(());
    }
    let cpu = call.cpu;
    let grain = b_side(&b[..n * k], tb, n, k).grain();
    let run = |left: &(dyn Fn(usize) -> Left + Sync)| {
        let cut = Cut::new(m, n, cpu.threads.count().div_ceil(batch));
        let tasks = cut.tasks();
        cpu.threads.run(batch * tasks, |task| {
            let i = task / tasks;
            let (rows, cols) = cut.part(task % tasks);
            let b = &b[if bb == 1 { 0 } else { i * n * k }..][..n * k];
            let y = Out { ptr: unsafe { out.at(i * m, cols.start) }, ld: n };
            unsafe {
                for r in rows.clone() {
                    match bias {
                        Some(bias) => y.run(r, 0, cols.len()).copy_from_slice(&bias[cols.clone()]),
                        None if accumulate => {}
                        None => y.run(r, 0, cols.len()).fill(0.0),
                    }
                }
                let left = left(if ba == 1 { 0 } else { i });
                strip(cpu.isa, left, rows.clone(), &b_side(b, tb, n, k), cols.clone(), y);
                for r in rows {
                    activation.apply(y.run(r, 0, cols.len()));
                }
            }
        });
    };
    // Repacking pays when every row is read for many strips.
    if ta || (m >= 2 * ROW_BLOCK && n >= 4 * STRIP) {
        let strides = if ta { (1, m) } else { (k, 1) };
        with_scratch(a.len(), |packed| {
            for (from, to) in a.chunks_exact((m * k).max(1)).zip(packed.chunks_exact_mut((m * k).max(1))) {
                pack(cpu, from, (m, k), strides, grain, to);
            }
            run(&|i| Left::packed(&packed[i * m * k..][..m * k], m, k));
        });
    } else {
        run(&|i| Left::rows(&a[i * m * k..][..m * k], m, k));
    }
    Ok(())
}

/// One batch of `b`: `[k, n]`, or `[n, k]` if transposed.
fn b_side(b: &[f32], transposed: bool, n: usize, k: usize) -> Source {
    match transposed {
        true => Source::Stored(Weight::new(b.as_ptr().cast(), Storage::F32, n, k)),
        false => Source::Matrix { ptr: b.as_ptr(), ld: n },
    }
}
