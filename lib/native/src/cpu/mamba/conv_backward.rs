//! The derivative of the short causal convolution.

use super::conv::{Conv, MOST, SLAB};
use super::operands::{Floats, Operands};
use super::vectors::{load_part, silu_slope, store_part};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::expect_shape;
use crate::error::Result;
use crate::tensor::Tensor;

struct Gradients {
    x: Floats,
    state: Option<Floats>,
    /// `[b][width + 1][c]`: of the weights, then of the bias.
    partial: Floats,
    dy: Floats,
    dstate: Floats,
}

/// `[..Conv, dy [b, l, c], dstate [b, width - 1, c], dx, dweight, (dbias), (dstate)]`: the optional
/// outputs are those whose inputs are there.
pub fn causal_conv1d_backward(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let conv = Conv::read(&mut operands)?;
    let Conv { batch, length, channels, width, .. } = conv;
    let mut shaped = |name: &str, shape: &[usize]| -> Result<&Tensor> {
        let t = operands.required()?;
        expect_shape(name, t, shape)?;
        t.f32()?;
        Ok(t)
    };
    let (x, s) = ([batch, length, channels], [batch, width - 1, channels]);
    let (dy, dstate) = (shaped("dy", &x)?, shaped("dstate", &s)?);
    let (dx, dweight) = (shaped("dx", &x)?, shaped("dweight", &[channels, width])?);
    let dbias = if conv.bias.is_some() { Some(shaped("dbias", &[channels])?) } else { None };
    let dinitial = if conv.state.is_some() { Some(shaped("the state's gradient", &s)?) } else { None };
    operands.end()?;
    let mut partial = vec![0f32; batch * (width + 1) * channels];
    let gradients = Gradients {
        x: Floats::of(dx)?,
        state: Floats::maybe(dinitial)?,
        partial: Floats::over(&mut partial),
        dy: Floats::of(dy)?,
        dstate: Floats::of(dstate)?,
    };
    let isa = call.cpu.isa;
    let slabs = channels.div_ceil(SLAB);
    call.cpu.threads.run(slabs * batch, |item| {
        let (row, from) = (item / slabs, item % slabs * SLAB);
        let count = SLAB.min(channels - from);
        with_scratch((2 * MOST + 2) * SLAB, |scratch| unsafe {
            run_slab(isa, &conv, row, (from, count), &gradients, scratch);
        });
    });
    let dw = dweight.f32_mut()?;
    let of = |row: usize, j: usize, c: usize| partial[(row * (width + 1) + j) * channels + c];
    for c in 0..channels {
        for j in 0..width {
            dw[c * width + j] = (0..batch).map(|row| of(row, j, c)).sum();
        }
    }
    if let Some(t) = dbias {
        for (c, to) in t.f32_mut()?.iter_mut().enumerate() {
            *to = (0..batch).map(|row| of(row, width, c)).sum();
        }
    }
    Ok(())
}

by_isa!(fn run_slab(
    conv: &Conv,
    row: usize,
    slab: (usize, usize),
    gradients: &Gradients,
    scratch: &mut [f32],
) = slab_body);

#[inline(always)]
unsafe fn slab_body<V: Lanes>(
    conv: &Conv,
    row: usize,
    (from, count): (usize, usize),
    gradients: &Gradients,
    scratch: &mut [f32],
) {
    let (width, len) = (conv.width, conv.sequence.len(row));
    let past = width as isize - 1;
    let (weights, rest) = scratch.split_at_mut(MOST * SLAB);
    let (zeros, rest) = rest.split_at_mut(SLAB);
    let (bias, ring) = rest.split_at_mut(SLAB);
    zeros.fill(0.0);
    ring.fill(0.0);
    unsafe {
        conv.weights(from, count, weights);
        match conv.bias {
            Some(b) => bias[..count].copy_from_slice(b.slice(from, count)),
            None => bias.fill(0.0),
        }
        // The start of the document that the token t sees, as far as it matters.
        let first = |t: isize| {
            let oldest = (t - past).max(0);
            (oldest..=t).rev().find(|&s| conv.sequence.starts(row, s as usize)).unwrap_or(isize::MIN)
        };
        let end = len as isize;
        let seen_at_end = if len > 0 { first(end - 1) } else { isize::MIN };
        let partial = |j: usize| gradients.partial.at((row * (width + 1) + j) * conv.channels + from);
        for t in (-past..end).rev() {
            // The gradient before the activation, in the ring's slot of t; 0 for tokens of the state.
            let slot = |t: isize| ring.as_ptr().add(t.rem_euclid(MOST as isize) as usize * SLAB).cast_mut();
            let dv = slot(t);
            if t < 0 {
                std::slice::from_raw_parts_mut(dv, SLAB).fill(0.0);
            } else {
                let since = first(t);
                let at = (row * conv.length + t as usize) * conv.channels + from;
                let token = |j: usize| {
                    let s = t - past + j as isize;
                    let token = if s < since { None } else { conv.token(row, s, from) };
                    token.map_or(zeros.as_ptr(), |p| p.cast_const())
                };
                let tokens: [*const f32; MOST] =
                    std::array::from_fn(|j| if j < width { token(j) } else { zeros.as_ptr() });
                for c in (0..count).step_by(V::N) {
                    let n = count - c;
                    let mut d = load_part::<V>(gradients.dy.at(at + c), n);
                    if conv.silu {
                        let mut sum = load_part::<V>(bias.as_ptr().add(c), n);
                        for (j, token) in tokens[..width].iter().enumerate() {
                            let w = load_part::<V>(weights.as_ptr().add(j * count + c), n);
                            sum = load_part::<V>(token.add(c), n).mul_add(w, sum);
                        }
                        d = d.mul(silu_slope(sum));
                    }
                    store_part(d, dv.add(c), n);
                    for (j, token) in tokens[..width].iter().enumerate() {
                        let to = partial(j).add(c);
                        store_part(load_part::<V>(token.add(c), n).mul_add(d, load_part(to, n)), to, n);
                    }
                    let to = partial(width).add(c);
                    store_part(d.add(load_part(to, n)), to, n);
                }
            }
            let to = match (t >= 0, gradients.state) {
                (true, _) => gradients.x.at((row * conv.length + t as usize) * conv.channels + from),
                (false, Some(s)) => s.at((row * (width - 1) + (t + past) as usize) * conv.channels + from),
                (false, None) => continue,
            };
            let kept = t >= end - past && t >= seen_at_end;
            let state_row = (row * (width - 1)) as isize + t - (end - past);
            for c in (0..count).step_by(V::N) {
                let n = count - c;
                let mut sum = V::splat(0.0);
                for j in 0..width.min((end - t) as usize) {
                    let w = load_part::<V>(weights.as_ptr().add((width - 1 - j) * count + c), n);
                    sum = V::load(slot(t + j as isize).add(c)).mul_add(w, sum);
                }
                if kept {
                    let at = state_row as usize * conv.channels + from + c;
                    sum = sum.add(load_part(gradients.dstate.at(at), n));
                }
                store_part(sum, to.add(c), n);
            }
            // Earlier tokens are not seen from here on.
            if t >= 0 && conv.sequence.starts(row, t as usize) {
                std::slice::from_raw_parts_mut(ring.as_ptr().cast_mut(), MOST * SLAB).fill(0.0);
            }
        }
        for t in len..conv.length {
            gradients.x.slice_mut((row * conv.length + t) * conv.channels + from, count).fill(0.0);
        }
    }
}
