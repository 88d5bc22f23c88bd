//! The mixer matrix of the discrete SSD: M[t, s] = (C_t . B_s) d_{s+1} ... d_t + [t = s] D for s <= t.

use super::functions::sigmoid;
use super::operands::{Floats, Operands, sum_parts};
use super::sequence::Sequence;
use super::small::{Into, all, panelled, panels, product, transposed_panels};
use super::transpose::transpose;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cpu::{Call, Isa};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;

/// Rows that are made together.
const BLOCK: usize = 32;

struct Inputs<'a> {
    a: Floats,
    b: Floats,
    c: Floats,
    skip: Option<Floats>,
    sequence: Sequence<'a>,
    batch: usize,
    length: usize,
    heads: usize,
    groups: usize,
    n: usize,
}

impl<'a> Inputs<'a> {
    /// Reads `[a [b, l, h], B [b, l, g, n], C [b, l, g, n], (D [h]), (resets i32 [b, l])]`; attributes
    /// say which of the two are there.
    fn read(operands: &mut Operands<'a>) -> Result<Inputs<'a>> {
        let (a, b, c) = (operands.required()?, operands.required()?, operands.required()?);
        let [batch, length, heads] = dims("a", a)?;
        let [_, _, groups, n] = dims("B", b)?;
        expect_shape("B", b, &[batch, length, groups, n])?;
        expect_shape("C", c, &[batch, length, groups, n])?;
        ensure!(groups > 0 && heads % groups == 0, "{groups} groups do not divide {heads} heads");
        let skip = operands.optional()?;
        if let Some(skip) = skip {
            expect_shape("D", skip, &[heads])?;
        }
        let sequence = Sequence::new(None, operands.optional()?, batch, length)?;
        Ok(Inputs {
            a: Floats::of(a)?,
            b: Floats::of(b)?,
            c: Floats::of(c)?,
            skip: Floats::maybe(skip)?,
            sequence,
            batch,
            length,
            heads,
            groups,
            n,
        })
    }

    /// Where token t's B and C begin.
    #[inline(always)]
    fn key_at(&self, row: usize, t: usize, head: usize) -> usize {
        ((row * self.length + t) * self.groups + head * self.groups / self.heads) * self.n
    }

    /// From a token's B and C to the next token's.
    #[inline(always)]
    fn stride(&self) -> usize {
        self.groups * self.n
    }

    /// Turns `through`, the decays from every s to t - 1, into those to t.
    #[inline(always)]
    unsafe fn advance(&self, row: usize, t: usize, head: usize, through: *mut f32) {
        unsafe {
            let decay = match self.sequence.starts(row, t) {
                true => 0.0,
                false => sigmoid(-self.a.get((row * self.length + t) * self.heads + head)),
            };
            let before = std::slice::from_raw_parts_mut(through, t);
            before.iter_mut().for_each(|d| *d *= decay);
            *through.add(t) = 1.0;
        }
    }
}

/// `[..Inputs, M [b, h, l, l]]`.
pub fn discrete_ssd_matrix(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let inputs = Inputs::read(&mut operands)?;
    let out = operands.required()?;
    operands.end()?;
    let Inputs { batch, length, heads, n, .. } = inputs;
    expect_shape("the matrix", out, &[batch, heads, length, length])?;
    let out = Floats::of(out)?;
    let isa = call.cpu.isa;
    let wide = length.next_multiple_of(16);
    call.cpu.threads.run(batch * heads, |item| {
        with_scratch(panelled(n, length) + (BLOCK + 1) * wide, |scratch| unsafe {
            run_matrix(isa, isa, &inputs, item / heads, item % heads, out, scratch);
        });
    });
    Ok(())
}

by_isa!(fn run_matrix(
    isa: Isa,
    inputs: &Inputs,
    row: usize,
    head: usize,
    out: Floats,
    scratch: &mut [f32],
) = matrix_body);

#[inline(always)]
unsafe fn matrix_body<V: Lanes>(
    isa: Isa,
    inputs: &Inputs,
    row: usize,
    head: usize,
    out: Floats,
    scratch: &mut [f32],
) {
    let (length, n) = (inputs.length, inputs.n);
    let wide = length.next_multiple_of(16);
    let (turned, rest) = scratch.split_at_mut(panelled(n, length));
    let (products, through) = rest.split_at_mut(BLOCK * wide);
    unsafe {
        let keys = inputs.b.at(inputs.key_at(row, 0, head));
        transposed_panels::<V>(keys, inputs.stride(), length, n, turned.as_mut_ptr());
        for from in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - from);
            let queries = inputs.c.at(inputs.key_at(row, from, head)).cast_const();
            products.fill(0.0);
            let into = Into::Rows(products.as_mut_ptr(), wide);
            let size = (count, from + count, n);
            product(isa, size, (queries, inputs.stride()), turned.as_ptr(), into, all(n));
            for (i, products) in products.chunks_exact(wide).take(count).enumerate() {
                let t = from + i;
                inputs.advance(row, t, head, through.as_mut_ptr());
                let to = out.slice_mut(((row * inputs.heads + head) * length + t) * length, length);
                for ((to, k), d) in to[..=t].iter_mut().zip(products).zip(&*through) {
                    *to = k * d;
                }
                to[t + 1..].fill(0.0);
                if let Some(skip) = inputs.skip {
                    to[t] += skip.get(head);
                }
            }
        }
    }
}

