//! The recurrence of Mamba-2: S = d S + w x B^T, y = S C + D x, for every head.
//!
//! A head's state is held transposed, `[n][width]`, so that a vector holds neighbouring channels: no
//! sum crosses lanes. Tiles of it stay in registers over a run of tokens. On a CPU that costs as much
//! as the chunked form's matrix products (5 operations for each element of the state) and keeps one
//! order of summation for scans, continued scans and steps.

use super::functions::{sigmoid, softplus};
use super::operands::{Floats, Operands};
use super::sequence::Sequence;
use super::ssd_step::ssd_step;
use super::transpose::transpose;
use super::vectors::{WIDEST, load_all, store_all};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::math::exp;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;

/// Tokens of a run: their inputs fit the nearest cache.
const RUN: usize = 16;
/// Rows of the state in a tile.
const TILE: usize = 4;
/// Channels that are worth a task of their own.
const PART: usize = 16;

/// Inputs of the recurrence in either form.
pub struct Ssd<'a> {
    pub x: Floats,
    pub a: Floats,
    pub b: Floats,
    pub c: Floats,
    pub decay_rate: Option<Floats>,
    pub bias: Option<Floats>,
    pub skip: Option<Floats>,
    pub state: Option<Floats>,
    pub sequence: Sequence<'a>,
    pub softplus: bool,
    pub batch: usize,
    pub length: usize,
    pub heads: usize,
    pub width: usize,
    pub groups: usize,
    pub n: usize,
}

impl<'a> Ssd<'a> {
    /// Reads `[x [b, l, h, p], a [b, l, h], B [b, l, g, n], C [b, l, g, n], (A [h]), (bias [h]),
    /// (D [h]), (state [b, h, p, n]), (lens i32 [b]), (resets i32 [b, l])]`; attributes say which of
    /// the six are there, then whether softplus is applied.
    pub fn read(operands: &mut Operands<'a>) -> Result<Ssd<'a>> {
        let (x, a) = (operands.required()?, operands.required()?);
        let (b, c) = (operands.required()?, operands.required()?);
        let [batch, length, heads, width] = dims("x", x)?;
        let [_, _, groups, n] = dims("B", b)?;
        expect_shape("a", a, &[batch, length, heads])?;
        expect_shape("B", b, &[batch, length, groups, n])?;
        expect_shape("C", c, &[batch, length, groups, n])?;
        ensure!(groups > 0 && heads % groups == 0, "{groups} groups do not divide {heads} heads");
        let per_head = |name: &str, t: Option<&'a Tensor>| {
            if let Some(t) = t {
                expect_shape(name, t, &[heads])?;
            }
            Floats::maybe(t)
        };
        let decay_rate = per_head("A", operands.optional()?)?;
        let bias = per_head("bias", operands.optional()?)?;
        let skip = per_head("D", operands.optional()?)?;
        let state = operands.optional()?;
        if let Some(state) = state {
            expect_shape("state", state, &[batch, heads, width, n])?;
        }
        let sequence = Sequence::new(operands.optional()?, operands.optional()?, batch, length)?;
        let softplus = operands.attr()? != 0.0;
        Ok(Ssd {
            x: Floats::of(x)?,
            a: Floats::of(a)?,
            b: Floats::of(b)?,
            c: Floats::of(c)?,
            decay_rate,
            bias,
            skip,
            state: Floats::maybe(state)?,
            sequence,
            softplus,
            batch,
            length,
            heads,
            width,
            groups,
            n,
        })
    }

    /// Where token t's x begins.
    #[inline(always)]
    pub fn x_at(&self, row: usize, t: usize, head: usize) -> usize {
        ((row * self.length + t) * self.heads + head) * self.width
    }

    /// Where token t's B and C begin.
    #[inline(always)]
    pub fn b_at(&self, row: usize, t: usize, head: usize) -> usize {
        ((row * self.length + t) * self.groups + head * self.groups / self.heads) * self.n
    }

    /// Where a head's state begins.
    #[inline(always)]
    pub fn state_at(&self, row: usize, head: usize) -> usize {
        (row * self.heads + head) * self.width * self.n
    }

    /// Asks for what a token's part of the scan reads and writes; it need not exist.
    #[inline(always)]
    unsafe fn prefetch<V: Lanes>(
        &self,
        row: usize,
        t: usize,
        head: usize,
        cut: &std::ops::Range<usize>,
        y: Floats,
    ) {
        let (x, keys) = (self.x_at(row, t, head) + cut.start, self.b_at(row, t, head));
        unsafe {
            for c in (0..cut.len()).step_by(WIDEST) {
                V::prefetch(self.x.near(x + c));
                V::prefetch(y.near(x + c));
            }
            for j in (0..self.n).step_by(WIDEST) {
                V::prefetch(self.b.near(keys + j));
                V::prefetch(self.c.near(keys + j));
            }
        }
    }

