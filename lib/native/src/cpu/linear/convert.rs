//! Float32 into a stored format, rounding to nearest.

use super::formats::GROUP;
use crate::cpu::Call;
use crate::error::{Error, Result};
use crate::tensor::Storage;
use crate::{ensure, fail};
use half::{bf16, f16};
use std::sync::Mutex;

/// `[x f32 [.., k], y of the same shape, stored as F32, BF16, F16, Q8_0, Q4_0 or Q4_1]`.
///
/// BF16 and F16 round to nearest, ties to even; F16 overflows to infinity. The quantised formats
/// first round their scale to float16, then every weight to the code nearest under that scale:
/// Q8_0 scale = max|x| / 127; Q4_0 scale = -(the x of largest magnitude) / 8; Q4_1 scale =
/// (max - min) / 15, offset = min. They take finite values only.
pub fn convert(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    ensure!(x.shape() == y.shape(), "x {:?} and y {:?} must have one shape", x.shape(), y.shape());
    let storage = y.storage;
    let block: fn(&[f32], &mut [u8]) -> Result<()> = match storage {
        Storage::F32 => |x, y| each(x, y, f32::to_ne_bytes),
        Storage::BF16 => |x, y| each(x, y, |v| bf16::from_f32(v).to_ne_bytes()),
        Storage::F16 => |x, y| each(x, y, |v| f16::from_f32(v).to_ne_bytes()),
        Storage::Q8_0 => q8_0,
        Storage::Q4_0 => q4_0,
        Storage::Q4_1 => q4_1,
        _ => fail!("cannot convert to {storage}; F32, BF16, F16, Q8_0, Q4_0 and Q4_1 can be written"),
    };
    let (elements, bytes) = if storage.is_quantized() { storage.block() } else { (1, storage.block().1) };
    let (x, y) = (x.f32()?, SharedBytes(y.raw_mut().as_mut_ptr()));
    let failed: Mutex<Option<(usize, Error)>> = Mutex::new(None);
    let units = x.len() / elements;
    call.cpu.threads.ranges(units, (1 << 14) / elements, |range| {
        let step = if storage.is_quantized() { 1 } else { range.len() };
        for i in range.step_by(step.max(1)) {
            let n = step.min(units - i);
            let out = unsafe { y.run(i * bytes, n * bytes) };
            if let Err(e) = block(&x[i * elements..(i + n) * elements], out) {
                let mut failed = failed.lock().unwrap();
                if failed.as_ref().is_none_or(|(at, _)| i < *at) {
                    *failed = Some((i, e));
                }
                return;
            }
        }
    });
    match failed.into_inner().unwrap() {
        Some((i, e)) => fail!("x at elements {}..{}: {e}", i * elements, (i + 1) * elements),
        None => Ok(()),
    }
}

struct SharedBytes(*mut u8);
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    /// # Safety
    /// The run must be inside, and no other thread may touch it.
    #[allow(clippy::mut_from_ref)]
    unsafe fn run(&self, from: usize, len: usize) -> &mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.0.add(from), len) }
    }
}

fn each<const N: usize>(x: &[f32], y: &mut [u8], f: impl Fn(f32) -> [u8; N]) -> Result<()> {
    for (v, out) in x.iter().zip(y.chunks_exact_mut(N)) {
        out.copy_from_slice(&f(*v));
    }
    Ok(())
}

fn finite(x: &[f32]) -> Result<()> {
    match x.iter().find(|v| !v.is_finite()) {
        Some(v) => fail!("{v} cannot be quantised"),
        None => Ok(()),
    }
}

/// A scale as it is stored, and its inverse; values beyond float16 saturate.
fn stored(d: f32) -> (f16, f32) {
    let limit = f16::MAX.to_f32();
    let d = f16::from_f32(d.clamp(-limit, limit));
    (d, if d.to_f32() == 0.0 { 0.0 } else { d.to_f32().recip() })
}

fn q8_0(x: &[f32], y: &mut [u8]) -> Result<()> {
    finite(x)?;
    let (d, inverse) = stored(x.iter().fold(0f32, |m, v| m.max(v.abs())) / 127.0);
    y[..2].copy_from_slice(&d.to_ne_bytes());
    for (v, out) in x.iter().zip(&mut y[2..]) {
        *out = (v * inverse).round().clamp(-127.0, 127.0) as i8 as u8;
    }
    Ok(())
}

fn pack_nibbles(code: impl Fn(usize) -> f32, y: &mut [u8]) {
    let code = |i| code(i).clamp(0.0, 15.0) as u8;
    for (i, out) in y.iter_mut().enumerate().take(GROUP / 2) {
        *out = code(i) | code(i + GROUP / 2) << 4;
    }
}

fn q4_0(x: &[f32], y: &mut [u8]) -> Result<()> {
    finite(x)?;
    let far = x.iter().fold(0f32, |m, v| if v.abs() > m.abs() { *v } else { m });
    let (d, inverse) = stored(far / -8.0);
    y[..2].copy_from_slice(&d.to_ne_bytes());
    pack_nibbles(|i| (x[i] * inverse + 8.0).round(), &mut y[2..]);
    Ok(())
}

fn q4_1(x: &[f32], y: &mut [u8]) -> Result<()> {
    finite(x)?;
    let (low, high) = x.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let (d, inverse) = stored((high - low) / 15.0);
    let offset = stored(low).0;
    y[..2].copy_from_slice(&d.to_ne_bytes());
    y[2..4].copy_from_slice(&offset.to_ne_bytes());
    pack_nibbles(|i| ((x[i] - offset.to_f32()) * inverse).round(), &mut y[4..]);
    Ok(())
}
