//! The selective scan of Mamba-1 with grouped B and C: s = exp(delta A) s + delta B u,
//! y = (C . s + D u) silu(z), for every channel.
//!
//! A vector holds neighbouring channels of one group; a channel's N numbers lie in N vectors.

use super::operands::{Floats, Operands};
use super::selective_step::selective_step;
use super::sequence::Sequence;
use super::transpose::transpose;
use super::vectors::{WIDEST, load_all, load_part, silu, softplus, store_all, store_part};
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cpu::{Call, Isa};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;
use std::ops::Range;

/// Tokens of a run: their inputs fit the nearest cache.
const RUN: usize = 32;
/// Vectors of channels that go through a run together: a token's part is a stretch of memory.
const SLAB: usize = 8;
/// Numbers of a channel's state that stay in registers over a run.
const TILE: usize = 4;

/// Inputs of the scan.
pub struct Scan<'a> {
    pub u: Floats,
    pub delta: Floats,
    pub a: Floats,
    pub b: Floats,
    pub c: Floats,
    pub skip: Option<Floats>,
    pub z: Option<Floats>,
    pub bias: Option<Floats>,
    pub state: Option<Floats>,
    pub sequence: Sequence<'a>,
    pub softplus: bool,
    pub batch: usize,
    pub length: usize,
    pub channels: usize,
    pub groups: usize,
    pub n: usize,
}

impl<'a> Scan<'a> {
    /// Reads `[u [b, l, d], delta [b, l, d], A [d, n], B [b, l, g, n], C [b, l, g, n], (D [d]),
    /// (z [b, l, d]), (bias [d]), (state [b, d, n]), (lens i32 [b]), (resets i32 [b, l])]`; attributes
    /// say which of the six are there, then whether softplus is applied.
    pub fn read(operands: &mut Operands<'a>) -> Result<Scan<'a>> {
        let (u, delta, a) = (operands.required()?, operands.required()?, operands.required()?);
        let (b, c) = (operands.required()?, operands.required()?);
        let [batch, length, channels] = dims("u", u)?;
        let [_, n] = dims("A", a)?;
        let [_, _, groups, _] = dims("B", b)?;
        expect_shape("delta", delta, &[batch, length, channels])?;
        expect_shape("A", a, &[channels, n])?;
        expect_shape("B", b, &[batch, length, groups, n])?;
        expect_shape("C", c, &[batch, length, groups, n])?;
        ensure!(groups > 0 && channels % groups == 0, "{groups} groups do not divide {channels} channels");
        let shaped = |name: &str, t: Option<&'a Tensor>, shape: &[usize]| {
            if let Some(t) = t {
                expect_shape(name, t, shape)?;
            }
            Floats::maybe(t)
        };
        let skip = shaped("D", operands.optional()?, &[channels])?;
        let z = shaped("z", operands.optional()?, &[batch, length, channels])?;
        let bias = shaped("the bias", operands.optional()?, &[channels])?;
        let state = shaped("state", operands.optional()?, &[batch, channels, n])?;
        let sequence = Sequence::new(operands.optional()?, operands.optional()?, batch, length)?;
        let softplus = operands.attr()? != 0.0;
        Ok(Scan {
            u: Floats::of(u)?,
            delta: Floats::of(delta)?,
            a: Floats::of(a)?,
            b: Floats::of(b)?,
            c: Floats::of(c)?,
            skip,
            z,
            bias,
            state,
            sequence,
            softplus,
            batch,
            length,
            channels,
            groups,
            n,
        })
    }

    /// One token of every row, from a state or from none.
    pub fn is_step(&self) -> bool {
        self.length == 1 && self.sequence.is_plain()
    }

    /// Vectors that a group's channels fill; the last may be partly used.
    pub fn blocks(&self, isa: Isa) -> Blocks {
        let size = self.channels / self.groups;
        let lanes = isa.lanes();
        Blocks { size, lanes, each: size.div_ceil(lanes) }
    }

    /// Where token t's channels of a block begin.
    #[inline(always)]
    pub fn at(&self, row: usize, t: usize, block: Block) -> usize {
        (row * self.length + t) * self.channels + block.from
    }

    /// Asks for what a token's part of the scan reads; it need not exist.
    #[inline(always)]
    pub unsafe fn prefetch<V: Lanes>(&self, row: usize, t: usize, block: Block) {
        let at = self.at(row, t, block);
        let keys = self.b_at(row, t, block.group);
        unsafe {
            V::prefetch(self.u.near(at));
            V::prefetch(self.delta.near(at));
            if let Some(z) = self.z {
                V::prefetch(z.near(at));
            }
            for j in (0..self.n).step_by(WIDEST) {
                V::prefetch(self.b.near(keys + j));
                V::prefetch(self.c.near(keys + j));
            }
        }
    }

