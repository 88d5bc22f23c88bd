//! The derivative of Mamba-2's recurrence, in the chunked form (Dao and Gu 2024, section 6): within a
//! run of tokens everything is small matrix products; between runs the state and its gradient pass.

use super::functions::{sigmoid, softplus};
use super::operands::{Floats, Operands, sum_parts};
use super::small::{Into, all, panelled, panels, product, transposed_panels};
use super::ssd::Ssd;
use super::transpose::transpose;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::expect_shape;
use crate::cpu::{Call, Isa};
use crate::error::Result;
use crate::tensor::Tensor;

/// Tokens of a run.
const Q: usize = 32;

/// What the threads write, and what is summed afterwards.
struct Gradients {
    x: Floats,
    a: Floats,
    /// Per head where heads share groups: `[b, l, h, n]`.
    b: Floats,
    c: Floats,
    state: Option<Floats>,
    /// `[b, h, 3]`: of A, the bias and D.
    scalars: Floats,
    dy: Floats,
    dstate: Floats,
}

/// `[..Ssd, dy [b, l, h, p], dstate [b, h, p, n], dx, da, dB, dC, (dA), (dbias), (dD), (dstate)]`: the
/// optional outputs are those whose inputs are there.
pub fn ssd_backward(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let ssd = Ssd::read(&mut operands)?;
    let Ssd { batch, length, heads, width, groups, n, .. } = ssd;
    let (x, a) = ([batch, length, heads, width], [batch, length, heads]);
    let (b, s) = ([batch, length, groups, n], [batch, heads, width, n]);
    let mut shaped = |name: &str, shape: &[usize]| -> Result<&Tensor> {
        let t = operands.required()?;
        expect_shape(name, t, shape)?;
        t.f32()?;
        Ok(t)
    };
    let (dy, dstate) = (shaped("dy", &x)?, shaped("dstate", &s)?);
    let (dx, da, db, dc) = (shaped("dx", &x)?, shaped("da", &a)?, shaped("dB", &b)?, shaped("dC", &b)?);
    let mut when = |given: bool, name: &str, shape: &[usize]| {
        if given { shaped(name, shape).map(Some) } else { Ok(None) }
    };
    let scalars = [
        when(ssd.decay_rate.is_some(), "dA", &[heads])?,
        when(ssd.bias.is_some(), "dbias", &[heads])?,
        when(ssd.skip.is_some(), "dD", &[heads])?,
    ];
    let dinitial = when(ssd.state.is_some(), "the initial state's gradient", &s)?;
    operands.end()?;

    let shared = groups != heads;
    let per_head = if shared { batch * length * heads * n } else { 0 };
    let (mut db_heads, mut dc_heads) = (vec![0f32; per_head], vec![0f32; per_head]);
    let mut sums = vec![0f32; batch * heads * 3];
    let over = |own: &mut Vec<f32>, t: &Tensor| -> Result<Floats> {
        if shared { Ok(Floats::over(own)) } else { Floats::of(t) }
    };
    let gradients = Gradients {
        x: Floats::of(dx)?,
        a: Floats::of(da)?,
        b: over(&mut db_heads, db)?,
        c: over(&mut dc_heads, dc)?,
        state: Floats::maybe(dinitial)?,
        scalars: Floats::over(&mut sums),
        dy: Floats::of(dy)?,
        dstate: Floats::of(dstate)?,
    };
    let isa = call.cpu.isa;
    let threads = &call.cpu.threads;
    threads.run(batch * heads, |item| {
        let (row, head) = (item / heads, item % heads);
        let runs = ssd.sequence.runs(row, Q).count();
        with_scratch(Scratch::size(&ssd, runs), |scratch| unsafe {
            run_head(isa, isa, &ssd, row, head, &gradients, scratch);
        });
    });
    if shared {
        let each = heads / groups;
        sum_parts(threads, gradients.b, db, each)?;
        sum_parts(threads, gradients.c, dc, each)?;
    }
    for (i, t) in scalars.into_iter().enumerate() {
        let Some(t) = t else { continue };
        for (head, to) in t.f32_mut()?.iter_mut().enumerate() {
            *to = (0..batch).map(|row| sums[(row * heads + head) * 3 + i]).sum();
        }
    }
    Ok(())
}

