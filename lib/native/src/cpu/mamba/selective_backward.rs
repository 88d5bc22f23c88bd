//! The derivative of the selective scan: segments of the sequence are run forward once more, keeping
//! decays and states, and then backward.

use super::operands::{Floats, Operands, sum_parts};
use super::selective::{Block, Blocks, Scan, deltas};
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
        let size = WIDEST * (n * (segments.len() + 2 * SEGMENT + 6) + 7 * SEGMENT);
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
    let [delta, raw, input, dsum, sum, by_b, by_a] = [(); 7].map(|()| take(SEGMENT * lanes));
    let decays = take(SEGMENT * n * lanes);
    let states = take((SEGMENT + 1) * n * lanes);
    let mut kept = Kept { delta, raw, input, dsum, sum, by_b, by_a, decays, states };
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
                let next = &segments[i + 1];
                for t in next.from..next.from + next.tokens {
                    scan.prefetch::<V>(row, t, block);
                }
                inputs::<V>(scan, part, segment, &mut kept);
                forward::<V, false>(scan, part, segment, log_rates, state, &mut kept);
            }
        }
        let mut of_channels = [V::splat(0.0); 2];
        for (i, segment) in segments.iter().enumerate().rev() {
            if i > 0 {
                prefetch::<V>(scan, part, gradients, &segments[i - 1]);
            }
            state.copy_from_slice(&before[i * n * lanes..][..n * lanes]);
            inputs::<V>(scan, part, segment, &mut kept);
            forward::<V, true>(scan, part, segment, log_rates, state, &mut kept);
            start_back::<V>(scan, part, gradients, segment, &mut kept);
            let whole = n / TILE * TILE;
            for j in (0..whole).step_by(TILE) {
                back_tile::<V, TILE>(scan, part, gradients, segment, j, (rates, g, da), &mut kept);
            }
            for j in whole..n {
                back_tile::<V, 1>(scan, part, gradients, segment, j, (rates, g, da), &mut kept);
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

/// Asks for what going back over a segment reads and writes.
#[inline(always)]
unsafe fn prefetch<V: Lanes>(scan: &Scan, part: Part, gradients: &Gradients, segment: &Segment) {
    for t in segment.from..segment.from + segment.tokens {
        let at = scan.at(part.row, t, part.block);
        let sums = ((part.row * scan.length + t) * part.slabs + part.slab) * scan.n;
        unsafe {
            scan.prefetch::<V>(part.row, t, part.block);
            V::prefetch(gradients.dy.near(at));
            V::prefetch(gradients.u.near(at));
            V::prefetch(gradients.delta.near(at));
            if let Some(z) = gradients.z {
                V::prefetch(z.near(at));
            }
            for j in (0..scan.n).step_by(WIDEST) {
                V::prefetch(gradients.b.near(sums + j));
                V::prefetch(gradients.c.near(sums + j));
            }
        }
    }
}

/// Step sizes and inputs of a segment.
#[inline(always)]
unsafe fn inputs<V: Lanes>(scan: &Scan, part: Part, segment: &Segment, kept: &mut Kept) {
    let &Segment { from, tokens, .. } = segment;
    let (delta, raw) = (kept.delta.as_mut_ptr(), kept.raw.as_mut_ptr());
    unsafe {
        deltas::<V>(scan, part.row, (from, tokens), part.block, delta, Some(raw));
        for t in 0..tokens {
            let u = load_part::<V>(scan.u.at(scan.at(part.row, from + t, part.block)), part.block.count);
            V::load(delta.add(t * V::N)).mul(u).store(kept.input.as_mut_ptr().add(t * V::N));
        }
    }
}

/// Runs a segment from a state to the next one; `KEEP` keeps decays and states.
#[inline(always)]
unsafe fn forward<V: Lanes, const KEEP: bool>(
    scan: &Scan,
    part: Part,
    segment: &Segment,
    log_rates: &[f32],
    state: &mut [f32],
    kept: &mut Kept,
) {
    let n = scan.n;
    let whole = n / TILE * TILE;
    unsafe {
        for j in (0..whole).step_by(TILE) {
            forward_tile::<V, TILE, KEEP>(scan, part, segment, j, log_rates, state, kept);
        }
        for j in whole..n {
            forward_tile::<V, 1, KEEP>(scan, part, segment, j, log_rates, state, kept);
        }
    }
}

#[inline(always)]
unsafe fn forward_tile<V: Lanes, const NB: usize, const KEEP: bool>(
    scan: &Scan,
    part: Part,
    segment: &Segment,
    j: usize,
    log_rates: &[f32],
    state: &mut [f32],
    kept: &mut Kept,
) {
    let (n, lanes) = (scan.n, V::N);
    unsafe {
        let rate: [V; NB] = load_all(log_rates.as_ptr().add(j * lanes), lanes);
        let mut s: [V; NB] = load_all(state.as_ptr().add(j * lanes), lanes);
        let states = kept.states.as_mut_ptr().add(j * lanes);
        if KEEP {
            store_all(s, states, lanes);
        }
        for t in 0..segment.tokens {
            let d = V::load(kept.delta.as_ptr().add(t * lanes));
            let x = V::load(kept.input.as_ptr().add(t * lanes));
            let b = scan.b.at(scan.b_at(part.row, segment.from + t, part.block.group) + j);
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
    scan: &Scan,
    part: Part,
    gradients: &Gradients,
    segment: &Segment,
    j: usize,
    (rates, g, da): (&[f32], &mut [f32], &mut [f32]),
    kept: &mut Kept,
) {
    let (n, lanes) = (scan.n, V::N);
    unsafe {
        let rate: [V; NB] = load_all(rates.as_ptr().add(j * lanes), lanes);
        let mut grad: [V; NB] = load_all(g.as_ptr().add(j * lanes), lanes);
        let mut by_rate: [V; NB] = load_all(da.as_ptr().add(j * lanes), lanes);
        let states = kept.states.as_ptr().add(j * lanes);
        let decays = kept.decays.as_ptr().add(j * lanes);
        let mut after: [V; NB] = load_all(states.add(segment.tokens * n * lanes), lanes);
        for t in (0..segment.tokens).rev() {
            let d = V::load(kept.delta.as_ptr().add(t * lanes));
            let x = V::load(kept.input.as_ptr().add(t * lanes));
            let dsum = V::load(kept.dsum.as_ptr().add(t * lanes));
            let mut sum = V::load(kept.sum.as_ptr().add(t * lanes));
            let mut by_b = V::load(kept.by_b.as_ptr().add(t * lanes));
            let mut by_a = V::load(kept.by_a.as_ptr().add(t * lanes));
            let keys = scan.b_at(part.row, segment.from + t, part.block.group) + j;
            let (b, c) = (scan.b.at(keys), scan.c.at(keys));
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
            let out = ((part.row * scan.length + segment.from + t) * part.slabs + part.slab) * n + j;
            give(gradients.b.slice_mut(out, NB), V::sums(for_b), part.first);
            give(gradients.c.slice_mut(out, NB), V::sums(for_c), part.first);
            sum.store(kept.sum.as_mut_ptr().add(t * lanes));
            by_b.store(kept.by_b.as_mut_ptr().add(t * lanes));
            by_a.store(kept.by_a.as_mut_ptr().add(t * lanes));
        }
        store_all(grad, g.as_mut_ptr().add(j * lanes), lanes);
        store_all(by_rate, da.as_mut_ptr().add(j * lanes), lanes);
    }
}

/// Writes the first vector's sums, adds the later ones'.
#[inline(always)]
fn give(to: &mut [f32], sums: [f32; 4], first: bool) {
    for (to, sum) in to.iter_mut().zip(sums) {
        *to = if first { sum } else { *to + sum };
    }
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
            let u = load_part::<V>(scan.u.at(at), count);
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
            if let (Some(z), Some(to)) = (scan.z, gradients.z) {
                let (dy, z) = (load_part::<V>(gradients.dy.at(at), count), load_part(z.at(at), count));
                store_part(dy.mul(sum).mul(silu_slope(z)), to.at(at), count);
            }
        }
    }
}