    #[inline(always)]
    pub fn b_at(&self, row: usize, t: usize, group: usize) -> usize {
        ((row * self.length + t) * self.groups + group) * self.n
    }
}

/// How groups of channels are cut into vectors.
#[derive(Clone, Copy)]
pub struct Blocks {
    size: usize,
    pub lanes: usize,
    /// Vectors of a group.
    pub each: usize,
}

/// Neighbouring channels of one group, at most a vector.
#[derive(Clone, Copy)]
pub struct Block {
    pub group: usize,
    pub from: usize,
    pub count: usize,
}

impl Blocks {
    pub fn block(&self, i: usize) -> Block {
        let (group, at) = (i / self.each, i % self.each * self.lanes);
        Block { group, from: group * self.size + at, count: self.lanes.min(self.size - at) }
    }
}

/// `[..Scan, y [b, l, d], state out [b, d, n]]`; the state may be updated in place.
pub fn selective_scan(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let scan = Scan::read(&mut operands)?;
    let (y, out) = (operands.required()?, operands.required()?);
    operands.end()?;
    let Scan { batch, length, channels, groups, n, .. } = scan;
    expect_shape("y", y, &[batch, length, channels])?;
    expect_shape("the new state", out, &[batch, channels, n])?;
    let (y, out) = (Floats::of(y)?, Floats::of(out)?);
    let isa = call.cpu.isa;
    let blocks = scan.blocks(isa);
    let per_row = groups * blocks.each;
    if scan.is_step() && n.is_multiple_of(blocks.lanes) {
        selective_step(&call.cpu.threads, isa, &scan, blocks, (y, out));
        return Ok(());
    }
    let slabs = per_row.div_ceil(SLAB);
    let grain = (1 << 12) / (SLAB * blocks.lanes * n * length).max(1) + 1;
    call.cpu.threads.ranges(batch * slabs, grain, |items| {
        with_scratch((2 * SLAB * n + 3 * RUN) * WIDEST + 2 * RUN * n, |scratch| {
            for item in items {
                let first = item % slabs * SLAB;
                let slab = first..(first + SLAB).min(per_row);
                unsafe { run_slab(isa, &scan, item / slabs, (blocks, slab), y, out, scratch) };
            }
        });
    });
    Ok(())
}

by_isa!(fn run_slab(
    scan: &Scan,
    row: usize,
    slab: (Blocks, Range<usize>),
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) = slab_body);

/// Step sizes of some tokens: `[t][lanes]`; what lies in lanes without a channel is of no account.
/// `raw` takes them as they are before the softplus.
///
/// # Safety
/// The tokens must be the row's, the channels the block's.
#[inline(always)]
pub unsafe fn deltas<V: Lanes>(
    scan: &Scan,
    row: usize,
    (from, tokens): (usize, usize),
    block: Block,
    to: *mut f32,
    raw: Option<*mut f32>,
) {
    unsafe {
        let bias = scan.bias.map_or(V::splat(0.0), |b| load_part(b.at(block.from), block.count));
        for t in 0..tokens {
            let at = (row * scan.length + from + t) * scan.channels + block.from;
            let step = load_part::<V>(scan.delta.at(at), block.count).add(bias);
            if let Some(raw) = raw {
                step.store(raw.add(t * V::N));
            }
            let step = if scan.softplus { softplus(step) } else { step };
            step.store(to.add(t * V::N));
        }
    }
}

#[inline(always)]
unsafe fn slab_body<V: Lanes>(
    scan: &Scan,
    row: usize,
    (blocks, slab): (Blocks, Range<usize>),
    y: Floats,
    out: Floats,
    scratch: &mut [f32],
) {
    let size = scan.n * V::N;
    let (rates, rest) = scratch.split_at_mut(SLAB * size);
    let (states, rest) = rest.split_at_mut(SLAB * size);
    let each = || slab.clone().enumerate().map(|(i, block)| (i * size, blocks.block(block)));
    let stored = |block: Block| (row * scan.channels + block.from) * scan.n;
    unsafe {
        rates.fill(0.0);
        states.fill(0.0);
        for (at, block) in each() {
            let rates = &mut rates[at..][..size];
            let source = scan.a.at(block.from * scan.n);
            transpose::<V>((source, scan.n), (rates.as_mut_ptr(), V::N), block.count, scan.n);
            rates.iter_mut().for_each(|a| *a *= std::f32::consts::LOG2_E);
            if let Some(from) = scan.state {
                let to = (states[at..].as_mut_ptr(), V::N);
                transpose::<V>((from.at(stored(block)), scan.n), to, block.count, scan.n);
            }
        }
        for (from, tokens, starts) in scan.sequence.runs(row, RUN) {
            if starts {
                states.fill(0.0);
            }
            for (i, (at, block)) in each().enumerate() {
                let held = (&rates[at..][..size], &mut states[at..][..size]);
                let ahead = match i + 1 < slab.len() {
                    true => (from, blocks.block(slab.start + i + 1)),
                    false => (from + tokens, blocks.block(slab.start)),
                };
                run_block::<V>(scan, row, (from, tokens), block, held, ahead, y, rest);
            }
        }
        for (at, block) in each() {
            let state = (states[at..].as_ptr(), V::N);
            transpose::<V>(state, (out.at(stored(block)), scan.n), scan.n, block.count);
            for t in scan.sequence.len(row)..scan.length {
                let at = (row * scan.length + t) * scan.channels + block.from;
                y.slice_mut(at, block.count).fill(0.0);
            }
        }
    }
}