/// Parts of a thread's scratch by size.
struct Scratch {
    /// A panelled state `[p, n]`.
    state: usize,
    wide: usize,
    keys: usize,
}

impl Scratch {
    fn of(ssd: &Ssd) -> Scratch {
        Scratch {
            state: panelled(ssd.width, ssd.n),
            wide: ssd.width.next_multiple_of(16),
            keys: ssd.n.next_multiple_of(16),
        }
    }

    fn size(ssd: &Ssd, runs: usize) -> usize {
        let s = Scratch::of(ssd);
        let turned = panelled(ssd.n, ssd.width);
        (runs + 2) * s.state + turned + Q * (7 * s.wide + 6 * s.keys) + 7 * Q * Q + 1024
    }
}

/// Hands out pieces of a scratch.
struct Pieces<'a>(&'a mut [f32]);

impl<'a> Pieces<'a> {
    fn take(&mut self, n: usize) -> *mut f32 {
        let all = std::mem::take(&mut self.0);
        let (piece, rest) = all.split_at_mut(n.next_multiple_of(16));
        self.0 = rest;
        piece.as_mut_ptr()
    }
}

by_isa!(fn run_head(
    isa: Isa,
    ssd: &Ssd,
    row: usize,
    head: usize,
    gradients: &Gradients,
    scratch: &mut [f32],
) = head_body);

/// Tokens `from` on of one head.
struct Run {
    from: usize,
    count: usize,
    starts: bool,
}

