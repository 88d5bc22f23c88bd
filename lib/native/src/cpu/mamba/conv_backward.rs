//! The derivative of the short causal convolution.

use super::conv::{BEFORE, Conv, MOST, SLAB};
use super::operands::{Floats, Operands};
use super::vectors::{load_all, load_part, silu_slope, store_all, store_part};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::expect_shape;
use crate::error::Result;
use crate::tensor::Tensor;

/// Tokens of a run: a slab's part of them fits a core's second cache.
const RUN: usize = 32;

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
        with_scratch((3 * MOST + 2) * SLAB, |scratch| unsafe {
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
    slab: (usize, usize),
    gradients: &Gradients,
    scratch: &mut [f32],
) {
    unsafe {
        match conv.width {
            2 => slab_of::<V, 2>(conv, row, slab, gradients, scratch),
            3 => slab_of::<V, 3>(conv, row, slab, gradients, scratch),
            _ => slab_of::<V, 4>(conv, row, slab, gradients, scratch),
        }
    }
}

/// What a slab keeps from run to run.
struct Held<'a> {
    weights: &'a [f32],
    bias: &'a [f32],
    /// Gradients before the activation of the last `width - 1` tokens, oldest first: `[width - 1][SLAB]`.
    recent: &'a mut [f32],
    /// `[width + 1][SLAB]`: of the weights, then of the bias.
    sums: &'a mut [f32],
}

/// A token's input gradient is whole `width - 1` tokens later, or where its document ends.
#[inline(always)]
unsafe fn slab_of<V: Lanes, const K: usize>(
    conv: &Conv,
    row: usize,
    (from, count): (usize, usize),
    gradients: &Gradients,
    scratch: &mut [f32],
) {
    let len = conv.sequence.len(row);
    let (weights, rest) = scratch.split_at_mut(MOST * SLAB);
    let (bias, rest) = rest.split_at_mut(SLAB);
    let (recent, rest) = rest.split_at_mut(MOST * SLAB);
    let sums = &mut rest[..(MOST + 1) * SLAB];
    recent.fill(0.0);
    sums.fill(0.0);
    unsafe {
        conv.weights(from, count, weights);
        match conv.bias {
            Some(b) => bias[..count].copy_from_slice(b.slice(from, count)),
            None => bias.fill(0.0),
        }
        let mut held = Held { weights, bias, recent, sums };
        let mut first = BEFORE;
        for (start, tokens, starts) in conv.sequence.runs(row, RUN) {
            if starts {
                finish::<V, K>(conv, gradients, row, start, first, (from, count), &mut held, false);
                first = start as isize;
            }
            let whole = count / V::N * V::N;
            let run = (row, start, tokens, first);
            for c in (0..whole).step_by(V::N) {
                column::<V, K>(conv, gradients, run, from, (c, V::N, count), &mut held);
            }
            if whole < count {
                column::<V, K>(conv, gradients, run, from, (whole, count - whole, count), &mut held);
            }
        }
        finish::<V, K>(conv, gradients, row, len, first, (from, count), &mut held, true);
        for j in 0..=K {
            let to = gradients.partial.slice_mut((row * (K + 1) + j) * conv.channels + from, count);
            to.copy_from_slice(&held.sums[j * SLAB..][..count]);
        }
        for t in len..conv.length {
            gradients.x.slice_mut((row * conv.length + t) * conv.channels + from, count).fill(0.0);
        }
    }
}

/// Where the gradient of a token, or of one of the state (-1 is its last), goes; none where the state's
/// is not asked for.
#[inline(always)]
fn target(conv: &Conv, gradients: &Gradients, row: usize, t: isize, from: usize) -> Option<*mut f32> {
    unsafe {
        if t >= 0 {
            return Some(gradients.x.at((row * conv.length + t as usize) * conv.channels + from));
        }
        let at = (conv.width - 1).wrapping_add_signed(t);
        gradients.state.map(|s| s.at((row * (conv.width - 1) + at) * conv.channels + from))
    }
}

