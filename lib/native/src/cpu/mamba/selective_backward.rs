//! The derivative of the selective scan: segments of the sequence are run forward once more, keeping
//! decays and states, and then backward.

use super::operands::{Floats, Operands, sum_parts};
use super::selective::{Block, Blocks, Scan, copy, deltas};
use super::transpose::transpose;
use super::vectors::{WIDEST, load_all, load_part, sigmoid, silu, silu_slope, store_all, store_part};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::expect_shape;
use crate::error::Result;
use crate::tensor::Tensor;

/// Tokens of a segment: their decays and states stay in a core's caches.
const SEGMENT: usize = 32;
/// How many tokens ahead of their use inputs are asked for.
const AHEAD: usize = 8;
/// Numbers of a channel's state that stay in registers over a segment.
const TILE: usize = 4;
/// Vectors of channels whose sums for B and C go together.
const SLAB: usize = 16;

struct Gradients {
    u: Floats,
    delta: Floats,
    z: Option<Floats>,
    state: Option<Floats>,
    /// `[b, l, slabs, n]`.
    b: Floats,
    c: Floats,
    /// `[b, d, n]`, and `[2, b, d]` of the bias and D.
    a: Floats,
    channels: Floats,
    dy: Floats,
    dstate: Floats,
}

/// `[..Scan, dy [b, l, d], dstate [b, d, n], du, ddelta, dA, dB, dC, (dD), (dz), (dbias), (dstate)]`:
/// the optional outputs are those whose inputs are there.
pub fn selective_scan_backward(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let scan = Scan::read(&mut operands)?;
    let Scan { batch, length, channels, groups, n, .. } = scan;
    let (x, s) = ([batch, length, channels], [batch, channels, n]);
    let (a, b) = ([channels, n], [batch, length, groups, n]);
    let mut shaped = |name: &str, shape: &[usize]| -> Result<&Tensor> {
        let t = operands.required()?;
        expect_shape(name, t, shape)?;
        t.f32()?;
        Ok(t)
    };
    let (dy, dstate) = (shaped("dy", &x)?, shaped("dstate", &s)?);
    let (du, ddelta, da) = (shaped("du", &x)?, shaped("ddelta", &x)?, shaped("dA", &a)?);
    let (db, dc) = (shaped("dB", &b)?, shaped("dC", &b)?);
    let mut when = |given: bool, name: &str, shape: &[usize]| {
        if given { shaped(name, shape).map(Some) } else { Ok(None) }
    };
    let dskip = when(scan.skip.is_some(), "dD", &[channels])?;
    let dz = when(scan.z.is_some(), "dz", &x)?;
    let dbias = when(scan.bias.is_some(), "dbias", &[channels])?;
    let dinitial = when(scan.state.is_some(), "the initial state's gradient", &s)?;
    operands.end()?;

    let isa = call.cpu.isa;
    let blocks = scan.blocks(isa);
    let each = blocks.each.div_ceil(SLAB);
    let slabs = groups * each;
    let partial = if each > 1 { batch * length * slabs * n } else { 0 };
    let (mut own_b, mut own_c) = (vec![0f32; partial], vec![0f32; partial]);
    let (mut own_a, mut own) = (vec![0f32; batch * channels * n], vec![0f32; 2 * batch * channels]);
    let over = |own: &mut Vec<f32>, t: &Tensor| -> Result<Floats> {
        if each > 1 { Ok(Floats::over(own)) } else { Floats::of(t) }
    };
    let gradients = Gradients {
        u: Floats::of(du)?,
        delta: Floats::of(ddelta)?,
        z: Floats::maybe(dz)?,
        state: Floats::maybe(dinitial)?,
        b: over(&mut own_b, db)?,
        c: over(&mut own_c, dc)?,
        a: Floats::over(&mut own_a),
        channels: Floats::over(&mut own),
        dy: Floats::of(dy)?,
        dstate: Floats::of(dstate)?,
    };
    let threads = &call.cpu.threads;
    threads.run(batch * slabs, |item| {
        let (row, slab) = (item / slabs, item % slabs);
        let segments: Vec<Segment> = scan
            .sequence
            .runs(row, SEGMENT)
            .map(|(from, tokens, starts)| Segment { from, tokens, starts })
            .collect();
        let size = WIDEST * (n * (segments.len() + 2 * SEGMENT + 6) + 8 * SEGMENT) + 4 * SEGMENT * n;
        with_scratch(size, |scratch| unsafe {
            for t in scan.sequence.len(row)..length {
                let at = ((row * length + t) * slabs + slab) * n;
                gradients.b.slice_mut(at, n).fill(0.0);
                gradients.c.slice_mut(at, n).fill(0.0);
            }
            for (i, block) in blocks_of(&blocks, slab, each).enumerate() {
                let part = Part { row, block: blocks.block(block), slab, slabs, first: i == 0 };
                run_block(isa, &scan, part, &segments, &gradients, scratch);
            }
        });
    });
    if each > 1 {
        sum_parts(threads, gradients.b, db, each)?;
        sum_parts(threads, gradients.c, dc, each)?;
    }
    for (i, to) in da.f32_mut()?.iter_mut().enumerate() {
        *to = (0..batch).map(|row| own_a[row * channels * n + i]).sum();
    }
    for (i, t) in [dbias, dskip].into_iter().enumerate() {
        let Some(t) = t else { continue };
        for (c, to) in t.f32_mut()?.iter_mut().enumerate() {
            *to = (0..batch).map(|row| own[(i * batch + row) * channels + c]).sum();
        }
    }
    Ok(())
}