#[inline(always)]
unsafe fn head_body<V: Lanes>(
    isa: Isa,
    ssd: &Ssd,
    row: usize,
    head: usize,
    gradients: &Gradients,
    scratch: &mut [f32],
) {
    let (p, n) = (ssd.width, ssd.n);
    let sizes = Scratch::of(ssd);
    let (wide, keys) = (sizes.wide, sizes.keys);
    let runs: Vec<Run> =
        ssd.sequence.runs(row, Q).map(|(from, count, starts)| Run { from, count, starts }).collect();
    let mut pieces = Pieces(scratch);
    let states = pieces.take(runs.len().max(1) * sizes.state);
    let dstate = pieces.take(sizes.state);
    let turned = pieces.take(panelled(n, p));
    let [xs, x_end, dy_start, dx] = [(); 4].map(|()| pieces.take(Q * wide));
    let turned_rows = pieces.take(Q * wide);
    let x_turned = pieces.take(panelled(p, Q).max(Q * wide));
    let dy_panels = pieces.take(panelled(Q, p));
    let [db, dc, b_panels, c_panels] = [(); 4].map(|()| pieces.take(Q * keys));
    let b_turned = pieces.take(panelled(n, Q).max(Q * keys));
    let [k, g, l, gl, kl, turned_square] = [(); 6].map(|()| pieces.take(Q * Q));
    let stored = ssd.state_at(row, head);
    let whole = |t: *mut f32, n: usize| unsafe { std::slice::from_raw_parts_mut(t, n) };
    let b_stride = ssd.groups * n;
    let x_stride = ssd.heads * p;
    let (mut decay, mut weight, mut start, mut end) = ([0.0; Q], [0.0; Q], [0.0; Q], [0.0; Q]);
    let (mut d_log, mut d_weight) = ([0.0; Q], [0.0; Q]);
    let mut sums = [0.0f32; 3];
    unsafe {
        // Forward: the state before every run.
        match ssd.state {
            Some(from) => panels(from.at(stored), n, p, n, states),
            None => whole(states, sizes.state).fill(0.0),
        }
        for (i, run) in runs.iter().enumerate() {
            let state = states.add(i * sizes.state);
            if run.starts {
                whole(state, sizes.state).fill(0.0);
            }
            let Some(following) = runs.get(i + 1) else { break };
            prefetch::<V>(ssd, row, head, following, None);
            let q = run.count;
            ssd.decays(row, run.from, head, &mut decay[..q], &mut weight[..q]);
            through(&decay[..q], &mut start, &mut end);
            scale_rows(ssd.x.at(ssd.x_at(row, run.from, head)), x_stride, p, q, x_end, wide, |t| {
                weight[t] * end[t]
            });
            transpose::<V>((x_end, wide), (turned_rows, Q), q, p);
            panels(ssd.b.at(ssd.b_at(row, run.from, head)), b_stride, q, n, b_panels);
            let (kept, next) = (start[q - 1], state.add(sizes.state));
            for at in 0..sizes.state {
                *next.add(at) = kept * *state.add(at);
            }
            product(isa, (p, n, q), (turned_rows, Q), b_panels, Into::Panels(next, p), all(q));
        }

        panels(gradients.dstate.at(stored), n, p, n, dstate);
        for (i, run) in runs.iter().enumerate().rev() {
            let (from, q) = (run.from, run.count);
            let before = states.add(i * sizes.state);
            if i > 0 {
                prefetch::<V>(ssd, row, head, &runs[i - 1], Some(gradients));
            }
            let (x_at, b_at) = (ssd.x_at(row, from, head), ssd.b_at(row, from, head));
            ssd.decays(row, from, head, &mut decay[..q], &mut weight[..q]);
            through(&decay[..q], &mut start, &mut end);
            let (x, dy) = (ssd.x.at(x_at), gradients.dy.at(x_at));
            // What enters the state: x itself where inputs have no weights.
            let (xs, xs_stride) = match ssd.decay_rate {
                Some(_) => {
                    scale_rows(x, x_stride, p, q, xs, wide, |t| weight[t]);
                    (xs.cast_const(), wide)
                }
                None => (x.cast_const(), x_stride),
            };
            scale_rows(xs, xs_stride, p, q, x_end, wide, |t| end[t]);
            scale_rows(dy, x_stride, p, q, dy_start, wide, |t| start[t]);
            let (b, c) = (ssd.b.at(b_at).cast_const(), ssd.c.at(b_at).cast_const());
            panels(b, b_stride, q, n, b_panels);
            panels(c, b_stride, q, n, c_panels);
            panels(dy, x_stride, q, p, dy_panels);
            transposed_panels::<V>(b, b_stride, q, n, b_turned);
            transposed_panels::<V>(xs, xs_stride, q, p, x_turned);
            // Within the run.
            whole(k, Q * Q).fill(0.0);
            whole(g, Q * Q).fill(0.0);
            lower(isa, (q, n), (c, b_stride), b_turned, k);
            lower(isa, (q, p), (dy, x_stride), x_turned, g);
            between(&decay[..q], l);
            for at in 0..Q * q {
                *kl.add(at) = *k.add(at) * *l.add(at);
                *gl.add(at) = *g.add(at) * *l.add(at);
            }
            decay_gradients(q, k, gl, &mut d_log);
            // From the state before the run.
            whole(dc, Q * keys).fill(0.0);
            product(isa, (q, n, p), (dy_start, wide), before, Into::Rows(dc, keys), all(p));
            let mut later = 0.0;
            for t in (0..q).rev() {
                later += dot::<V>(dc.add(t * keys), c.add(t * b_stride), n);
                d_log[t] += later;
            }
            // To the state after it.
            turn::<V>(dstate, p, n, turned);
            whole(db, Q * keys).fill(0.0);
            product(isa, (q, n, p), (x_end, wide), dstate, Into::Rows(db, keys), all(p));
            whole(dx, Q * wide).fill(0.0);
            product(isa, (q, p, n), (b, b_stride), turned, Into::Rows(dx, wide), all(n));
            let mut earlier = 0.0;
            for t in 0..q {
                d_log[t] += earlier;
                let row = whole(dx.add(t * wide), p);
                row.iter_mut().for_each(|v| *v *= end[t]);
                earlier += dot::<V>(row.as_ptr(), xs.add(t * xs_stride), p);
            }
            let kept = start[q - 1];
            let through_all = kept * dot::<V>(dstate, before, sizes.state);
            d_log[..q].iter_mut().for_each(|d| *d += through_all);
            // And within it.
            let seen_by = |s: usize, _: usize| s..q;
            let sees = |t: usize, rows: usize| 0..(t + rows).min(q);
            product(isa, (q, n, q), (gl, Q), b_panels, Into::Rows(dc, keys), sees);
            transpose::<V>((kl, Q), (turned_square, Q), q, q);
            product(isa, (q, p, q), (turned_square, Q), dy_panels, Into::Rows(dx, wide), seen_by);
            transpose::<V>((gl, Q), (turned_square, Q), q, q);
            product(isa, (q, n, q), (turned_square, Q), c_panels, Into::Rows(db, keys), seen_by);
            // The state's gradient before the run.
            if run.starts {
                whole(dstate, sizes.state).fill(0.0);
            } else {
                whole(dstate, sizes.state).iter_mut().for_each(|s| *s *= kept);
                transpose::<V>((dy_start, wide), (turned_rows, Q), q, p);
                product(isa, (p, n, q), (turned_rows, Q), c_panels, Into::Panels(dstate, p), all(q));
            }
            // Out.
            let skip = ssd.skip.map(|d| d.get(head));
            for t in 0..q {
                let dx = whole(dx.add(t * wide), p);
                let (x, dy) = (x.add(t * x_stride), gradients.dy.slice(x_at + t * x_stride, p));
                if ssd.decay_rate.is_some() {
                    d_weight[t] = dot::<V>(dx.as_ptr(), x, p);
                }
                let out = gradients.x.slice_mut(x_at + t * x_stride, p);
                let w = weight[t];
                for ((out, dx), dy) in out.iter_mut().zip(dx).zip(dy) {
                    *out = w * *dx + skip.unwrap_or(0.0) * dy;
                }
                if skip.is_some() {
                    sums[2] += dot::<V>(x, dy.as_ptr(), p);
                }
                let at = ((row * ssd.length + from + t) * ssd.heads + head) * n;
                gradients.b.slice_mut(at, n).copy_from_slice(whole(db.add(t * keys), n));
                gradients.c.slice_mut(at, n).copy_from_slice(whole(dc.add(t * keys), n));
            }
            for t in 0..q {
                let at = (row * ssd.length + from + t) * ssd.heads + head;
                let raw = ssd.a.get(at);
                let Some(rate) = ssd.decay_rate else {
                    *gradients.a.at(at) = -sigmoid(raw) * d_log[t];
                    continue;
                };
                let shifted = raw + ssd.bias.map_or(0.0, |b| b.get(head));
                let step = if ssd.softplus { softplus(shifted) } else { shifted };
                let slope = if ssd.softplus { sigmoid(shifted) } else { 1.0 };
                let d = (d_weight[t] + rate.get(head) * d_log[t]) * slope;
                *gradients.a.at(at) = d;
                sums[0] += step * d_log[t];
                sums[1] += d;
            }
        }
        if let Some(out) = gradients.state {
            for r in 0..p {
                for j in 0..n {
                    *out.at(stored + r * n + j) = *dstate.add((j / 16 * p + r) * 16 + j % 16);
                }
            }
        }
        for t in ssd.sequence.len(row)..ssd.length {
            gradients.x.slice_mut(ssd.x_at(row, t, head), p).fill(0.0);
            let at = (row * ssd.length + t) * ssd.heads + head;
            *gradients.a.at(at) = 0.0;
            gradients.b.slice_mut(at * n, n).fill(0.0);
            gradients.c.slice_mut(at * n, n).fill(0.0);
        }
        gradients.scalars.slice_mut((row * ssd.heads + head) * 3, 3).copy_from_slice(&sums);
    }
}

