//! The short causal depthwise convolution: y = activation(bias + sum_j weight_j x_{t - width + 1 + j}).

use super::operands::{Floats, Operands};
use super::sequence::Sequence;
use super::vectors::{load_part, silu, store_part};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::ensure;
use crate::error::Result;

/// Channels that are taken together: a token's part lies in one stretch of memory.
pub const SLAB: usize = 512;
/// Widths up to this.
pub const MOST: usize = 4;
/// Neighbouring tokens that are computed together.
const TOGETHER: usize = 4;

/// Inputs of the convolution.
pub struct Conv<'a> {
    pub x: Floats,
    pub weight: Floats,
    pub bias: Option<Floats>,
    pub state: Option<Floats>,
    pub sequence: Sequence<'a>,
    pub silu: bool,
    pub batch: usize,
    pub length: usize,
    pub channels: usize,
    pub width: usize,
}

impl<'a> Conv<'a> {
    /// Reads `[x [b, l, c], weight [c, width], (bias [c]), (state [b, width - 1, c]), (lens i32 [b]),
    /// (resets i32 [b, l])]`; attributes say which of the four are there, then whether SiLU follows.
    pub fn read(operands: &mut Operands<'a>) -> Result<Conv<'a>> {
        let (x, weight) = (operands.required()?, operands.required()?);
        let [batch, length, channels] = dims("x", x)?;
        let [_, width] = dims("weight", weight)?;
        expect_shape("weight", weight, &[channels, width])?;
        ensure!((2..=MOST).contains(&width), "the width should be 2 to {MOST}, got {width}");
        let bias = operands.optional()?;
        if let Some(bias) = bias {
            expect_shape("bias", bias, &[channels])?;
        }
        let state = operands.optional()?;
        if let Some(state) = state {
            expect_shape("state", state, &[batch, width - 1, channels])?;
        }
        let sequence = Sequence::new(operands.optional()?, operands.optional()?, batch, length)?;
        let silu = operands.attr()? != 0.0;
        Ok(Conv {
            x: Floats::of(x)?,
            weight: Floats::of(weight)?,
            bias: Floats::maybe(bias)?,
            state: Floats::maybe(state)?,
            sequence,
            silu,
            batch,
            length,
            channels,
            width,
        })
    }

    /// Where row's token t, which may be one of the state (-1 is its last), has its channels; none
    /// where the sequence starts from 0.
    #[inline(always)]
    pub fn token(&self, row: usize, t: isize, from: usize) -> Option<*mut f32> {
        unsafe {
            if t >= 0 {
                return Some(self.x.at((row * self.length + t as usize) * self.channels + from));
            }
            let at = (self.width - 1).wrapping_add_signed(t);
            self.state.map(|s| s.at((row * (self.width - 1) + at) * self.channels + from))
        }
    }

    /// Transposes the weights of some channels: `[width][count]`.
    ///
    /// # Safety
    /// The channels must exist.
    #[inline(always)]
    pub unsafe fn weights(&self, from: usize, count: usize, to: &mut [f32]) {
        let weights = unsafe { self.weight.slice(from * self.width, count * self.width) };
        for (c, w) in weights.chunks_exact(self.width).enumerate() {
            for (j, w) in w.iter().enumerate() {
                to[j * count + c] = *w;
            }
        }
    }
}

/// Before every token: no document starts in the row yet.
pub const BEFORE: isize = isize::MIN;

/// `[..Conv, y [b, l, c], state out [b, width - 1, c]]`; the state may be updated in place.
pub fn causal_conv1d(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let conv = Conv::read(&mut operands)?;
    let (y, out) = (operands.required()?, operands.required()?);
    operands.end()?;
    let Conv { batch, length, channels, width, .. } = conv;
    expect_shape("y", y, &[batch, length, channels])?;
    expect_shape("the new state", out, &[batch, width - 1, channels])?;
    let (y, out) = (Floats::of(y)?, Floats::of(out)?);
    let isa = call.cpu.isa;
    let slabs = channels.div_ceil(SLAB);
    let grain = (1 << 14) / (SLAB.min(channels) * length).max(1) + 1;
    // Rows of a slab are neighbours: its weights are transposed once for all of a task's.
    call.cpu.threads.ranges(slabs * batch, grain, |items| {
        with_scratch((MOST + 2) * SLAB, |scratch| {
            let mut loaded = None;
            for item in items {
                let (slab, row) = (item / batch, item % batch);
                let from = slab * SLAB;
                let count = SLAB.min(channels - from);
                let (weights, zeros) = scratch.split_at_mut(MOST * SLAB);
                if loaded != Some(slab) {
                    unsafe { conv.weights(from, count, weights) };
                    zeros.fill(0.0);
                    loaded = Some(slab);
                }
                let (zeros, last) = zeros.split_at_mut(SLAB);
                unsafe { run_slab(isa, &conv, row, (from, count), weights, zeros, last, y, out) };
            }
        });
    });
    Ok(())
}

by_isa!(fn run_slab(
    conv: &Conv,
    row: usize,
    slab: (usize, usize),
    weights: &[f32],
    zeros: &[f32],
    bias: &mut [f32],
    y: Floats,
    out: Floats,
) = slab_body);

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn slab_body<V: Lanes>(
    conv: &Conv,
    row: usize,
    (from, count): (usize, usize),
    weights: &[f32],
    zeros: &[f32],
    bias: &mut [f32],
    y: Floats,
    out: Floats,
) {
    let (width, len) = (conv.width, conv.sequence.len(row));
    unsafe {
        match conv.bias {
            Some(b) => bias[..count].copy_from_slice(b.slice(from, count)),
            None => bias.fill(0.0),
        }
        if conv.length == 1 && len == 1 {
            let held = (weights, &*bias);
            return match width {
                2 => step_body::<V, 2>(conv, row, (from, count), held, y, out),
                3 => step_body::<V, 3>(conv, row, (from, count), held, y, out),
                _ => step_body::<V, 4>(conv, row, (from, count), held, y, out),
            };
        }
        // Tokens before this one are not seen.
        let mut first = BEFORE;
        let source = |t: isize, first: isize| {
            let token = if t < first { None } else { conv.token(row, t, from) };
            token.map_or(zeros.as_ptr(), |p| p.cast_const())
        };
        let mut t = 0;
        while t < len {
            if conv.sequence.starts(row, t) {
                first = t as isize;
            }
            let whole = t + TOGETHER <= len && (1..TOGETHER).all(|i| !conv.sequence.starts(row, t + i));
            let tokens = if whole { TOGETHER } else { 1 };
            let oldest = t as isize - (MOST as isize - 1);
            let rows: Rows = std::array::from_fn(|i| {
                let unused = i < MOST - width || i >= MOST - 1 + tokens;
                if unused { zeros.as_ptr() } else { source(oldest + i as isize, first) }
            });
            let to = y.at((row * conv.length + t) * conv.channels + from);
            let held = (weights, &*bias, conv.silu);
            match (width, whole) {
                (2, true) => token_rows::<V, 2, TOGETHER>(rows, held, to, conv.channels, count),
                (2, false) => token_rows::<V, 2, 1>(rows, held, to, conv.channels, count),
                (3, true) => token_rows::<V, 3, TOGETHER>(rows, held, to, conv.channels, count),
                (3, false) => token_rows::<V, 3, 1>(rows, held, to, conv.channels, count),
                (_, true) => token_rows::<V, 4, TOGETHER>(rows, held, to, conv.channels, count),
                (_, false) => token_rows::<V, 4, 1>(rows, held, to, conv.channels, count),
            }
            t += tokens;
        }
        for t in len..conv.length {
            y.slice_mut((row * conv.length + t) * conv.channels + from, count).fill(0.0);
        }
        // Oldest first: in place, what is read lies behind what is written.
        for j in 0..width - 1 {
            let token = source((len + j) as isize - (width - 1) as isize, first);
            let to = out.at((row * (width - 1) + j) * conv.channels + from);
            std::ptr::copy(token, to, count);
        }
    }
}

/// The tokens that a few neighbouring outputs see, oldest first; with a width below `MOST` the first
/// ones are not read.
type Rows = [*const f32; MOST - 1 + TOGETHER];

/// `T` neighbouring tokens: what they share is loaded once.
#[inline(always)]
unsafe fn token_rows<V: Lanes, const K: usize, const T: usize>(
    rows: Rows,
    held: (&[f32], &[f32], bool),
    to: *mut f32,
    stride: usize,
    count: usize,
) {
    let whole = count / V::N * V::N;
    unsafe {
        for c in (0..whole).step_by(V::N) {
            for i in 0..T {
                V::prefetch(rows[MOST - 1 + i].wrapping_add(T * stride + c));
            }
            column::<V, K, T>(&rows, held, to.add(c), stride, (c, V::N, count));
        }
        if whole < count {
            column::<V, K, T>(&rows, held, to.add(whole), stride, (whole, count - whole, count));
        }
    }
}

/// At most a vector of channels, from c on, of a slab of `count`.
#[inline(always)]
unsafe fn column<V: Lanes, const K: usize, const T: usize>(
    rows: &Rows,
    (weights, bias, with_silu): (&[f32], &[f32], bool),
    to: *mut f32,
    stride: usize,
    (c, n, count): (usize, usize, usize),
) {
    unsafe {
        let mut w = [V::splat(0.0); K];
        for (j, w) in w.iter_mut().enumerate() {
            *w = load_part(weights.as_ptr().add(j * count + c), n);
        }
        let bias = load_part::<V>(bias.as_ptr().add(c), n);
        let mut x = [V::splat(0.0); MOST - 1 + TOGETHER];
        for i in MOST - K..MOST - 1 + T {
            x[i] = load_part(rows[i].add(c), n);
        }
        for t in 0..T {
            let mut sum = bias;
            for j in 0..K {
                sum = x[MOST - K + t + j].mul_add(w[j], sum);
            }
            if with_silu {
                sum = silu(sum);
            }
            store_part(sum, to.add(t * stride), n);
        }
    }
}

/// One token of every row: the state is read, used and moved on in one pass.
#[inline(always)]
unsafe fn step_body<V: Lanes, const K: usize>(
    conv: &Conv,
    row: usize,
    (from, count): (usize, usize),
    (weights, bias): (&[f32], &[f32]),
    y: Floats,
    out: Floats,
) {
    let state = if conv.sequence.starts(row, 0) { None } else { conv.state };
    let at = row * conv.channels + from;
    let held = row * (K - 1) * conv.channels + from;
    unsafe {
        for c in (0..count).step_by(V::N) {
            let n = (count - c).min(V::N);
            let mut sum = load_part::<V>(bias.as_ptr().add(c), n);
            let mut x = [V::splat(0.0); MOST];
            if let Some(state) = state {
                for (j, x) in x[..K - 1].iter_mut().enumerate() {
                    let place = state.at(held + j * conv.channels + c);
                    *x = load_part(place, n);
                    V::prefetch(place.wrapping_add((K - 1) * conv.channels));
                }
            }
            let place = conv.x.at(at + c);
            x[K - 1] = load_part(place, n);
            V::prefetch(place.wrapping_add(conv.channels));
            for (j, x) in x[..K].iter().enumerate() {
                sum = x.mul_add(load_part(weights.as_ptr().add(j * count + c), n), sum);
            }
            if conv.silu {
                sum = silu(sum);
            }
            store_part(sum, y.at(at + c), n);
            for j in 0..K - 1 {
                store_part(x[j + 1], out.at(held + j * conv.channels + c), n);
            }
        }
    }
}
