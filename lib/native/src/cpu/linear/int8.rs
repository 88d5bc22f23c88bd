//! Products with activations rounded to eight bits: an opt-in precision that is about twice as fast.
//!
//! A row of x is cut into blocks of 32. A block's scale is d = max|x| / 127 and its codes are
//! c = x * (127 / max|x|) rounded to nearest, ties to even: -127 to 127. A block of numbers below 2^-100
//! counts as zeros (d = 0); one with a number that is not finite has d = NaN. Against a weight's block
//! with codes q, scale s and offset o (Q8_0: q signed, o = 0; Q4_0: q 0 to 15, o = -8 s; Q4_1: as
//! stored) the sum goes on, block after block from zero, as
//!
//!   sum = fma(s * d, dot(q, c), sum); if the format has offsets, sum = fma(o, d * sum(c), sum)
//!
//! with dot and sum(c) exact integers and every float operation rounded once to float32. So every
//! instruction set gives the same bits, and a row's result depends on that row alone.

use super::formats::{Blocks, GROUP, Q4_0, Q4_1, Q8_0};
#[cfg(target_arch = "x86_64")]
use super::int8_avx2;
use super::weight::{Out, Weight};
use crate::cpu::{Cpu, Isa};
use crate::tensor::Storage;
use std::ops::Range;

/// A weight's format that eight-bit activations are multiplied with.
pub trait Int8: Blocks {
    /// What codes are raised by, and the offset lowered by times the scale, to make them unsigned.
    const BIAS: i8;
    const OFFSETS: bool = Self::OFFSET || Self::BIAS != 0;
}

impl Int8 for Q8_0 {
    const BIAS: i8 = 0;
}

impl Int8 for Q4_0 {
    const BIAS: i8 = 8;
}

impl Int8 for Q4_1 {
    const BIAS: i8 = 0;
}

/// Whether weights of this storage are multiplied in integers.
pub fn supports(storage: Storage) -> bool {
    matches!(storage, Storage::Q8_0 | Storage::Q4_0 | Storage::Q4_1)
}

/// A block's scale d, and d times the sum of its codes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Side {
    pub scale: f32,
    pub sum: f32,
}

/// The rounded rows of x.
#[derive(Clone, Copy)]
pub struct Rounded {
    codes: *const i8,
    sides: *const Side,
    pub k: usize,
}

// Read-only memory that outlives the command.
unsafe impl Send for Rounded {}
unsafe impl Sync for Rounded {}

impl Rounded {
    /// Floats of memory that `m` rows take.
    pub const fn floats(m: usize, k: usize) -> usize {
        m * k / 4 + m * (k / GROUP) * 2
    }

    /// Rounds `x [m, k]` into `memory`; k is a multiple of 32.
    pub fn new(cpu: &Cpu, x: &[f32], m: usize, k: usize, memory: &mut [f32]) -> Rounded {
        assert!(k.is_multiple_of(GROUP) && x.len() == m * k && memory.len() >= Rounded::floats(m, k));
        let sides = memory.as_mut_ptr().cast::<Side>();
        let codes = unsafe { sides.add(m * (k / GROUP)).cast::<i8>() };
        let rounded = Rounded { codes, sides, k };
        let blocks = k / GROUP;
        cpu.threads.ranges(m * blocks, 256, |range| {
            // Each block is written by the one range that holds it.
            unsafe {
                let codes = rounded.codes(0).cast_mut().add(range.start * GROUP);
                let sides = rounded.sides(0).cast_mut().add(range.start);
                let x = &x[range.start * GROUP..range.end * GROUP];
                #[cfg(target_arch = "x86_64")]
                if cpu.isa >= Isa::Avx2 {
                    return int8_avx2::round(x, codes, sides);
                }
                round(x, codes, sides);
            }
        });
        rounded
    }

    #[inline(always)]
    pub fn codes(&self, row: usize) -> *const i8 {
        self.codes.wrapping_add(row * self.k)
    }

    #[inline(always)]
    pub fn sides(&self, row: usize) -> *const Side {
        self.sides.wrapping_add(row * (self.k / GROUP))
    }
}

/// Below this a block counts as zeros: 127 / max|x| must be finite.
pub const LEAST: f32 = 1.0 / (1u128 << 100) as f32;

/// # Safety
/// `codes` must take as many numbers as `x` has, `sides` one for each block.
unsafe fn round(x: &[f32], codes: *mut i8, sides: *mut Side) {
    for (b, x) in x.as_chunks::<GROUP>().0.iter().enumerate() {
        let most = x.iter().fold(0f32, |m, v| m.max(v.abs()));
        let finite = x.iter().all(|v| v.is_finite());
        let (scale, inverse) = match most {
            _ if !finite => (f32::NAN, 0.0),
            m if m < LEAST => (0.0, 0.0),
            m => (m / 127.0, 127.0 / m),
        };
        let mut sum = 0;
        for (i, v) in x.iter().enumerate() {
            let code = (v * inverse).round_ties_even() as i8;
            unsafe { *codes.add(b * GROUP + i) = code };
            sum += i32::from(code);
        }
        unsafe { *sides.add(b) = Side { scale, sum: scale * sum as f32 } };
    }
}

/// `out += x[rows] w[cols]^T`, where `out` starts at the first of `cols` and keeps x's row numbers.
///
/// # Safety
/// The ranges must be inside, `w`'s storage be one that `supports`, and no other thread touch that
/// part of `out`.
pub unsafe fn strip(isa: Isa, x: Rounded, rows: Range<usize>, w: &Weight, cols: Range<usize>, out: Out) {
    unsafe {
        match w.storage {
            Storage::Q8_0 => strip_of::<Q8_0>(isa, x, rows, w, cols, out),
            Storage::Q4_0 => strip_of::<Q4_0>(isa, x, rows, w, cols, out),
            _ => strip_of::<Q4_1>(isa, x, rows, w, cols, out),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
use Int8 as Format;
#[cfg(target_arch = "x86_64")]
use int8_avx2::Words as Format;

unsafe fn strip_of<F: Format>(
    isa: Isa,
    x: Rounded,
    rows: Range<usize>,
    w: &Weight,
    cols: Range<usize>,
    out: Out,
) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        return unsafe { int8_avx2::strip::<F>(x, rows, w, cols, out) };
    }
    let _ = isa;
    for col in cols.clone() {
        for r in rows.clone() {
            unsafe { *out.at(r, col - cols.start) += dot::<F>(x, r, w.row(col)) };
        }
    }
}

/// One element of the product.
unsafe fn dot<F: Int8>(x: Rounded, row: usize, w: *const u8) -> f32 {
    let mut sum = 0f32;
    for b in 0..x.k / GROUP {
        unsafe {
            let group = F::group(w.add(b * F::BYTES), 0);
            let codes = &*x.codes(row).add(b * GROUP).cast::<[i8; GROUP]>();
            let side = *x.sides(row).add(b);
            let products = group.codes.iter().zip(codes);
            let dot: i32 = products.map(|(q, c)| (i32::from(*q) + i32::from(F::BIAS)) * i32::from(*c)).sum();
            sum = (group.scale[0] * side.scale).mul_add(dot as f32, sum);
            if F::OFFSETS {
                let offset = if F::OFFSET { group.offset } else { -f32::from(F::BIAS) * group.scale[0] };
                sum = offset.mul_add(side.sum, sum);
            }
        }
    }
    sum
}