/// The vectors of a slab.
fn blocks_of(blocks: &Blocks, slab: usize, each: usize) -> std::ops::Range<usize> {
    let (group, part) = (slab / each, slab % each);
    let start = group * blocks.each;
    start + part * SLAB..start + ((part + 1) * SLAB).min(blocks.each)
}

/// Tokens of one document.
struct Segment {
    from: usize,
    tokens: usize,
    starts: bool,
}

/// A vector of channels of a row, and where its part of the sums for B and C goes.
#[derive(Clone, Copy)]
struct Part {
    row: usize,
    block: Block,
    slab: usize,
    slabs: usize,
    /// The slab's first vector, which writes the sums that later ones add to.
    first: bool,
}

impl Part {
    /// Where a token's part of the sums begins.
    #[inline(always)]
    fn sums_at(&self, scan: &Scan, t: usize) -> usize {
        ((self.row * scan.length + t) * self.slabs + self.slab) * scan.n
    }
}

by_isa!(fn run_block(
    scan: &Scan,
    part: Part,
    segments: &[Segment],
    gradients: &Gradients,
    scratch: &mut [f32],
) = block_body);

/// A segment's numbers, `[token][lanes]` or `[token][n][lanes]`.
struct Kept<'a> {
    delta: &'a mut [f32],
    /// Before the softplus.
    raw: &'a mut [f32],
    u: &'a mut [f32],
    /// delta u.
    input: &'a mut [f32],
    /// The gradient of the sum into y.
    dsum: &'a mut [f32],
    sum: &'a mut [f32],
    by_b: &'a mut [f32],
    by_a: &'a mut [f32],
    decays: &'a mut [f32],
    /// The state before the segment, then after each token.
    states: &'a mut [f32],
    /// B, C and their gradients, `[token][4][n]`.
    keys: &'a mut [f32],
}