struct Gradients {
    a: Floats,
    /// Per head where heads share groups: `[b, l, h, n]`.
    b: Floats,
    c: Floats,
    /// Of D, `[b, h]`.
    skip: Floats,
    dm: Floats,
}

/// `[..Inputs, dM [b, h, l, l], da, dB, dC, (dD)]`: the last one where D is there.
pub fn discrete_ssd_matrix_backward(call: &Call) -> Result<()> {
    let mut operands = Operands::of(call);
    let inputs = Inputs::read(&mut operands)?;
    let Inputs { batch, length, heads, groups, n, .. } = inputs;
    let mut shaped = |name: &str, shape: &[usize]| -> Result<&Tensor> {
        let t = operands.required()?;
        expect_shape(name, t, shape)?;
        t.f32()?;
        Ok(t)
    };
    let dm = shaped("dM", &[batch, heads, length, length])?;
    let da = shaped("da", &[batch, length, heads])?;
    let keys = [batch, length, groups, n];
    let (db, dc) = (shaped("dB", &keys)?, shaped("dC", &keys)?);
    let dskip = if inputs.skip.is_some() { Some(shaped("dD", &[heads])?) } else { None };
    operands.end()?;
    let shared = groups != heads;
    let per_head = if shared { batch * length * heads * n } else { 0 };
    let (mut own_b, mut own_c) = (vec![0f32; per_head], vec![0f32; per_head]);
    let mut own_skip = vec![0f32; batch * heads];
    let over = |own: &mut Vec<f32>, t: &Tensor| -> Result<Floats> {
        if shared { Ok(Floats::over(own)) } else { Floats::of(t) }
    };
    let gradients = Gradients {
        a: Floats::of(da)?,
        b: over(&mut own_b, db)?,
        c: over(&mut own_c, dc)?,
        skip: Floats::over(&mut own_skip),
        dm: Floats::of(dm)?,
    };
    let isa = call.cpu.isa;
    let threads = &call.cpu.threads;
    let (wide, keys) = (length.next_multiple_of(16), n.next_multiple_of(16));
    // As `backward_body` takes them: panels of keys twice and of a block's queries, blocks, sums.
    let size = panelled(n, length)
        + panelled(length, n)
        + panelled(BLOCK, n)
        + 3 * BLOCK * wide
        + (length + BLOCK) * keys
        + 2 * wide;
    threads.run(batch * heads, |item| {
        with_scratch(size, |scratch| unsafe {
            run_backward(isa, isa, &inputs, item / heads, item % heads, &gradients, scratch);
        });
    });
    if shared {
        sum_parts(threads, gradients.b, db, heads / groups)?;
        sum_parts(threads, gradients.c, dc, heads / groups)?;
    }
    if let Some(t) = dskip {
        for (head, to) in t.f32_mut()?.iter_mut().enumerate() {
            *to = (0..batch).map(|row| own_skip[row * heads + head]).sum();
        }
    }
    Ok(())
}

