//! Activations against stored weights: y = x w^T, alone, several at once, or gated.
//!
//! Each comes in float32, the arithmetic of the decoded weights, and with activations rounded to
//! eight bits (see `int8`). A row's result depends on that row alone, to the last bit: not on the
//! number of rows, threads or neighbours.

use super::int8::{self, Rounded};
use super::left::Left;
use super::panel::Source;
use super::product::{Cut, strip};
use super::scratch::with_scratch;
use super::weight::{Out, Weight, matrix};
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::{Call, Cpu, Isa, math};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;
use std::ops::Range;

/// How the activations take part.
#[derive(Clone, Copy, PartialEq)]
enum Precision {
    Float,
    /// Weights in other storages than int8's are multiplied in float32.
    Int8,
}

/// `[x f32 [.., k], w [n, k], (bias f32 [n]), (residual f32 [.., n]), y f32 [.., n]]`, attributes
/// `[hasBias, hasResidual]`: y = x w^T + bias + residual. The residual may be y itself.
pub fn linear(call: &Call) -> Result<()> {
    one(call, Precision::Float)
}

/// As `linear`, with x rounded to eight bits.
pub fn linear_int8(call: &Call) -> Result<()> {
    one(call, Precision::Int8)
}

/// `[x f32 [.., k], w1 [n1, k] .. wp, y1 f32 [.., n1] .. yp]`, attributes `[p]`: y_i = x w_i^T, one
/// parallel region for all.
pub fn linear_multi(call: &Call) -> Result<()> {
    several(call, Precision::Float)
}

/// As `linear_multi`, with x rounded to eight bits.
pub fn linear_multi_int8(call: &Call) -> Result<()> {
    several(call, Precision::Int8)
}

/// `[x f32 [.., k], wGate [n, k], wUp [n, k], y f32 [.., n]]`: y = silu(x wGate^T) * (x wUp^T).
pub fn linear_swi_glu(call: &Call) -> Result<()> {
    gated(call, Precision::Float)
}

/// As `linear_swi_glu`, with x rounded to eight bits.
pub fn linear_swi_glu_int8(call: &Call) -> Result<()> {
    gated(call, Precision::Int8)
}

/// One product of a call.
#[derive(Clone, Copy)]
struct Job<'a> {
    weight: Weight,
    bias: Option<&'a [f32]>,
    /// May be `y` itself.
    residual: Option<Out>,
    y: Out,
}

fn one(call: &Call, precision: Precision) -> Result<()> {
    let (has_bias, has_residual) = (call.attr(0)? != 0.0, call.attr(1)? != 0.0);
    let want = 3 + usize::from(has_bias) + usize::from(has_residual);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (x, w, y) = (&call.tensors[0], &call.tensors[1], &call.tensors[want - 1]);
    let (weight, out) = operands(x, "w", w, y)?;
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
    products(call.cpu, x, precision, &[Job { weight, bias, residual, y: out }])
}

fn several(call: &Call, precision: Precision) -> Result<()> {
    let p = call.attr(0)? as usize;
    ensure!(
        p >= 1 && call.tensors.len() == 1 + 2 * p,
        "expected x, {p} weights and {p} outputs, got {} tensors",
        call.tensors.len()
    );
    let x = &call.tensors[0];
    let jobs: Result<Vec<Job>> = (0..p)
        .map(|i| {
            let name = format!("w{}", i + 1);
            let (weight, y) = operands(x, &name, &call.tensors[1 + i], &call.tensors[1 + p + i])?;
            Ok(Job { weight, bias: None, residual: None, y })
        })
        .collect();
    products(call.cpu, x, precision, &jobs?)
}

fn gated(call: &Call, precision: Precision) -> Result<()> {
    let [x, gate, up, y] = call.args()?;
    let (gate, out) = operands(x, "wGate", gate, y)?;
    let (up, _) = operands(x, "wUp", up, y)?;
    let cpu = call.cpu;
    with_input(cpu, x, precision, &[gate, up], |input, m| {
        let cut = Cut::new(m, gate.rows, cpu.threads.count());
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
                    input.strip(cpu.isa, rows.clone(), &gate, cols.clone(), y);
                    input.strip(cpu.isa, rows.clone(), &up, cols.clone(), side);
                    for r in rows {
                        gate_row(cpu.isa, y.run(r, 0, width), &buffer[(r - first) * width..][..width]);
                    }
                }
            });
        });
    })
}

/// Checks `x [.., k]`, `w [n, k]` and `y [.., n]` against each other.
fn operands(x: &Tensor, name: &str, w: &Tensor, y: &Tensor) -> Result<(Weight, Out)> {
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
    Ok((weight, Out { ptr: y.f32_mut()?.as_mut_ptr(), ld: n }))
}

/// The rows of x as the products read them.
#[derive(Clone, Copy)]
struct Input {
    float: Left,
    int8: Option<Rounded>,
}

impl Input {
    /// # Safety
    /// As `product::strip`.
    unsafe fn strip(&self, isa: Isa, rows: Range<usize>, w: &Weight, cols: Range<usize>, out: Out) {
        unsafe {
            match self.int8 {
                Some(x) if int8::supports(w.storage) => int8::strip(isa, x, rows, w, cols, out),
                _ => strip(isa, self.float, rows, &Source::Stored(*w), cols, out),
            }
        }
    }
}

/// Hands `body` the rows of x, rounded if that is asked for and a weight can use it, and their number.
fn with_input(
    cpu: &Cpu,
    x: &Tensor,
    precision: Precision,
    weights: &[Weight],
    body: impl FnOnce(Input, usize),
) -> Result<()> {
    let (m, k) = matrix("x", x)?;
    let x = x.f32()?;
    let float = Left::rows(x, m, k);
    if precision == Precision::Int8 && weights.iter().any(|w| int8::supports(w.storage)) {
        with_scratch(Rounded::floats(m, k), |memory| {
            body(Input { float, int8: Some(Rounded::new(cpu, x, m, k, memory)) }, m);
        });
    } else {
        body(Input { float, int8: None }, m);
    }
    Ok(())
}

/// Runs the jobs over the same x in one parallel region.
fn products(cpu: &Cpu, x: &Tensor, precision: Precision, jobs: &[Job]) -> Result<()> {
    let weights: Vec<Weight> = jobs.iter().map(|j| j.weight).collect();
    with_input(cpu, x, precision, &weights, |input, m| {
        let cut = Cut::new(m, weights.iter().map(|w| w.rows).sum(), cpu.threads.count());
        let cuts: Vec<Cut> = weights.iter().map(|w| cut.resized(w.rows)).collect();
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
                    input.strip(cpu.isa, rows, &job.weight, cols, out);
                }
                return;
            }
        });
    })
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

by_isa!(fn gate_row(y: &mut [f32], up: &[f32]) = gate_body);

/// y = silu(y) * up.
#[inline(always)]
unsafe fn gate_body<V: Lanes>(y: &mut [f32], up: &[f32]) {
    for (y, up) in y.iter_mut().zip(up) {
        *y = math::silu(*y) * up;
    }
}
