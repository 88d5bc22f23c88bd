//! The gate of SwiGLU (Shazeer 2020, equation 6): silu(gate) * up.

use super::rows::expect_shape;
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::math::silu;
use crate::error::Result;

/// Elements worth a thread's while.
const GRAIN: usize = 1 << 13;

/// `[gate [...], up [...], y]`: y = gate * sigmoid(gate) * up. y may be the gate or up.
pub fn swiglu(call: &Call) -> Result<()> {
    let [gate, up, y] = call.args()?;
    expect_shape("up", up, gate.shape())?;
    expect_shape("y", y, gate.shape())?;
    for t in [gate, up, y] {
        t.f32()?;
    }
    let (gate, up, y, n) =
        (Floats(gate.ptr().cast()), Floats(up.ptr().cast()), Floats(y.ptr().cast()), y.len());
    let isa = call.cpu.isa;
    call.cpu.threads.ranges(n, GRAIN, |r| unsafe {
        gate_range(isa, gate.at(r.start), up.at(r.start), y.at(r.start), r.len());
    });
    Ok(())
}

/// A float32 tensor by address: y may be an input.
struct Floats(*mut f32);

unsafe impl Sync for Floats {}

impl Floats {
    unsafe fn at(&self, i: usize) -> *mut f32 {
        unsafe { self.0.add(i) }
    }
}

by_isa!(fn gate_range(gate: *const f32, up: *const f32, y: *mut f32, n: usize) = gate_range_body);

#[inline(always)]
unsafe fn gate_range_body<V: Lanes>(gate: *const f32, up: *const f32, y: *mut f32, n: usize) {
    const BLOCK: usize = 64;
    // Through a local block, so that the compiler knows that the output overlaps no input.
    let mut block = [0.0f32; BLOCK];
    let mut at = 0;
    while at < n {
        let m = BLOCK.min(n - at);
        unsafe {
            if m == BLOCK {
                for (i, b) in block.iter_mut().enumerate() {
                    *b = silu(*gate.add(at + i)) * *up.add(at + i);
                }
            } else {
                for (i, b) in block[..m].iter_mut().enumerate() {
                    *b = silu(*gate.add(at + i)) * *up.add(at + i);
                }
            }
            std::ptr::copy_nonoverlapping(block.as_ptr(), y.add(at), m);
        }
        at += m;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn swiglu_equals_its_definition() {
        for cpu in devices() {
            for n in [1, 63, 64, 65, 1000, 40_000] {
                let mut random = Random(n as u64);
                let (mut gate, mut up, mut y) = (random.floats(n, 20.0), random.floats(n, 2.0), vec![0.0; n]);
                let want: Vec<f32> = gate
                    .iter()
                    .zip(&up)
                    .map(|(&g, &u)| (f64::from(g) / (1.0 + (-f64::from(g)).exp()) * f64::from(u)) as f32)
                    .collect();
                run(&cpu, swiglu, &[f(&mut gate, &[n]), f(&mut up, &[n]), f(&mut y, &[n])], &[]).unwrap();
                for (got, want) in y.iter().zip(&want) {
                    assert!((got - want).abs() <= 1e-6 * want.abs() + 1e-30, "{got}, not {want}");
                }
                run(&cpu, swiglu, &[f(&mut gate, &[n]), f(&mut up, &[n]), f(&mut up, &[n])], &[]).unwrap();
                assert_eq!(up, y);
            }
        }
    }
}