/// One vector of channels over a run of tokens; `next` and its block are what comes after.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn run_block<V: Lanes>(
    scan: &Scan,
    row: usize,
    (from, tokens): (usize, usize),
    block: Block,
    (rates, state): (&[f32], &mut [f32]),
    (next, next_block): (usize, Block),
    y: Floats,
    scratch: &mut [f32],
) {
    let (n, lanes, count) = (scan.n, V::N, block.count);
    let (delta, rest) = scratch.split_at_mut(RUN * lanes);
    let (input, rest) = rest.split_at_mut(RUN * lanes);
    let (ys, rest) = rest.split_at_mut(RUN * lanes);
    let bc = &mut rest[..2 * RUN * n];
    let at = |t: usize| scan.at(row, from + t, block);
    unsafe {
        deltas::<V>(scan, row, (from, tokens), block, delta.as_mut_ptr(), None);
        for t in 0..tokens {
            scan.prefetch::<V>(row, next + t, next_block);
            V::prefetch(y.near(scan.at(row, next + t, next_block)));
            let step = V::load(delta.as_ptr().add(t * lanes));
            let u = load_part::<V>(scan.u.at(at(t)), count);
            step.mul(u).store(input.as_mut_ptr().add(t * lanes));
            let b = scan.b_at(row, from + t, block.group);
            copy::<V>(scan.b.at(b), bc.as_mut_ptr().add(2 * t * n), n);
            copy::<V>(scan.c.at(b), bc.as_mut_ptr().add((2 * t + 1) * n), n);
        }
        ys[..tokens * lanes].fill(0.0);
        let whole = n / TILE * TILE;
        for j in (0..whole).step_by(TILE) {
            tile::<V, TILE>((j, n, tokens), rates, state, delta, input, bc, ys);
        }
        for j in whole..n {
            tile::<V, 1>((j, n, tokens), rates, state, delta, input, bc, ys);
        }
        let skip = scan.skip.map(|d| load_part::<V>(d.at(block.from), count));
        for t in 0..tokens {
            let mut sum = V::load(ys.as_ptr().add(t * lanes));
            if let Some(skip) = skip {
                sum = load_part::<V>(scan.u.at(at(t)), count).mul_add(skip, sum);
            }
            if let Some(z) = scan.z {
                sum = sum.mul(silu(load_part::<V>(z.at(at(t)), count)));
            }
            store_part(sum, y.at(at(t)), count);
        }
    }
}

/// Copies numbers of a few vectors' length; a call of memcpy costs more.
#[inline(always)]
pub unsafe fn copy<V: Lanes>(from: *const f32, to: *mut f32, n: usize) {
    unsafe {
        let whole = n / V::N * V::N;
        for i in (0..whole).step_by(V::N) {
            V::load(from.add(i)).store(to.add(i));
        }
        for i in whole..n {
            *to.add(i) = *from.add(i);
        }
    }
}

/// `NB` numbers of every channel's state over a run of tokens.
#[inline(always)]
unsafe fn tile<V: Lanes, const NB: usize>(
    (j, n, tokens): (usize, usize, usize),
    rates: &[f32],
    state: &mut [f32],
    delta: &[f32],
    input: &[f32],
    bc: &[f32],
    ys: &mut [f32],
) {
    unsafe {
        let rate: [V; NB] = load_all(rates.as_ptr().add(j * V::N), V::N);
        let mut s: [V; NB] = load_all(state.as_ptr().add(j * V::N), V::N);
        for t in 0..tokens {
            let d = V::load(delta.as_ptr().add(t * V::N));
            let x = V::load(input.as_ptr().add(t * V::N));
            let mut sum = V::load(ys.as_ptr().add(t * V::N));
            let (b, c) = (bc.as_ptr().add(2 * t * n + j), bc.as_ptr().add((2 * t + 1) * n + j));
            for i in 0..NB {
                let decay = d.mul(rate[i]).exp2();
                s[i] = s[i].mul_add(decay, x.mul(V::splat(*b.add(i))));
                sum = s[i].mul_add(V::splat(*c.add(i)), sum);
            }
            sum.store(ys.as_mut_ptr().add(t * V::N));
        }
        store_all(s, state.as_mut_ptr().add(j * V::N), V::N);
    }
}