by_isa!(fn run_backward(
    isa: Isa,
    inputs: &Inputs,
    row: usize,
    head: usize,
    gradients: &Gradients,
    scratch: &mut [f32],
) = backward_body);

#[inline(always)]
unsafe fn backward_body<V: Lanes>(
    isa: Isa,
    inputs: &Inputs,
    row: usize,
    head: usize,
    gradients: &Gradients,
    scratch: &mut [f32],
) {
    let (length, heads, n) = (inputs.length, inputs.heads, inputs.n);
    let (wide, keys) = (length.next_multiple_of(16), n.next_multiple_of(16));
    let mut rest = scratch;
    let mut take = |size: usize| {
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(size);
        rest = after;
        piece
    };
    let turned = take(panelled(n, length));
    let b_panels = take(panelled(length, n));
    let c_panels = take(panelled(BLOCK, n));
    let products = take(BLOCK * wide);
    let decayed = take(BLOCK * wide);
    let across = take(BLOCK * wide);
    let db = take(length * keys);
    let dc = take(BLOCK * keys);
    let through = take(wide);
    let d_log = take(wide);
    let stride = inputs.stride();
    let mut skip = 0.0;
    unsafe {
        let own_keys = inputs.b.at(inputs.key_at(row, 0, head)).cast_const();
        transposed_panels::<V>(own_keys, stride, length, n, turned.as_mut_ptr());
        panels(own_keys, stride, length, n, b_panels.as_mut_ptr());
        db.fill(0.0);
        d_log.fill(0.0);
        for from in (0..length).step_by(BLOCK) {
            let count = BLOCK.min(length - from);
            let seen = from + count;
            let queries = inputs.c.at(inputs.key_at(row, from, head)).cast_const();
            products.fill(0.0);
            let into = Into::Rows(products.as_mut_ptr(), wide);
            product(isa, (count, seen, n), (queries, stride), turned.as_ptr(), into, all(n));
            for i in 0..count {
                let t = from + i;
                inputs.advance(row, t, head, through.as_mut_ptr());
                let dm = gradients.dm.slice(((row * heads + head) * length + t) * length, length);
                skip += dm[t];
                let to = &mut decayed[i * wide..][..wide];
                for ((to, dm), d) in to[..=t].iter_mut().zip(dm).zip(&*through) {
                    *to = dm * d;
                }
                to[t + 1..].fill(0.0);
                let mut before = 0.0;
                let pairs = to[..t].iter().zip(&products[i * wide..]);
                for ((g, k), d_log) in pairs.zip(&mut d_log[1..]) {
                    before += g * k;
                    *d_log += before;
                }
            }
            dc.fill(0.0);
            let left = (decayed.as_ptr(), wide);
            // The panels hold every key: steps of k beyond the block's tokens are left out.
            let size = (count, n, length);
            let into = Into::Rows(dc.as_mut_ptr(), keys);
            product(isa, size, left, b_panels.as_ptr(), into, |_, _| 0..seen);
            panels(queries, stride, count, n, c_panels.as_mut_ptr());
            transpose::<V>(left, (across.as_mut_ptr(), BLOCK), count, seen);
            let left = (across.as_ptr(), BLOCK);
            let into = Into::Rows(db.as_mut_ptr(), keys);
            product(isa, (seen, n, count), left, c_panels.as_ptr(), into, all(count));
            for i in 0..count {
                let at = ((row * length + from + i) * heads + head) * n;
                gradients.c.slice_mut(at, n).copy_from_slice(&dc[i * keys..][..n]);
            }
        }
        for t in 0..length {
            let at = (row * length + t) * heads + head;
            gradients.b.slice_mut(at * n, n).copy_from_slice(&db[t * keys..][..n]);
            *gradients.a.at(at) = -sigmoid(inputs.a.get(at)) * d_log[t];
        }
        *gradients.skip.at(row * heads + head) = skip;
    }
}
