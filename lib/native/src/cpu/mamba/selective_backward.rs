//! The derivative of the selective scan: segments of the sequence are run forward once more, keeping
//! decays and states, and then backward.

use super::operands::{Floats, Operands, sum_parts};
use super::selective::{Block, Blocks, Scan, deltas};
use super::transpose::transpose;
use super::vectors::{WIDEST, load_part, sigmoid, silu, silu_slope, store_part};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::expect_shape;
use crate::error::Result;
use crate::tensor::Tensor;

/// Tokens of a segment: their decays and states fit a core's second cache.
const SEGMENT: usize = 256;
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
    let segments = length.div_ceil(SEGMENT);
    let size = WIDEST * (n * (segments + 2 * SEGMENT + 6) + 2 * SEGMENT);
    threads.run(batch * slabs, |item| {
        let (row, slab) = (item / slabs, item % slabs);
        with_scratch(size, |scratch| unsafe {
            for t in 0..length {
                let at = ((row * length + t) * slabs + slab) * n;
                gradients.b.slice_mut(at, n).fill(0.0);
                gradients.c.slice_mut(at, n).fill(0.0);
            }
            for i in blocks_of(&blocks, slab, each) {
                run_block(isa, &scan, row, blocks.block(i), (slab, slabs), &gradients, scratch);
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

by_isa!(fn run_block(
    scan: &Scan,
    row: usize,
    block: Block,
    slab: (usize, usize),
    gradients: &Gradients,
    scratch: &mut [f32],
) = block_body);

#[inline(always)]
unsafe fn block_body<V: Lanes>(
    scan: &Scan,
    row: usize,
    block: Block,
    (slab, slabs): (usize, usize),
    gradients: &Gradients,
    scratch: &mut [f32],
) {
    let (n, lanes, count) = (scan.n, V::N, block.count);
    let len = scan.sequence.len(row);
    let segments = len.div_ceil(SEGMENT);
    let mut rest = scratch;
    let mut take = |size: usize| {
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(size);
        rest = after;
        piece
    };
    let rates = take(n * lanes);
    let log_rates = take(n * lanes);
    let da = take(n * lanes);
    let g = take(n * lanes);
    let first = take(n * lanes);
    let kept = take(scan.length.div_ceil(SEGMENT) * n * lanes);
    let decays = take(SEGMENT * n * lanes);
    let states = take((SEGMENT + 1) * n * lanes);
    let delta = take(SEGMENT * lanes);
    let raw = take(SEGMENT * lanes);
    let stored = (row * scan.channels + block.from) * n;
    let at = |t: usize| (row * scan.length + t) * scan.channels + block.from;
    unsafe {
        for part in [&mut *rates, &mut *first, &mut *g] {
            part.fill(0.0);
        }
        da.fill(0.0);
        transpose::<V>((scan.a.at(block.from * n), n), (rates.as_mut_ptr(), lanes), count, n);
        for (l, a) in log_rates.iter_mut().zip(&*rates) {
            *l = a * std::f32::consts::LOG2_E;
        }
        if let Some(from) = scan.state {
            transpose::<V>((from.at(stored), n), (first.as_mut_ptr(), lanes), count, n);
        }
        transpose::<V>((gradients.dstate.at(stored), n), (g.as_mut_ptr(), lanes), count, n);

        let (delta, raw) = (delta.as_mut_ptr(), raw.as_mut_ptr());
        let log_rates = log_rates.as_ptr();
        states[..n * lanes].copy_from_slice(first);
        for i in 0..segments {
            kept[i * n * lanes..][..n * lanes].copy_from_slice(&states[..n * lanes]);
            if i + 1 < segments {
                forward::<V>(
                    scan,
                    row,
                    (i * SEGMENT, SEGMENT),
                    block,
                    log_rates,
                    (delta, raw),
                    states,
                    decays,
                );
                states.copy_within(SEGMENT * n * lanes.., 0);
            }
        }
        let skip = scan.skip.map(|d| load_part::<V>(d.at(block.from), count));
        let (mut dbias, mut dskip) = (V::splat(0.0), V::splat(0.0));
        for i in (0..segments).rev() {
            let (from, tokens) = (i * SEGMENT, SEGMENT.min(len - i * SEGMENT));
            states[..n * lanes].copy_from_slice(&kept[i * n * lanes..][..n * lanes]);
            forward::<V>(scan, row, (from, tokens), block, log_rates, (delta, raw), states, decays);
            for t in (0..tokens).rev() {
                let d = V::load(delta.add(t * lanes));
                let at = at(from + t);
                let u = load_part::<V>(scan.u.at(at), count);
                let x = d.mul(u);
                let dy = load_part::<V>(gradients.dy.at(at), count);
                let z = scan.z.map(|z| load_part::<V>(z.at(at), count));
                let dsum = match z {
                    Some(z) => dy.mul(silu(z)),
                    None => dy,
                };
                let starts = scan.sequence.starts(row, from + t);
                let key = scan.b_at(row, from + t, block.group);
                let (b, c) = (scan.b.at(key), scan.c.at(key));
                let out = ((row * scan.length + from + t) * slabs + slab) * n;
                let (db, dc) = (gradients.b.at(out), gradients.c.at(out));
                let [mut sum, mut by_b, mut by_a] = [V::splat(0.0); 3];
                for j in 0..n {
                    let s = V::load(states.as_ptr().add(((t + 1) * n + j) * lanes));
                    let decay = V::load(decays.as_ptr().add((t * n + j) * lanes));
                    let c = V::splat(*c.add(j));
                    let slot = g.as_mut_ptr().add(j * lanes);
                    let now = dsum.mul_add(c, V::load(slot));
                    *dc.add(j) += s.mul(dsum).sum();
                    *db.add(j) += now.mul(x).sum();
                    sum = s.mul_add(c, sum);
                    by_b = now.mul_add(V::splat(*b.add(j)), by_b);
                    if starts {
                        V::splat(0.0).store(slot);
                        continue;
                    }
                    let earlier = now.mul(decay);
                    earlier.store(slot);
                    let by_decay = earlier.mul(V::load(states.as_ptr().add((t * n + j) * lanes)));
                    by_a = by_decay.mul_add(V::load(rates.as_ptr().add(j * lanes)), by_a);
                    let to = da.as_mut_ptr().add(j * lanes);
                    by_decay.mul_add(d, V::load(to)).store(to);
                }
                let mut du = by_b.mul(d);
                if let Some(skip) = skip {
                    du = dsum.mul_add(skip, du);
                    sum = u.mul_add(skip, sum);
                    dskip = dsum.mul_add(u, dskip);
                }
                let mut ddelta = by_b.mul_add(u, by_a);
                if scan.softplus {
                    ddelta = ddelta.mul(sigmoid(V::load(raw.add(t * lanes))));
                }
                dbias = dbias.add(ddelta);
                store_part(du, gradients.u.at(at), count);
                store_part(ddelta, gradients.delta.at(at), count);
                if let (Some(z), Some(to)) = (z, gradients.z) {
                    store_part(dy.mul(sum).mul(silu_slope(z)), to.at(at), count);
                }
            }
        }
        if let Some(to) = gradients.state {
            transpose::<V>((g.as_ptr(), lanes), (to.at(stored), n), n, count);
        }
        transpose::<V>((da.as_ptr(), lanes), (gradients.a.at(stored), n), n, count);
        let channel = row * scan.channels + block.from;
        store_part(dbias, gradients.channels.at(channel), count);
        store_part(dskip, gradients.channels.at(scan.batch * scan.channels + channel), count);
        for t in len..scan.length {
            gradients.u.slice_mut(at(t), count).fill(0.0);
            gradients.delta.slice_mut(at(t), count).fill(0.0);
            if let Some(z) = gradients.z {
                z.slice_mut(at(t), count).fill(0.0);
            }
        }
    }
}

/// Runs a segment from the state in `states`' first place, keeping decays and states. A function and
/// no closure: one that is not inlined is compiled without its caller's instructions.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn forward<V: Lanes>(
    scan: &Scan,
    row: usize,
    (from, tokens): (usize, usize),
    block: Block,
    log_rates: *const f32,
    (delta, raw): (*mut f32, *mut f32),
    states: &mut [f32],
    decays: &mut [f32],
) {
    let (n, lanes) = (scan.n, V::N);
    unsafe {
        deltas::<V>(scan, row, (from, tokens), block, delta, Some(raw));
        for t in 0..tokens {
            let at = (row * scan.length + from + t) * scan.channels + block.from;
            let d = V::load(delta.add(t * lanes));
            let x = d.mul(load_part::<V>(scan.u.at(at), block.count));
            let b = scan.b.at(scan.b_at(row, from + t, block.group));
            let starts = scan.sequence.starts(row, from + t);
            for j in 0..n {
                let decay = d.mul(V::load(log_rates.add(j * lanes))).exp2();
                decay.store(decays.as_mut_ptr().add((t * n + j) * lanes));
                let before = match starts {
                    true => V::splat(0.0),
                    false => V::load(states.as_ptr().add((t * n + j) * lanes)),
                };
                let s = before.mul_add(decay, x.mul(V::splat(*b.add(j))));
                s.store(states.as_mut_ptr().add(((t + 1) * n + j) * lanes));
            }
        }
    }
}
