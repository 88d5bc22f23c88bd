//! RMSNorm (Zhang and Sennrich 2019, equation 4) as Llama computes it, alone and with the residual
//! addition before it.

use super::rows::expect_shape;
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;

/// Elements worth a thread's while.
const GRAIN: usize = 1 << 14;

/// `[x [..., d], weight [d], y]`, attribute eps: y = x / sqrt(mean(x^2) + eps) * weight. y may be x.
pub fn rms_norm(call: &Call) -> Result<()> {
    let [x, weight, y] = call.args()?;
    let d = width(x, weight)?;
    expect_shape("y", y, x.shape())?;
    let (source, w, target) = (Rows::of(x)?, weight.f32()?, Rows::of(y)?);
    let eps = epsilon(call)?;
    let isa = call.cpu.isa;
    call.cpu.threads.ranges(x.len() / d, GRAIN.div_ceil(d), |rows| {
        for r in rows {
            unsafe { norm_row(isa, source.at(r, d), w.as_ptr(), target.at(r, d), d, eps) };
        }
    });
    Ok(())
}

/// `[x [..., d], residual [..., d], weight [d], sum, y]`, attribute eps: sum = x + residual,
/// y = norm(sum). sum may be x or the residual, y may be x.
pub fn rms_norm_residual(call: &Call) -> Result<()> {
    let [x, residual, weight, sum, y] = call.args()?;
    let d = width(x, weight)?;
    for (name, t) in [("residual", residual), ("sum", sum), ("y", y)] {
        expect_shape(name, t, x.shape())?;
    }
    ensure!(sum.ptr() != y.ptr() || x.is_empty(), "sum and y must be two tensors");
    let (a, b, w) = (Rows::of(x)?, Rows::of(residual)?, weight.f32()?);
    let (total, target) = (Rows::of(sum)?, Rows::of(y)?);
    let eps = epsilon(call)?;
    let isa = call.cpu.isa;
    call.cpu.threads.ranges(x.len() / d, GRAIN.div_ceil(d), |rows| {
        for r in rows {
            unsafe {
                add_row(isa, a.at(r, d), b.at(r, d), total.at(r, d), d);
                norm_row(isa, total.at(r, d), w.as_ptr(), target.at(r, d), d, eps);
            }
        }
    });
    Ok(())
}

fn width(x: &Tensor, weight: &Tensor) -> Result<usize> {
    ensure!(x.rank() >= 1, "x should have at least one dimension");
    let d = x.dim(-1);
    ensure!(d > 0, "x has no features: shape {:?}", x.shape());
    expect_shape("weight", weight, &[d])?;
    Ok(d)
}

fn epsilon(call: &Call) -> Result<f32> {
    let eps = call.attr(0)?;
    ensure!(eps >= 0.0 && eps.is_finite(), "eps should be a small positive number, got {eps}");
    Ok(eps as f32)
}

/// Rows of a float32 tensor by address: an output may be an input's memory.
struct Rows(*mut f32);

unsafe impl Sync for Rows {}

impl Rows {
    fn of(t: &Tensor) -> Result<Rows> {
        t.f32()?;
        Ok(Rows(t.ptr().cast()))
    }

    unsafe fn at(&self, row: usize, d: usize) -> *mut f32 {
        unsafe { self.0.add(row * d) }
    }
}

by_isa!(fn add_row(a: *const f32, b: *const f32, y: *mut f32, d: usize) = add_row_body);

#[inline(always)]
unsafe fn add_row_body<V: Lanes>(a: *const f32, b: *const f32, y: *mut f32, d: usize) {
    unsafe {
        let whole = d - d % V::N;
        for i in (0..whole).step_by(V::N) {
            V::load(a.add(i)).add(V::load(b.add(i))).store(y.add(i));
        }
        for i in whole..d {
            *y.add(i) = *a.add(i) + *b.add(i);
        }
    }
}

by_isa!(fn norm_row(x: *const f32, w: *const f32, y: *mut f32, d: usize, eps: f32) = norm_row_body);

