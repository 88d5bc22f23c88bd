//! AdamW (Loshchilov and Hutter 2019, algorithm 2) over all parameters at once, and the norm that its
//! gradients are clipped by.

use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::mamba::operands::Floats;
use crate::cpu::mamba::vectors::{load_part, map, store_part};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;

/// Elements that one thread takes; also those of one piece of the norm's sum.
const PIECE: usize = 1 << 14;

/// Pieces of tensors, in order: tensor, first element, count.
fn pieces(tensors: &[Tensor]) -> Vec<(usize, usize, usize)> {
    let of = |(t, tensor): (usize, &Tensor)| {
        let n = tensor.len();
        (0..n).step_by(PIECE).map(move |from| (t, from, PIECE.min(n - from)))
    };
    tensors.iter().enumerate().flat_map(of).collect()
}

fn floats(tensors: &[Tensor]) -> Result<Vec<Floats>> {
    tensors.iter().map(Floats::of).collect()
}

/// `[g1 .. gn, norm [1]]`: norm = the Euclidean norm of all numbers of all gradients.
pub fn global_norm(call: &Call) -> Result<()> {
    let Some((norm, gradients)) = call.tensors.split_last() else {
        crate::fail!("gradients and norm expected, got no tensor")
    };
    ensure!(norm.len() == 1, "norm should hold one number, got {:?}", norm.shape());
    let (memory, pieces) = (floats(gradients)?, pieces(gradients));
    let mut sums = vec![0f64; pieces.len()];
    let (isa, to) = (call.cpu.isa, Doubles(sums.as_mut_ptr()));
    call.cpu.threads.run(pieces.len(), |i| {
        let (t, from, n) = pieces[i];
        unsafe { *to.at(i) = squares(isa, memory[t].at(from), n) };
    });
    norm.f32_mut()?[0] = sums.iter().sum::<f64>().sqrt() as f32;
    Ok(())
}

/// Sums that threads write, each its own.
struct Doubles(*mut f64);

unsafe impl Sync for Doubles {}

impl Doubles {
    unsafe fn at(&self, i: usize) -> *mut f64 {
        unsafe { self.0.add(i) }
    }
}

by_isa!(fn squares(g: *const f32, n: usize) -> f64 = squares_body);

#[inline(always)]
unsafe fn squares_body<V: Lanes>(g: *const f32, n: usize) -> f64 {
    const BLOCK: usize = 512;
    let mut total = 0.0;
    for from in (0..n).step_by(BLOCK) {
        let end = (from + BLOCK).min(n);
        let mut sum = unsafe { V::splat(0.0) };
        for i in (from..end).step_by(V::N) {
            unsafe {
                let x: V = load_part(g.add(i), end - i);
                sum = x.mul_add(x, sum);
            }
        }
        total += f64::from(unsafe { sum.sum() });
    }
    total
}

/// One step's numbers.
#[derive(Clone, Copy)]
struct Step {
    /// Of the gradients: what clipping leaves.
    scale: f32,
    /// Of the first and second moment: what stays of the old, what comes of the new.
    beta1: (f32, f32),
    beta2: (f32, f32),
    /// 1 - learning rate * weight decay.
    keep: f32,
    /// Learning rate over the first moment's bias correction.
    rate: f32,
    /// Over the root of the second moment's bias correction.
    root: f32,
    epsilon: f32,
}