/// At most a vector of channels, from c on, over a run of tokens of one document.
#[inline(always)]
unsafe fn column<V: Lanes, const K: usize>(
    conv: &Conv,
    gradients: &Gradients,
    (row, start, tokens, first): (usize, usize, usize, isize),
    from: usize,
    (c, n, count): (usize, usize, usize),
    held: &mut Held,
) {
    let oldest = start as isize - (K as isize - 1);
    unsafe {
        let mut w = [V::splat(0.0); K];
        for (j, w) in w.iter_mut().enumerate() {
            *w = load_part(held.weights.as_ptr().add(j * count + c), n);
        }
        let bias = load_part::<V>(held.bias.as_ptr().add(c), n);
        let mut sums: [V; K] = load_all(held.sums.as_ptr().add(c), SLAB);
        let mut bias_sum = V::load(held.sums.as_ptr().add(K * SLAB + c));
        let (mut x, mut d) = ([V::splat(0.0); K], [V::splat(0.0); K]);
        for j in 0..K - 1 {
            let t = oldest + j as isize;
            if t >= first
                && let Some(token) = conv.token(row, t, from + c)
            {
                x[j] = load_part(token, n);
            }
            d[j] = V::load(held.recent.as_ptr().add(j * SLAB + c));
        }
        for i in 0..tokens {
            let at = (row * conv.length + start + i) * conv.channels + from + c;
            let (token, dy) = (conv.x.at(at), gradients.dy.at(at));
            // The next vector of the same tokens.
            V::prefetch(token.wrapping_add(V::N));
            V::prefetch(dy.wrapping_add(V::N));
            V::prefetch(gradients.x.at(at).wrapping_add(V::N));
            x[K - 1] = load_part(token, n);
            d[K - 1] = load_part(dy, n);
            if conv.silu {
                let mut sum = bias;
                for j in 0..K {
                    sum = x[j].mul_add(w[j], sum);
                }
                d[K - 1] = d[K - 1].mul(silu_slope(sum));
            }
            for j in 0..K {
                sums[j] = x[j].mul_add(d[K - 1], sums[j]);
            }
            bias_sum = bias_sum.add(d[K - 1]);
            let whole = oldest + i as isize;
            if whole >= first
                && let Some(to) = target(conv, gradients, row, whole, from + c)
            {
                let mut dx = V::splat(0.0);
                for j in 0..K {
                    dx = d[j].mul_add(w[K - 1 - j], dx);
                }
                store_part(dx, to, n);
            }
            for j in 0..K - 1 {
                x[j] = x[j + 1];
                d[j] = d[j + 1];
            }
        }
        store_all(sums, held.sums.as_mut_ptr().add(c), SLAB);
        bias_sum.store(held.sums.as_mut_ptr().add(K * SLAB + c));
        for (j, d) in d[..K - 1].iter().enumerate() {
            d.store(held.recent.as_mut_ptr().add(j * SLAB + c));
        }
    }
}

/// The last tokens before `end`, which no later one sees but through the final state.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn finish<V: Lanes, const K: usize>(
    conv: &Conv,
    gradients: &Gradients,
    row: usize,
    end: usize,
    first: isize,
    (from, count): (usize, usize),
    held: &mut Held,
    last: bool,
) {
    for j in 0..K - 1 {
        let t = (end + j) as isize - (K as isize - 1);
        let Some(to) = target(conv, gradients, row, t, from).filter(|_| t >= first) else { continue };
        unsafe {
            for c in (0..count).step_by(V::N) {
                let n = count - c;
                let mut dx = V::splat(0.0);
                for i in j..K - 1 {
                    let w = load_part::<V>(held.weights.as_ptr().add((K - 1 - (i - j)) * count + c), n);
                    dx = V::load(held.recent.as_ptr().add(i * SLAB + c)).mul_add(w, dx);
                }
                if last {
                    let at = (row * (K - 1) + j) * conv.channels + from + c;
                    dx = dx.add(load_part(gradients.dstate.at(at), n));
                }
                store_part(dx, to.add(c), n);
            }
        }
    }
    held.recent.fill(0.0);
}
