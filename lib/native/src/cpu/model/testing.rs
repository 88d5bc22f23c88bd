//! What the tests of these kernels share: devices to run on, tensors over vectors, random numbers.

use crate::cpu::{Call, Cpu, Isa};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::threads::Threads;

/// Every instruction set of this machine, on one thread and on three.
pub fn devices() -> Vec<Cpu> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512]
        .into_iter()
        .filter(|&isa| isa <= Isa::best())
        .flat_map(|isa| [1, 3].map(|threads| Cpu { threads: Threads::new(threads), isa }))
        .collect()
}

pub fn run(cpu: &Cpu, kernel: fn(&Call) -> Result<()>, tensors: &[Tensor], attrs: &[f64]) -> Result<()> {
    kernel(&Call { cpu, tensors, attrs })
}

pub fn f(data: &mut [f32], shape: &[usize]) -> Tensor {
    assert_eq!(data.len(), shape.iter().product::<usize>());
    unsafe { Tensor::new(data.as_mut_ptr().cast(), Storage::F32, shape) }
}

/// The bfloat16 numbers nearest to `data`, which becomes them.
pub fn rounded(data: &mut [f32]) -> Vec<u16> {
    let round = |x: &mut f32| {
        let near = half::bf16::from_f32(*x);
        *x = near.to_f32();
        near.to_bits()
    };
    data.iter_mut().map(round).collect()
}

pub fn bf16(data: &mut [u16], shape: &[usize]) -> Tensor {
    assert_eq!(data.len(), shape.iter().product::<usize>());
    unsafe { Tensor::new(data.as_mut_ptr().cast(), Storage::BF16, shape) }
}

pub fn i(data: &mut [i32], shape: &[usize]) -> Tensor {
    assert_eq!(data.len(), shape.iter().product::<usize>());
    unsafe { Tensor::new(data.as_mut_ptr().cast(), Storage::I32, shape) }
}

pub fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (at, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * w.abs().max(1.0), "element {at}: {g}, not {w}");
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in [-scale, scale).
    pub fn floats(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| ((self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale).collect()
    }
}