/// `c [q, Q] += a b` where a column's number is at most the row's (and in some places beyond): `a [q, k]`
/// with this stride, b panelled.
#[inline(always)]
unsafe fn lower(isa: Isa, (q, k): (usize, usize), (a, lda): (*const f32, usize), b: *const f32, c: *mut f32) {
    for from in (0..q).step_by(16) {
        unsafe {
            let into = Into::Rows(c.add(from * Q + from), Q);
            product(isa, (q - from, 16, k), (a.add(from * lda), lda), b.add(from * k), into, all(k));
        }
    }
}

/// Products of decays from the run's start up to each token, and after it to the run's end.
#[inline(always)]
fn through(decay: &[f32], start: &mut [f32; Q], end: &mut [f32; Q]) {
    let mut product = 1.0;
    for (d, s) in decay.iter().zip(start) {
        product *= d;
        *s = product;
    }
    product = 1.0;
    for (t, d) in decay.iter().enumerate().rev() {
        end[t] = product;
        product *= d;
    }
}

/// `l[t][s]`: the product of the decays after s up to t, 0 where s is after t.
#[inline(always)]
unsafe fn between(decay: &[f32], l: *mut f32) {
    for (t, d) in decay.iter().enumerate() {
        unsafe {
            for s in 0..Q {
                *l.add(t * Q + s) = if t > 0 && s < t { *l.add((t - 1) * Q + s) * d } else { 0.0 };
            }
            *l.add(t * Q + t) = 1.0;
        }
    }
}