/// `[schedule [2], norm [1], p1 .. pn, g1 .. gn, m1 .. mn, v1 .. vn, (w1 .. wn)]`, attributes
/// `[n, beta1, beta2, epsilon, weightDecay, maxNorm, decay1 .. decayn]`; schedule holds the learning
/// rate and the step, counted from 1. Gradients are scaled by min(1, maxNorm / (norm + 1e-6)), unless
/// maxNorm is 0. Then m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, and p loses
/// rate * weightDecay of itself where its decay is 1, and
/// rate m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon). With a norm that is not finite
/// nothing changes. Where `(w1 .. wn)` follow, each becomes its p rounded to bfloat16, to nearest, ties to
/// even.
pub fn adam_w(call: &Call) -> Result<()> {
    let n = call.attr(0)? as usize;
    ensure!(
        [2 + 4 * n, 2 + 5 * n].contains(&call.tensors.len()) && call.attrs.len() == 6 + n,
        "expected {} or {} tensors and {} attributes for {n} parameters, got {} and {}",
        2 + 4 * n,
        2 + 5 * n,
        6 + n,
        call.tensors.len(),
        call.attrs.len()
    );
    let (schedule, norm) = (call.tensors[0].f32()?, call.tensors[1].f32()?);
    ensure!(schedule.len() == 2 && norm.len() == 1, "schedule should hold 2 numbers and norm 1");
    let lists: Vec<&[Tensor]> = call.tensors[2..].chunks(n.max(1)).collect();
    for i in 0..n {
        let names = ["gradient", "first moment", "second moment", "rounded copy"];
        for (name, list) in names.iter().zip(&lists[1..]) {
            ensure!(
                list[i].shape() == lists[0][i].shape(),
                "the {name} of parameter {i} should have shape {:?}, got {:?}",
                lists[0][i].shape(),
                list[i].shape()
            );
        }
    }
    let [beta1, beta2, epsilon, decay, most] = [1, 2, 3, 4, 5].map(|i| call.attrs[i]);
    let (rate, step, norm) = (f64::from(schedule[0]), f64::from(schedule[1]), f64::from(norm[0]));
    ensure!(step.is_finite() && step.max(1.0) == step, "the step is counted from 1, got {step}");
    if !norm.is_finite() || n == 0 {
        return Ok(());
    }
    let clip = if most > 0.0 { (most / (norm + 1e-6)).min(1.0) } else { 1.0 };
    let of = |decays: bool| Step {
        scale: clip as f32,
        beta1: (beta1 as f32, (1.0 - beta1) as f32),
        beta2: (beta2 as f32, (1.0 - beta2) as f32),
        keep: if decays { (1.0 - rate * decay) as f32 } else { 1.0 },
        rate: (rate / (1.0 - beta1.powf(step))) as f32,
        root: (1.0 / (1.0 - beta2.powf(step)).sqrt()) as f32,
        epsilon: epsilon as f32,
    };
    let memory = lists.iter().map(|list| floats(list)).collect::<Result<Vec<_>>>()?;
    let pieces = pieces(lists[0]);
    let isa = call.cpu.isa;
    call.cpu.threads.run(pieces.len(), |i| {
        let (t, from, count) = pieces[i];
        let step = of(call.attrs[6 + t] != 0.0);
        let at = |list: usize| unsafe { memory[list][t].at(from) };
        let rounded = if memory.len() > 4 { at(4) } else { std::ptr::null_mut() };
        unsafe { update(isa, [at(0), at(2), at(3), rounded], at(1), count, step) };
    });
    Ok(())
}

by_isa!(fn update(written: [*mut f32; 4], g: *const f32, n: usize, step: Step) = update_body);

/// `written`: parameter, moments, and the parameter's rounded copy or null.
#[inline(always)]
unsafe fn update_body<V: Lanes>([p, m, v, w]: [*mut f32; 4], g: *const f32, n: usize, step: Step) {
    unsafe {
        let (b1, c1) = (V::splat(step.beta1.0), V::splat(step.beta1.1));
        let (b2, c2) = (V::splat(step.beta2.0), V::splat(step.beta2.1));
        let (rate, keep) = (V::splat(-step.rate), V::splat(step.keep));
        for i in (0..n).step_by(V::N) {
            let left = n - i;
            let g = load_part::<V>(g.add(i), left).mul(V::splat(step.scale));
            let first = load_part::<V>(m.add(i), left).mul_add(b1, g.mul(c1));
            let second = load_part::<V>(v.add(i), left).mul_add(b2, g.mul(g).mul(c2));
            let root = map(second, |x| x.sqrt()).mul_add(V::splat(step.root), V::splat(step.epsilon));
            let kept = load_part::<V>(p.add(i), left).mul(keep);
            let next = first.div(root).mul_add(rate, kept);
            store_part(first, m.add(i), left);
            store_part(second, v.add(i), left);
            store_part(next, p.add(i), left);
            if !w.is_null() {
                store_part(map(next, to_bf16), w.add(i), left);
            }
        }
    }
}

/// The nearest bfloat16, of two the even one; NaN stays NaN.
#[inline(always)]
fn to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    f32::from_bits(if x.is_nan() { bits | 0x40_0000 } else { rounded } & 0xffff_0000)
}
