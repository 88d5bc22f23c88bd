//! Keys or values as a cache stores them: float32, or bfloat16, which is read as float32.

use super::tile::Matrix;
use crate::cpu::lanes::Lanes;

/// The rows of one head: where the first begins and how many elements on the next.
#[derive(Clone, Copy)]
pub struct Cached {
    pub at: *const u8,
    pub stride: usize,
    pub is_bf16: bool,
}

impl Cached {
    /// The rows from `first` on, where floats are stored.
    #[inline(always)]
    pub unsafe fn floats(self, first: usize) -> Option<Matrix> {
        if self.is_bf16 {
            return None;
        }
        let at = unsafe { self.at.cast::<f32>().add(first * self.stride).cast_mut() };
        Some(Matrix { at, stride: self.stride })
    }

    /// Writes `count` rows of `d` numbers from `first` on as floats.
    #[inline(always)]
    pub unsafe fn read<V: Lanes>(self, first: usize, count: usize, d: usize, into: Matrix) {
        for p in 0..count {
            let from = (first + p) * self.stride;
            unsafe {
                if self.is_bf16 {
                    widen::<V>(self.at.cast::<u16>().add(from), d, into.row(p));
                } else {
                    std::ptr::copy_nonoverlapping(self.at.cast::<f32>().add(from), into.row(p), d);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn widen<V: Lanes>(from: *const u16, n: usize, into: *mut f32) {
    let whole = n - n % V::N;
    unsafe {
        for i in (0..whole).step_by(V::N) {
            V::load_bf16(from.add(i)).store(into.add(i));
        }
        for i in whole..n {
            *into.add(i) = f32::from_bits(u32::from(*from.add(i)) << 16);
        }
    }
}
