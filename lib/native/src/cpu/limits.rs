//! What this processor can do at best, so that a benchmark can say how much of it is reached.

use super::lanes::{Lanes, by_isa};
use super::mamba::operands::Floats;
use super::{Call, Isa, Kernel};
use crate::ensure;
use crate::error::Result;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub static KERNELS: &[Kernel] = &[
    Kernel { name: "limitArithmetic", run: limit_arithmetic },
    Kernel { name: "limitExp", run: limit_exp },
    Kernel { name: "limitRead", run: limit_read },
    Kernel { name: "limitUpdate", run: limit_update },
];

/// Sums that do not wait for each other: more than latency times units of any processor known.
const CHAINS: usize = 12;

#[inline(always)]
unsafe fn chains<V: Lanes>(rounds: usize, seed: f32) -> f32 {
    unsafe {
        let (a, b) = (V::splat(0.999_9), V::splat(seed));
        let mut sums = [V::splat(seed); CHAINS];
        for _ in 0..rounds {
            for s in &mut sums {
                *s = s.mul_add(a, b);
            }
        }
        sums.iter().map(|s| s.sum()).sum::<f32>() + V::N as f32 * 1e-30
    }
}

by_isa!(fn run_chains(rounds: usize, seed: f32) -> f32 = chains);

#[inline(always)]
unsafe fn exps<V: Lanes>(rounds: usize, seed: f32) -> f32 {
    unsafe {
        let minus = V::splat(-1.0 - seed);
        let mut values = [V::splat(seed); CHAINS];
        for _ in 0..rounds {
            for v in &mut values {
                *v = v.mul(minus).exp2();
            }
        }
        values.iter().map(|v| v.sum()).sum::<f32>()
    }
}

by_isa!(fn run_exps(rounds: usize, seed: f32) -> f32 = exps);

/// Runs `of` on every thread and writes how many lanes its chains had in all rounds, in millions.
fn in_registers(call: &Call, of: unsafe fn(Isa, usize, f32) -> f32) -> Result<()> {
    let [out] = call.args()?;
    let rounds = call.attr(0)? as usize;
    let out = out.f32_mut()?;
    ensure!(out.len() == 1, "expected one element, got {}", out.len());
    let lanes = match call.cpu.isa {
        Isa::Avx512 => 16,
        _ => 8,
    };
    let threads = call.cpu.threads.count();
    let sums = AtomicU64::new(0);
    call.cpu.threads.run(threads, |i| {
        let sum = unsafe { of(call.cpu.isa, rounds, i as f32 * 1e-3) };
        sums.fetch_xor(u64::from(sum.to_bits()), Relaxed);
    });
    std::hint::black_box(sums.into_inner());
    out[0] = (threads * rounds * CHAINS * lanes) as f32 / 1e6;
    Ok(())
}

/// `[millions F32 [1]]`, attribute `[rounds]`: multiply-adds in registers on every thread; writes how
/// many they were.
fn limit_arithmetic(call: &Call) -> Result<()> {
    in_registers(call, run_chains)
}

/// As `limitArithmetic`, of exponentials of products.
fn limit_exp(call: &Call) -> Result<()> {
    in_registers(call, run_exps)
}

#[inline(always)]
unsafe fn total<V: Lanes>(x: &[f32]) -> f32 {
    unsafe {
        let mut sums = [V::splat(0.0); 4];
        let step = 4 * V::N;
        for block in x.chunks_exact(step) {
            for (i, s) in sums.iter_mut().enumerate() {
                *s = s.add(V::load(block.as_ptr().add(i * V::N)));
            }
        }
        sums.iter().map(|s| s.sum()).sum()
    }
}

by_isa!(fn run_total(x: &[f32]) -> f32 = total);

/// `[x F32, sum F32 [1]]`: reads x once on every thread; the sum is a by-product.
fn limit_read(call: &Call) -> Result<()> {
    let [x, out] = call.args()?;
    let (x, out) = (x.f32()?, out.f32_mut()?);
    ensure!(out.len() == 1, "expected one element, got {}", out.len());
    let sums = AtomicU64::new(0);
    call.cpu.threads.ranges(x.len(), 1 << 16, |r| {
        let sum = unsafe { run_total(call.cpu.isa, &x[r]) };
        sums.fetch_xor(u64::from(sum.to_bits()), Relaxed);
    });
    out[0] = f32::from_bits(sums.into_inner() as u32);
    Ok(())
}

#[inline(always)]
unsafe fn halve<V: Lanes>(x: *mut f32, n: usize) {
    unsafe {
        let by = V::splat(0.5);
        for i in (0..n / V::N * V::N).step_by(V::N) {
            V::load(x.add(i)).mul(by).store(x.add(i));
        }
    }
}

by_isa!(fn run_halve(x: *mut f32, n: usize) = halve);

/// `[x F32]`: reads x and writes it in its place, once on every thread, as a step does with its state.
fn limit_update(call: &Call) -> Result<()> {
    let [x] = call.args()?;
    let floats = Floats::of(x)?;
    call.cpu.threads.ranges(x.len(), 1 << 16, |r| {
        unsafe { run_halve(call.cpu.isa, floats.at(r.start), r.len()) };
    });
    Ok(())
}