    /// Decays of some tokens and the weights of their inputs.
    ///
    /// # Safety
    /// The tokens must be the row's.
    #[inline(always)]
    pub unsafe fn decays(&self, row: usize, from: usize, head: usize, decay: &mut [f32], weight: &mut [f32]) {
        unsafe {
            for (t, d) in decay.iter_mut().enumerate() {
                *d = self.a.get((row * self.length + from + t) * self.heads + head);
            }
            let Some(rate) = self.decay_rate else {
                decay.iter_mut().for_each(|d| *d = sigmoid(-*d));
                weight.fill(1.0);
                return;
            };
            let (rate, bias) = (rate.get(head), self.bias.map_or(0.0, |b| b.get(head)));
            for (d, w) in decay.iter_mut().zip(weight) {
                let step = *d + bias;
                *w = if self.softplus { softplus(step) } else { step };
                *d = exp(*w * rate);
            }
        }
    }
}

/// `[..Ssd, y [b, l, h, p], state out [b, h, p, n]]`; the state may be updated in place.
pub fn ssd_scan(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let ssd = Ssd::read(&mut operands)?;
    let (y, out) = (operands.required()?, operands.required()?);
    operands.end()?;
    let Ssd { batch, length, heads, width, n, .. } = ssd;
    expect_shape("y", y, &[batch, length, heads, width])?;
    expect_shape("the new state", out, &[batch, heads, width, n])?;
    let (y, out) = (Floats::of(y)?, Floats::of(out)?);
    let threads = &call.cpu.threads;
    let isa = call.cpu.isa;
    if length == 1 && ssd.sequence.is_plain() && n.is_multiple_of(isa.lanes()) {
        ssd_step(threads, isa, &ssd, y, out);
        return Ok(());
    }
    // Channels are independent: few heads are cut where there are many threads.
    let wanted = (4 * threads.count()).div_ceil((batch * heads).max(1));
    let part = if threads.count() == 1 { width } else { width.div_ceil(wanted).next_multiple_of(PART) };
    let parts = width.div_ceil(part.max(1));
    // Elements of state and token that are worth a thread's while.
    let grain = (1 << 14) / (part * n * length).max(1) + 1;
    threads.ranges(batch * heads * parts, grain, |items| {
        let columns = part.next_multiple_of(PART);
        with_scratch(n * columns + 2 * RUN * columns + 2 * RUN * n, |scratch| {
            for item in items {
                let (row, head, from) = (item / parts / heads, item / parts % heads, item % parts * part);
                let cut = from..(from + part).min(width);
                unsafe { run_head(isa, &ssd, row, head, cut, y, out, scratch) };
            }
        });
    });
    Ok(())
}

by_isa!(fn run_head(
    ssd: &Ssd,
    row: usize,
    head: usize,
    cut: std::ops::Range<usize>,
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) = head_body);

#[inline(always)]
unsafe fn head_body<V: Lanes>(
    ssd: &Ssd,
    row: usize,
    head: usize,
    cut: std::ops::Range<usize>,
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) {
    let (n, width) = (ssd.n, cut.len());
    let columns = width.next_multiple_of(V::N);
    let (state, rest) = scratch.split_at_mut(n * columns);
    let (xs, rest) = rest.split_at_mut(RUN * columns);
    let (ys, rest) = rest.split_at_mut(RUN * columns);
    let bc = &mut rest[..2 * RUN * n];
    let stored = ssd.state_at(row, head) + cut.start * n;
    unsafe {
        match ssd.state {
            Some(from) => {
                if columns > width {
                    state.fill(0.0);
                }
                transpose::<V>((from.at(stored), n), (state.as_mut_ptr(), columns), width, n);
            }
            None => state.fill(0.0),
        }
        let (mut decay, mut weight) = ([0.0; RUN], [0.0; RUN]);
        for (from, count, starts) in ssd.sequence.runs(row, RUN) {
            if starts {
                state.fill(0.0);
            }
            ssd.decays(row, from, head, &mut decay[..count], &mut weight[..count]);
            for t in 0..count {
                ssd.prefetch::<V>(row, from + t + RUN, head, &cut, y);
                let x = ssd.x.slice(ssd.x_at(row, from + t, head) + cut.start, width);
                let to = &mut xs[t * columns..][..columns];
                if ssd.decay_rate.is_some() {
                    let w = weight[t];
                    to.iter_mut().zip(x).for_each(|(to, x)| *to = w * x);
                } else {
                    to[..width].copy_from_slice(x);
                }
                to[width..].fill(0.0);
                pack(bc, ssd, ssd.b_at(row, from + t, head), t, count);
            }
            ys[..count * columns].fill(0.0);
            tiles::<V>(n, count, columns, state, &decay, bc, xs, ys);
            let skip = ssd.skip.map(|d| d.get(head));
            for t in 0..count {
                let at = ssd.x_at(row, from + t, head) + cut.start;
                let (to, sums) = (y.slice_mut(at, width), &ys[t * columns..][..width]);
                match skip {
                    Some(d) => {
                        let x = ssd.x.slice(at, width);
                        for ((to, sum), x) in to.iter_mut().zip(sums).zip(x) {
                            *to = sum + d * x;
                        }
                    }
                    None => to.copy_from_slice(sums),
                }
            }
        }
        for t in ssd.sequence.len(row)..ssd.length {
            y.slice_mut(ssd.x_at(row, t, head) + cut.start, width).fill(0.0);
        }
        transpose::<V>((state.as_ptr(), columns), (out.at(stored), n), n, width);
    }
}

