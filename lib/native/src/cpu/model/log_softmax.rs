//! Log-softmax over the vocabulary.

use super::rows::{dims, expect_shape};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::math::exp;
use crate::ensure;
use crate::error::Result;

/// Terms of a sum that one float32 accumulator takes before it goes to float64.
pub const BLOCK: usize = 1024;
const WIDTH: usize = 16;

/// `[x [n, v], y]`: y = x - log(sum(exp(x))) along v. y may be x.
pub fn log_softmax(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    let [n, v] = dims("x", x)?;
    expect_shape("y", y, x.shape())?;
    ensure!(v > 0, "x has no columns");
    x.f32()?;
    y.f32()?;
    let isa = call.cpu.isa;
    call.cpu.threads.ranges(n, 1, |rows| {
        for r in rows {
            let (from, to) = unsafe { (x.ptr().cast::<f32>().add(r * v), y.ptr().cast::<f32>().add(r * v)) };
            unsafe { log_softmax_row(isa, from, to, v) };
        }
    });
    Ok(())
}

by_isa!(fn log_softmax_row(x: *const f32, y: *mut f32, v: usize) = log_softmax_row_body);

#[inline(always)]
unsafe fn log_softmax_row_body<V: Lanes>(x: *const f32, y: *mut f32, v: usize) {
    let row = unsafe { std::slice::from_raw_parts(x, v) };
    let max = max_of(row);
    let total: f64 = row.chunks(BLOCK).map(|block| exp_sum(block, max, 1.0)).sum();
    let log = total.ln() as f32;
    for i in 0..v {
        unsafe { *y.add(i) = (*x.add(i) - max) - log };
    }
}

/// The largest value; a NaN is passed over (it shows up in the sum of exponentials).
#[inline(always)]
pub fn max_of(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; WIDTH];
    let chunks = row.chunks_exact(WIDTH);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (m, &x) in lanes.iter_mut().zip(chunk) {
            *m = if x > *m { x } else { *m };
        }
    }
    let max = |m: f32, &x: &f32| if x > m { x } else { m };
    rest.iter().fold(lanes.iter().fold(f32::NEG_INFINITY, max), max)
}

/// sum(exp((x - max) * scale)) of at most `BLOCK` values, in one fixed order on every machine.
#[inline(always)]
pub fn exp_sum(block: &[f32], max: f32, scale: f32) -> f64 {
    let mut lanes = [0.0f32; WIDTH];
    let chunks = block.chunks_exact(WIDTH);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, &x) in lanes.iter_mut().zip(chunk) {
            *sum += exp((x - max) * scale);
        }
    }
    for (sum, &x) in lanes.iter_mut().zip(rest) {
        *sum += exp((x - max) * scale);
    }
    lanes.iter().map(|&s| f64::from(s)).sum()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn log_softmax_equals_its_definition() {
        for cpu in devices() {
            for (n, v) in [(1, 1), (2, 17), (5, 1000), (3, 49_152)] {
                let mut random = Random(v as u64);
                let (mut x, mut y) = (random.floats(n * v, 10.0), vec![0.0; n * v]);
                let want: Vec<f32> = x
                    .chunks(v)
                    .flat_map(|row| {
                        let log = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
                        row.iter().map(move |&x| (f64::from(x) - log) as f32)
                    })
                    .collect();
                run(&cpu, log_softmax, &[f(&mut x, &[n, v]), f(&mut y, &[n, v])], &[]).unwrap();
                close(&y, &want, 1e-6);
                run(&cpu, log_softmax, &[f(&mut x, &[n, v]), f(&mut x, &[n, v])], &[]).unwrap();
                assert_eq!(x, y);
            }
        }
    }
}