/// Of the decays' logarithms, from pairs within the run: token r decays what s < r gives to t >= r.
#[inline(always)]
unsafe fn decay_gradients(q: usize, k: *const f32, gl: *const f32, to: &mut [f32; Q]) {
    to.fill(0.0);
    for t in 0..q {
        let mut before = 0.0;
        for (s, to) in to[1..=t].iter_mut().enumerate() {
            before += unsafe { *k.add(t * Q + s) * *gl.add(t * Q + s) };
            *to += before;
        }
    }
}

/// Rows times a number each, `[q][stride]`; what lies beyond them is 0.
#[inline(always)]
unsafe fn scale_rows(
    from: *const f32,
    ld: usize,
    n: usize,
    q: usize,
    to: *mut f32,
    stride: usize,
    by: impl Fn(usize) -> f32,
) {
    for t in 0..q {
        let by = by(t);
        unsafe {
            let from = std::slice::from_raw_parts(from.add(t * ld), n);
            let to = std::slice::from_raw_parts_mut(to.add(t * stride), stride);
            to.iter_mut().zip(from).for_each(|(to, v)| *to = by * v);
            to[n..].fill(0.0);
        }
    }
}

/// A panelled `[p, n]` as a panelled `[n, p]`; what lies beyond p is 0.
#[inline(always)]
unsafe fn turn<V: Lanes>(from: *const f32, p: usize, n: usize, to: *mut f32) {
    for r in (0..p).step_by(16) {
        for j in (0..n).step_by(16) {
            let (rows, columns) = ((p - r).min(16), (n - j).min(16));
            unsafe {
                let to = to.add(r * n + j * 16);
                if rows < 16 {
                    std::slice::from_raw_parts_mut(to, columns * 16).fill(0.0);
                }
                transpose::<V>((from.add(j * p + r * 16), 16), (to, 16), rows, columns);
            }
        }
    }
}

/// Asks for what a run reads and, going back, writes.
#[inline(always)]
unsafe fn prefetch<V: Lanes>(ssd: &Ssd, row: usize, head: usize, run: &Run, back: Option<&Gradients>) {
    for t in run.from..run.from + run.count {
        let (x, keys) = (ssd.x_at(row, t, head), ssd.b_at(row, t, head));
        let own = ((row * ssd.length + t) * ssd.heads + head) * ssd.n;
        unsafe {
            for c in (0..ssd.width).step_by(16) {
                V::prefetch(ssd.x.near(x + c));
                if let Some(g) = back {
                    V::prefetch(g.dy.near(x + c));
                    V::prefetch(g.x.near(x + c));
                }
            }
            for j in (0..ssd.n).step_by(16) {
                V::prefetch(ssd.b.near(keys + j));
                if let Some(g) = back {
                    V::prefetch(ssd.c.near(keys + j));
                    V::prefetch(g.b.near(own + j));
                    V::prefetch(g.c.near(own + j));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn dot<V: Lanes>(a: *const f32, b: *const f32, n: usize) -> f32 {
    unsafe {
        let mut sums = [V::splat(0.0); 4];
        let (many, whole) = (n / (4 * V::N) * 4 * V::N, n / V::N * V::N);
        for i in (0..many).step_by(4 * V::N) {
            for (v, sum) in sums.iter_mut().enumerate() {
                let at = i + v * V::N;
                *sum = V::load(a.add(at)).mul_add(V::load(b.add(at)), *sum);
            }
        }
        for i in (many..whole).step_by(V::N) {
            sums[0] = V::load(a.add(i)).mul_add(V::load(b.add(i)), sums[0]);
        }
        let sum = sums[0].add(sums[1]).add(sums[2].add(sums[3]));
        (whole..n).fold(sum.sum(), |sum, i| sum + *a.add(i) * *b.add(i))
    }
}