#[inline(always)]
unsafe fn block_body<V: Lanes>(
    scan: &Scan,
    part: Part,
    segments: &[Segment],
    gradients: &Gradients,
    scratch: &mut [f32],
) {
    let Part { row, block, .. } = part;
    let (n, lanes, count) = (scan.n, V::N, block.count);
    let mut rest = scratch;
    let mut take = |size: usize| {
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(size);
        rest = after;
        piece
    };
    let [rates, log_rates, da, g, state] = [(); 5].map(|()| take(n * lanes));
    let before = take(segments.len() * n * lanes);
    let [delta, raw, u, input, dsum, sum, by_b, by_a] = [(); 8].map(|()| take(SEGMENT * lanes));
    let decays = take(SEGMENT * n * lanes);
    let states = take((SEGMENT + 1) * n * lanes);
    let keys = take(SEGMENT * 4 * n);
    let mut kept = Kept { delta, raw, u, input, dsum, sum, by_b, by_a, decays, states, keys };
    let stored = (row * scan.channels + block.from) * n;
    unsafe {
        for piece in [&mut *rates, &mut *state, &mut *g, &mut *da] {
            piece.fill(0.0);
        }
        transpose::<V>((scan.a.at(block.from * n), n), (rates.as_mut_ptr(), lanes), count, n);
        for (l, a) in log_rates.iter_mut().zip(&*rates) {
            *l = a * std::f32::consts::LOG2_E;
        }
        if let Some(from) = scan.state {
            transpose::<V>((from.at(stored), n), (state.as_mut_ptr(), lanes), count, n);
        }
        transpose::<V>((gradients.dstate.at(stored), n), (g.as_mut_ptr(), lanes), count, n);
        for (i, segment) in segments.iter().enumerate() {
            if segment.starts {
                state.fill(0.0);
            }
            before[i * n * lanes..][..n * lanes].copy_from_slice(state);
            if i + 1 < segments.len() {
                inputs::<V>(scan, part, segment, &mut kept);
                forward::<V, false>(n, segment.tokens, log_rates, state, &mut kept);
            }
        }
        let mut of_channels = [V::splat(0.0); 2];
        for (i, segment) in segments.iter().enumerate().rev() {
            state.copy_from_slice(&before[i * n * lanes..][..n * lanes]);
            inputs::<V>(scan, part, segment, &mut kept);
            forward::<V, true>(n, segment.tokens, log_rates, state, &mut kept);
            start_back::<V>(scan, part, gradients, segment, &mut kept);
            if i > 0 {
                for t in 0..AHEAD {
                    prefetch::<V>(scan, part, gradients, segments[i - 1].from + t);
                }
            }
            let whole = n / TILE * TILE;
            for j in (0..whole).step_by(TILE) {
                back_tile::<V, TILE>((j, n, segment.tokens), (rates, g, da), &mut kept);
            }
            for j in whole..n {
                back_tile::<V, 1>((j, n, segment.tokens), (rates, g, da), &mut kept);
            }
            end_back::<V>(scan, part, gradients, segment, &kept, &mut of_channels);
            if segment.starts {
                g.fill(0.0);
            }
        }
        if let Some(to) = gradients.state {
            transpose::<V>((g.as_ptr(), lanes), (to.at(stored), n), n, count);
        }
        transpose::<V>((da.as_ptr(), lanes), (gradients.a.at(stored), n), n, count);
        let channel = row * scan.channels + block.from;
        for (i, sum) in of_channels.into_iter().enumerate() {
            store_part(sum, gradients.channels.at(i * scan.batch * scan.channels + channel), count);
        }
        for t in scan.sequence.len(row)..scan.length {
            let at = scan.at(row, t, block);
            gradients.u.slice_mut(at, count).fill(0.0);
            gradients.delta.slice_mut(at, count).fill(0.0);
            if let Some(z) = gradients.z {
                z.slice_mut(at, count).fill(0.0);
            }
        }
    }
}

/// Asks for what going back over a token reads and writes.
#[inline(always)]
unsafe fn prefetch<V: Lanes>(scan: &Scan, part: Part, gradients: &Gradients, t: usize) {
    let at = scan.at(part.row, t, part.block);
    unsafe {
        scan.prefetch::<V>(part.row, t, part.block);
        V::prefetch(gradients.dy.near(at));
        V::prefetch(gradients.u.near(at));
        V::prefetch(gradients.delta.near(at));
        if let Some(z) = gradients.z {
            V::prefetch(z.near(at));
        }
        for j in (0..scan.n).step_by(WIDEST) {
            V::prefetch(gradients.b.near(part.sums_at(scan, t) + j));
            V::prefetch(gradients.c.near(part.sums_at(scan, t) + j));
        }
    }
}

/// Step sizes, inputs, B and C of a segment.
#[inline(always)]
unsafe fn inputs<V: Lanes>(scan: &Scan, part: Part, segment: &Segment, kept: &mut Kept) {
    let &Segment { from, tokens, .. } = segment;
    let (delta, raw, n) = (kept.delta.as_mut_ptr(), kept.raw.as_mut_ptr(), scan.n);
    unsafe {
        for t in 0..tokens {
            scan.prefetch::<V>(part.row, from + t + AHEAD, part.block);
            let one = (delta.add(t * V::N), raw.add(t * V::N));
            deltas::<V>(scan, part.row, (from + t, 1), part.block, one.0, Some(one.1));
            let u = load_part::<V>(scan.u.at(scan.at(part.row, from + t, part.block)), part.block.count);
            u.store(kept.u.as_mut_ptr().add(t * V::N));
            V::load(one.0).mul(u).store(kept.input.as_mut_ptr().add(t * V::N));
            let at = scan.b_at(part.row, from + t, part.block.group);
            let keys = kept.keys.as_mut_ptr().add(4 * t * n);
            copy::<V>(scan.b.at(at), keys, n);
            copy::<V>(scan.c.at(at), keys.add(n), n);
        }
    }
}