/// Puts a token's B and C where the tiles read them: by tile, then by token, B before C.
#[inline(always)]
unsafe fn pack(bc: &mut [f32], ssd: &Ssd, at: usize, t: usize, count: usize) {
    let whole = ssd.n / TILE * TILE;
    unsafe {
        let (b, c) = (ssd.b.at(at).cast_const(), ssd.c.at(at).cast_const());
        let to = bc.as_mut_ptr();
        for j in (0..whole).step_by(TILE) {
            let to = to.add(2 * (j * count + t * TILE)).cast::<[f32; TILE]>();
            *to = *b.add(j).cast();
            *to.add(1) = *c.add(j).cast();
        }
        for j in whole..ssd.n {
            let to = to.add(2 * (j * count + t));
            *to = *b.add(j);
            *to.add(1) = *c.add(j);
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tiles<V: Lanes>(
    n: usize,
    count: usize,
    columns: usize,
    state: &mut [f32],
    decay: &[f32; RUN],
    bc: &[f32],
    xs: &[f32],
    ys: &mut [f32],
) {
    let whole = n / TILE * TILE;
    let mut column = 0;
    while column < columns {
        let wide = column + 2 * V::N <= columns;
        let (x, y) = unsafe { (xs.as_ptr().add(column), ys.as_mut_ptr().add(column)) };
        let s = unsafe { state.as_mut_ptr().add(column) };
        let strips = (count, columns, decay.as_ptr());
        unsafe {
            for j in (0..whole).step_by(TILE) {
                let (s, bc) = (s.add(j * columns), bc.as_ptr().add(j * count * 2));
                if wide {
                    tile::<V, 2, TILE>(strips, s, bc, x, y);
                } else {
                    tile::<V, 1, TILE>(strips, s, bc, x, y);
                }
            }
            for j in whole..n {
                let (s, bc) = (s.add(j * columns), bc.as_ptr().add(j * count * 2));
                if wide {
                    tile::<V, 2, 1>(strips, s, bc, x, y);
                } else {
                    tile::<V, 1, 1>(strips, s, bc, x, y);
                }
            }
        }
        column += if wide { 2 * V::N } else { V::N };
    }
}

/// `NB` rows of the state by `PV` vectors over a run of tokens.
#[inline(always)]
unsafe fn tile<V: Lanes, const PV: usize, const NB: usize>(
    (count, columns, decay): (usize, usize, *const f32),
    state: *mut f32,
    bc: *const f32,
    xs: *const f32,
    ys: *mut f32,
) {
    unsafe {
        let mut s = [[V::splat(0.0); PV]; NB];
        for (j, s) in s.iter_mut().enumerate() {
            *s = load_all(state.add(j * columns), V::N);
        }
        for t in 0..count {
            let d = V::splat(*decay.add(t));
            let (x, y) = (xs.add(t * columns), ys.add(t * columns));
            let x: [V; PV] = load_all(x, V::N);
            let mut sum: [V; PV] = load_all(y, V::N);
            let bc = bc.add(t * 2 * NB);
            for (j, s) in s.iter_mut().enumerate() {
                let (b, c) = (V::splat(*bc.add(j)), V::splat(*bc.add(NB + j)));
                for v in 0..PV {
                    s[v] = s[v].mul_add(d, x[v].mul(b));
                    sum[v] = s[v].mul_add(c, sum[v]);
                }
            }
            store_all(sum, y, V::N);
        }
        for (j, s) in s.into_iter().enumerate() {
            store_all(s, state.add(j * columns), V::N);
        }
    }
}