#[inline(always)]
unsafe fn norm_row_body<V: Lanes>(x: *const f32, w: *const f32, y: *mut f32, d: usize, eps: f32) {
    unsafe {
        let pairs = d - d % (2 * V::N);
        let (mut even, mut odd) = (V::splat(0.0), V::splat(0.0));
        for i in (0..pairs).step_by(2 * V::N) {
            let (a, b) = (V::load(x.add(i)), V::load(x.add(i + V::N)));
            even = a.mul_add(a, even);
            odd = b.mul_add(b, odd);
        }
        let mut squares = even.add(odd).sum();
        for i in pairs..d {
            squares += *x.add(i) * *x.add(i);
        }
        let scale = 1.0 / (squares / d as f32 + eps).sqrt();
        let whole = d - d % V::N;
        let scales = V::splat(scale);
        for i in (0..whole).step_by(V::N) {
            V::load(x.add(i)).mul(scales).mul(V::load(w.add(i))).store(y.add(i));
        }
        for i in whole..d {
            *y.add(i) = *x.add(i) * scale * *w.add(i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn reference(x: &[f32], w: &[f32], eps: f64) -> Vec<f32> {
        let d = w.len();
        x.chunks(d)
            .flat_map(|row| {
                let mean = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / d as f64;
                let scale = 1.0 / (mean + eps).sqrt();
                row.iter().zip(w).map(move |(&v, &w)| (f64::from(v) * scale * f64::from(w)) as f32)
            })
            .collect()
    }

    #[test]
    fn rms_norm_equals_its_definition() {
        for cpu in devices() {
            for (n, d) in [(1, 1), (3, 7), (2, 8), (5, 20), (1, 576), (70, 33), (200, 576)] {
                let mut random = Random(n as u64 * 1000 + d as u64);
                let (mut x, mut w, mut y) =
                    (random.floats(n * d, 3.0), random.floats(d, 1.0), vec![0.0; n * d]);
                let want = reference(&x, &w, 1e-5);
                let tensors = [f(&mut x, &[n, d]), f(&mut w, &[d]), f(&mut y, &[n, d])];
                run(&cpu, rms_norm, &tensors, &[1e-5]).unwrap();
                close(&y, &want, 1e-5);
                // In place.
                let tensors = [f(&mut x, &[n, d]), f(&mut w, &[d]), f(&mut x, &[n, d])];
                run(&cpu, rms_norm, &tensors, &[1e-5]).unwrap();
                close(&x, &want, 1e-5);
            }
        }
    }

    #[test]
    fn the_residual_form_adds_first() {
        for cpu in devices() {
            let (n, d) = (5, 37);
            let mut random = Random(1);
            let (mut x, mut r, mut w) =
                (random.floats(n * d, 1.0), random.floats(n * d, 1.0), random.floats(d, 1.0));
            let sums: Vec<f32> = x.iter().zip(&r).map(|(a, b)| a + b).collect();
            let want = reference(&sums, &w, 1e-6);
            let (mut sum, mut y) = (vec![0.0; n * d], vec![0.0; n * d]);
            let shape = [n, d];
            let tensors = [
                f(&mut x, &shape),
                f(&mut r, &shape),
                f(&mut w, &[d]),
                f(&mut sum, &shape),
                f(&mut y, &shape),
            ];
            run(&cpu, rms_norm_residual, &tensors, &[1e-6]).unwrap();
            assert_eq!(sum, sums);
            close(&y, &want, 1e-5);
            // The sum over the residual, the norm over x.
            let tensors =
                [f(&mut x, &shape), f(&mut r, &shape), f(&mut w, &[d]), f(&mut r, &shape), f(&mut x, &shape)];
            run(&cpu, rms_norm_residual, &tensors, &[1e-6]).unwrap();
            assert_eq!(r, sums);
            close(&x, &want, 1e-5);
        }
    }

    #[test]
    fn shapes_that_disagree_are_errors() {
        let cpu = &devices()[0];
        let (mut x, mut w) = (vec![0.0; 12], vec![0.0; 5]);
        let tensors = [f(&mut x, &[3, 4]), f(&mut w, &[5]), f(&mut x, &[3, 4])];
        let e = run(cpu, rms_norm, &tensors, &[1e-5]).unwrap_err().0;
        assert!(e.contains("weight should have shape [4]"), "{e}");
    }
}