/// Runs a segment from a state to the next one; `KEEP` keeps decays and states.
#[inline(always)]
unsafe fn forward<V: Lanes, const KEEP: bool>(
    n: usize,
    tokens: usize,
    log_rates: &[f32],
    state: &mut [f32],
    kept: &mut Kept,
) {
    let whole = n / TILE * TILE;
    unsafe {
        for j in (0..whole).step_by(TILE) {
            forward_tile::<V, TILE, KEEP>((j, n, tokens), log_rates, state, kept);
        }
        for j in whole..n {
            forward_tile::<V, 1, KEEP>((j, n, tokens), log_rates, state, kept);
        }
    }
}

#[inline(always)]
unsafe fn forward_tile<V: Lanes, const NB: usize, const KEEP: bool>(
    (j, n, tokens): (usize, usize, usize),
    log_rates: &[f32],
    state: &mut [f32],
    kept: &mut Kept,
) {
    let lanes = V::N;
    unsafe {
        let rate: [V; NB] = load_all(log_rates.as_ptr().add(j * lanes), lanes);
        let mut s: [V; NB] = load_all(state.as_ptr().add(j * lanes), lanes);
        let states = kept.states.as_mut_ptr().add(j * lanes);
        if KEEP {
            store_all(s, states, lanes);
        }
        for t in 0..tokens {
            let d = V::load(kept.delta.as_ptr().add(t * lanes));
            let x = V::load(kept.input.as_ptr().add(t * lanes));
            let b = kept.keys.as_ptr().add(4 * t * n + j);
            for i in 0..NB {
                let decay = d.mul(rate[i]).exp2();
                s[i] = s[i].mul_add(decay, x.mul(V::splat(*b.add(i))));
                if KEEP {
                    decay.store(kept.decays.as_mut_ptr().add((t * n + j + i) * lanes));
                }
            }
            if KEEP {
                store_all(s, states.add((t + 1) * n * lanes), lanes);
            }
        }
        store_all(s, state.as_mut_ptr().add(j * lanes), lanes);
    }
}

/// The gradients of the sums into y, and zeros to sum into.
#[inline(always)]
unsafe fn start_back<V: Lanes>(
    scan: &Scan,
    part: Part,
    gradients: &Gradients,
    segment: &Segment,
    kept: &mut Kept,
) {
    let (size, count) = (segment.tokens * V::N, part.block.count);
    for sums in [&mut *kept.sum, &mut *kept.by_b, &mut *kept.by_a] {
        sums[..size].fill(0.0);
    }
    unsafe {
        for t in 0..segment.tokens {
            prefetch::<V>(scan, part, gradients, segment.from + t + AHEAD);
            let at = scan.at(part.row, segment.from + t, part.block);
            let mut dsum = load_part::<V>(gradients.dy.at(at), count);
            if let Some(z) = scan.z {
                dsum = dsum.mul(silu(load_part(z.at(at), count)));
            }
            dsum.store(kept.dsum.as_mut_ptr().add(t * V::N));
        }
    }
}

