//! The derivative of RMSNorm.

use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::mamba::operands::{Floats, Operands, sum_parts};
use crate::cpu::model::rows::expect_shape;
use crate::ensure;
use crate::error::Result;

/// Rows whose share of the weight's gradient is summed together.
const PIECE: usize = 32;

/// `[dy [.., d], x [.., d], weight [d], (added [.., d]), dx [.., d], dweight [d]]`, attributes
/// `[hasAdded, eps]`: the gradients of y = x / sqrt(mean(x^2) + eps) * weight, and `added` to dx.
/// dx may be dy or added.
pub fn rms_norm_backward(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let (dy, x, weight) = (operands.required()?, operands.required()?, operands.required()?);
    let added = operands.optional()?;
    let eps = operands.attr()? as f32;
    let (dx, dweight) = (operands.required()?, operands.required()?);
    operands.end()?;
    ensure!(x.rank() >= 1 && x.dim(-1) > 0, "x has no features: shape {:?}", x.shape());
    let d = x.dim(-1);
    for (name, t) in [("dy", Some(dy)), ("added", added), ("dx", Some(dx))] {
        if let Some(t) = t {
            expect_shape(name, t, x.shape())?;
        }
    }
    expect_shape("weight", weight, &[d])?;
    expect_shape("dweight", dweight, &[d])?;
    let rows = x.len() / d;
    let pieces = rows.div_ceil(PIECE);
    let (dy, x, w) = (Floats::of(dy)?, Floats::of(x)?, Floats::of(weight)?);
    let (added, dx) = (Floats::maybe(added)?, Floats::of(dx)?);
    let isa = call.cpu.isa;
    with_scratch(pieces * d, |partial| {
        let parts = Floats::over(partial);
        call.cpu.threads.run(pieces, |piece| unsafe {
            let part = parts.slice_mut(piece * d, d);
            part.fill(0.0);
            for r in piece * PIECE..((piece + 1) * PIECE).min(rows) {
                let extra = added.map_or(std::ptr::null(), |a| a.at(r * d).cast_const());
                row(isa, dy.at(r * d), x.at(r * d), w.at(0), extra, dx.at(r * d), part.as_mut_ptr(), d, eps);
            }
        });
        sum_parts(&call.cpu.threads, parts, dweight, pieces)
    })
}

by_isa!(fn row(
    dy: *const f32,
    x: *const f32,
    w: *const f32,
    added: *const f32,
    dx: *mut f32,
    dw: *mut f32,
    d: usize,
    eps: f32,
) = row_body);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn row_body<V: Lanes>(
    dy: *const f32,
    x: *const f32,
    w: *const f32,
    added: *const f32,
    dx: *mut f32,
    dw: *mut f32,
    d: usize,
    eps: f32,
) {
    unsafe {
        let whole = d - d % V::N;
        let (mut squares, mut dots) = (V::splat(0.0), V::splat(0.0));
        for i in (0..whole).step_by(V::N) {
            let v = V::load(x.add(i));
            squares = v.mul_add(v, squares);
            dots = V::load(dy.add(i)).mul(V::load(w.add(i))).mul_add(v, dots);
        }
        let (mut square, mut dot) = (squares.sum(), dots.sum());
        for i in whole..d {
            square += *x.add(i) * *x.add(i);
            dot += *dy.add(i) * *w.add(i) * *x.add(i);
        }
        let r = 1.0 / (square / d as f32 + eps).sqrt();
        // dx = r (g - n mean(g n)) for g = dy w, n = x r.
        let c = -dot * r * r / d as f32;
        let (rs, cs) = (V::splat(r), V::splat(c));
        for i in (0..whole).step_by(V::N) {
            let (g, v) = (V::load(dy.add(i)), V::load(x.add(i)));
            let sum = g.mul(rs).mul_add(v, V::load(dw.add(i)));
            let mut to = v.mul_add(cs, g.mul(V::load(w.add(i)))).mul(rs);
            if !added.is_null() {
                to = to.add(V::load(added.add(i)));
            }
            to.store(dx.add(i));
            sum.store(dw.add(i));
        }
        for i in whole..d {
            let (g, v) = (*dy.add(i), *x.add(i));
            *dw.add(i) += g * r * v;
            let extra = if added.is_null() { 0.0 } else { *added.add(i) };
            *dx.add(i) = (v * c + g * *w.add(i)) * r + extra;
        }
    }
}
