//! Float32 activations against stored weights: y = x w^T, alone, several at once, or gated.
//!
//! The results are float32 arithmetic on the decoded weights. A row's result depends on that row
//! alone, to the last bit: not on the number of rows, threads or neighbours.

use super::left::Left;
use super::panel::Source;
use super::product::{Cut, strip};
use super::scratch::with_scratch;
use super::weight::{Out, Weight, matrix};
use crate::cpu::{Call, Cpu, math};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;
use std::ops::Range;

/// One product of a call.
#[derive(Clone, Copy)]
struct Job<'a> {
    weight: Weight,
    bias: Option<&'a [f32]>,
    /// May be `y` itself.
    residual: Option<Out>,
    y: Out,
}

/// Checks `x [.., k]`, `w [n, k]` and `y [.., n]` against each other; gives x and the number of rows.
fn operands(x: &Tensor, name: &str, w: &Tensor, y: &Tensor) -> Result<(Left, usize, Weight, Out)> {
    let weight = Weight::of(name, w)?;
    let (m, k) = matrix("x", x)?;
    ensure!(
        k == weight.cols,
        "x {:?} has rows of {k}, but {name} {:?} takes {}",
        x.shape(),
        w.shape(),
        weight.cols
    );
    let (rows, n) = matrix("y", y)?;
    ensure!(
        rows == m && n == weight.rows,
        "y must hold {m} rows of {} for x {:?} and {name} {:?}, got {:?}",
        weight.rows,
        x.shape(),
        w.shape(),
        y.shape()
    );
    let left = Left::rows(x.f32()?, m, k);
    Ok((left, m, weight, Out { ptr: y.f32_mut()?.as_mut_ptr(), ld: n }))
}

/// `[x f32 [.., k], w [n, k], (bias f32 [n]), (residual f32 [.., n]), y f32 [.., n]]`, attributes
/// `[hasBias, hasResidual]`: y = x w^T + bias + residual. The residual may be y itself.
pub fn linear(call: &Call) -> Result<()> {
    let (has_bias, has_residual) = (call.attr(0)? != 0.0, call.attr(1)? != 0.0);
    let want = 3 + usize::from(has_bias) + usize::from(has_residual);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (x, w, y) = (&call.tensors[0], &call.tensors[1], &call.tensors[want - 1]);
    let (x, m, weight, out) = operands(x, "w", w, y)?;
    let bias = match has_bias {
        true => {
            let b = &call.tensors[2];
            ensure!(b.len() == weight.rows, "bias must hold {} values, got {:?}", weight.rows, b.shape());
            Some(b.f32()?)
        }
        false => None,
    };
    let residual = match has_residual {
        true => {
            let r = &call.tensors[want - 2];
            ensure!(r.len() == y.len(), "residual {:?} must be like y {:?}", r.shape(), y.shape());
            Some(Out { ptr: r.f32_mut()?.as_mut_ptr(), ld: out.ld })
        }
        false => None,
    };
    products(call.cpu, x, m, &[Job { weight, bias, residual, y: out }]);
    Ok(())
}

/// `[x f32 [.., k], w1 [n1, k] .. wp, y1 f32 [.., n1] .. yp]`, attributes `[p]`: y_i = x w_i^T, one
/// parallel region for all.
pub fn linear_multi(call: &Call) -> Result<()> {
    let p = call.attr(0)? as usize;
    ensure!(
        p >= 1 && call.tensors.len() == 1 + 2 * p,
        "expected x, {p} weights and {p} outputs, got {} tensors",
        call.tensors.len()
    );
    let mut jobs = Vec::with_capacity(p);
    let mut input = None;
    for i in 0..p {
        let name = format!("w{}", i + 1);
        let (x, m, weight, y) =
            operands(&call.tensors[0], &name, &call.tensors[1 + i], &call.tensors[1 + p + i])?;
        jobs.push(Job { weight, bias: None, residual: None, y });
        input = Some((x, m));
    }
    if let Some((x, m)) = input {
        products(call.cpu, x, m, &jobs);
    }
    Ok(())
}

/// `[x f32 [.., k], wGate [n, k], wUp [n, k], y f32 [.., n]]`: y = silu(x wGate^T) * (x wUp^T).
pub fn linear_swi_glu(call: &Call) -> Result<()> {
    let [x, gate, up, y] = call.args()?;
    let (left, m, gate, out) = operands(x, "wGate", gate, y)?;
    let (_, _, up, _) = operands(x, "wUp", up, y)?;
    let n = gate.rows;
    let (cpu, gate, up) = (call.cpu, Source::Stored(gate), Source::Stored(up));
    let cut = Cut::new(m, n, cpu.threads.count());
    cpu.threads.run(cut.tasks(), |task| {
        let (rows, cols) = cut.part(task);
        with_scratch(rows.len() * cols.len(), |buffer| {
            let (first, width) = (rows.start, cols.len());
            buffer.fill(0.0);
            // Up's columns beside the gate's, by the same row numbers.
            let side = Out { ptr: buffer.as_mut_ptr().wrapping_sub(first * width), ld: width };
            unsafe {
                let y = Out { ptr: out.at(0, cols.start), ld: out.ld };
                start(rows.clone(), cols.clone(), None, None, out);
                strip(cpu.isa, left, rows.clone(), &gate, cols.clone(), y);
                strip(cpu.isa, left, rows.clone(), &up, cols.clone(), side);
                for r in rows {
                    let up = &buffer[(r - first) * width..][..width];
                    for (y, up) in y.run(r, 0, width).iter_mut().zip(up) {
                        *y = math::silu(*y) * up;
                    }
                }
            }
        });
    });
    Ok(())
}

/// Runs the jobs over the same x in one parallel region.
fn products(cpu: &Cpu, x: Left, m: usize, jobs: &[Job]) {
    let n: usize = jobs.iter().map(|j| j.weight.rows).sum();
    let cut = Cut::new(m, n, cpu.threads.count());
    let cuts: Vec<Cut> = jobs.iter().map(|j| cut.resized(j.weight.rows)).collect();
    cpu.threads.run(cuts.iter().map(Cut::tasks).sum(), |mut task| {
        for (job, cut) in jobs.iter().zip(&cuts) {
            if task >= cut.tasks() {
                task -= cut.tasks();
                continue;
            }
            let (rows, cols) = cut.part(task);
            unsafe {
                start(rows.clone(), cols.clone(), job.bias, job.residual, job.y);
                let out = Out { ptr: job.y.at(0, cols.start), ld: job.y.ld };
                strip(cpu.isa, x, rows, &Source::Stored(job.weight), cols, out);
            }
            return;
        }
    });
}

/// What the products are added to: bias + residual.
///
/// # Safety
/// The ranges must be inside, and no other thread touch that part of `y`.
unsafe fn start(rows: Range<usize>, cols: Range<usize>, bias: Option<&[f32]>, residual: Option<Out>, y: Out) {
    for r in rows {
        let y = unsafe { y.at(r, cols.start) };
        let residual = residual.map(|x| unsafe { x.at(r, cols.start) });
        for i in 0..cols.len() {
            let b = bias.map_or(0.0, |b| b[cols.start + i]);
            unsafe { *y.add(i) = residual.map_or(b, |x| b + *x.add(i)) };
        }
    }
}