/// `NB` numbers of every channel's state, back over a segment.
#[inline(always)]
unsafe fn back_tile<V: Lanes, const NB: usize>(
    (j, n, tokens): (usize, usize, usize),
    (rates, g, da): (&[f32], &mut [f32], &mut [f32]),
    kept: &mut Kept,
) {
    let lanes = V::N;
    unsafe {
        let rate: [V; NB] = load_all(rates.as_ptr().add(j * lanes), lanes);
        let mut grad: [V; NB] = load_all(g.as_ptr().add(j * lanes), lanes);
        let mut by_rate: [V; NB] = load_all(da.as_ptr().add(j * lanes), lanes);
        let states = kept.states.as_ptr().add(j * lanes);
        let decays = kept.decays.as_ptr().add(j * lanes);
        let mut after: [V; NB] = load_all(states.add(tokens * n * lanes), lanes);
        for t in (0..tokens).rev() {
            let d = V::load(kept.delta.as_ptr().add(t * lanes));
            let x = V::load(kept.input.as_ptr().add(t * lanes));
            let dsum = V::load(kept.dsum.as_ptr().add(t * lanes));
            let mut sum = V::load(kept.sum.as_ptr().add(t * lanes));
            let mut by_b = V::load(kept.by_b.as_ptr().add(t * lanes));
            let mut by_a = V::load(kept.by_a.as_ptr().add(t * lanes));
            let b = kept.keys.as_mut_ptr().add(4 * t * n + j);
            let c = b.add(n);
            let [mut for_b, mut for_c] = [[V::splat(0.0); 4]; 2];
            for i in 0..NB {
                let c = V::splat(*c.add(i));
                let now = dsum.mul_add(c, grad[i]);
                for_b[i] = now.mul(x);
                for_c[i] = after[i].mul(dsum);
                sum = after[i].mul_add(c, sum);
                by_b = now.mul_add(V::splat(*b.add(i)), by_b);
                grad[i] = now.mul(V::load(decays.add((t * n + i) * lanes)));
                after[i] = V::load(states.add((t * n + i) * lanes));
                let by_decay = grad[i].mul(after[i]);
                by_a = by_decay.mul_add(rate[i], by_a);
                by_rate[i] = by_decay.mul_add(d, by_rate[i]);
            }
            b.add(2 * n).cast::<[f32; NB]>().write(first_of(V::sums(for_b)));
            b.add(3 * n).cast::<[f32; NB]>().write(first_of(V::sums(for_c)));
            sum.store(kept.sum.as_mut_ptr().add(t * lanes));
            by_b.store(kept.by_b.as_mut_ptr().add(t * lanes));
            by_a.store(kept.by_a.as_mut_ptr().add(t * lanes));
        }
        store_all(grad, g.as_mut_ptr().add(j * lanes), lanes);
        store_all(by_rate, da.as_mut_ptr().add(j * lanes), lanes);
    }
}

#[inline(always)]
fn first_of<const NB: usize>(four: [f32; 4]) -> [f32; NB] {
    std::array::from_fn(|i| four[i])
}

/// What a segment's sums give to u, delta and z, and to the bias and D of all tokens.
#[inline(always)]
unsafe fn end_back<V: Lanes>(
    scan: &Scan,
    part: Part,
    gradients: &Gradients,
    segment: &Segment,
    kept: &Kept,
    [dbias, dskip]: &mut [V; 2],
) {
    let (block, count) = (part.block, part.block.count);
    unsafe {
        let skip = scan.skip.map(|d| load_part::<V>(d.at(block.from), count));
        for t in 0..segment.tokens {
            let lane = t * V::N;
            let at = scan.at(part.row, segment.from + t, block);
            let u = V::load(kept.u.as_ptr().add(lane));
            let (mut sum, by_b, dsum) = (
                V::load(kept.sum.as_ptr().add(lane)),
                V::load(kept.by_b.as_ptr().add(lane)),
                V::load(kept.dsum.as_ptr().add(lane)),
            );
            let mut du = by_b.mul(V::load(kept.delta.as_ptr().add(lane)));
            if let Some(skip) = skip {
                du = dsum.mul_add(skip, du);
                sum = u.mul_add(skip, sum);
                *dskip = dsum.mul_add(u, *dskip);
            }
            let mut ddelta = by_b.mul_add(u, V::load(kept.by_a.as_ptr().add(lane)));
            if scan.softplus {
                ddelta = ddelta.mul(sigmoid(V::load(kept.raw.as_ptr().add(lane))));
            }
            *dbias = dbias.add(ddelta);
            store_part(du, gradients.u.at(at), count);
            store_part(ddelta, gradients.delta.at(at), count);
            let (n, sums) = (scan.n, part.sums_at(scan, segment.from + t));
            let own = kept.keys.as_ptr().add((4 * t + 2) * n);
            add_or_copy(gradients.b.slice_mut(sums, n), own, part.first);
            add_or_copy(gradients.c.slice_mut(sums, n), own.add(n), part.first);
            if let (Some(z), Some(to)) = (scan.z, gradients.z) {
                let (dy, z) = (load_part::<V>(gradients.dy.at(at), count), load_part(z.at(at), count));
                store_part(dy.mul(sum).mul(silu_slope(z)), to.at(at), count);
            }
        }
    }
}

/// The slab's first vector writes its sums, later ones add theirs.
#[inline(always)]
unsafe fn add_or_copy(to: &mut [f32], from: *const f32, first: bool) {
    let from = unsafe { std::slice::from_raw_parts(from, to.len()) };
    if first {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    } else {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
    }
}
