//! What every elementwise loop needs: typed elements, pointers for the threads, loops compiled for
//! each instruction set.

use crate::cpu::Isa;
use crate::ensure;
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use std::ops::Range;

/// Elements below which a loop stays on one thread.
pub const GRAIN: usize = 1 << 15;

/// A type that tfjs' tensors have.
pub trait Elem: Copy + Send + Sync + 'static {
    const STORAGE: Storage;
}

impl Elem for f32 {
    const STORAGE: Storage = Storage::F32;
}
impl Elem for i32 {
    const STORAGE: Storage = Storage::I32;
}
impl Elem for u8 {
    const STORAGE: Storage = Storage::U8;
}

/// A tensor's elements, for threads that each write their own part. Reading and writing the same
/// tensor elementwise is allowed: these are addresses, not references.
#[derive(Clone, Copy)]
pub struct Elements<T> {
    ptr: *mut T,
    len: usize,
}

unsafe impl<T> Send for Elements<T> {}
unsafe impl<T> Sync for Elements<T> {}

impl<T: Elem> Elements<T> {
    pub fn of(t: &Tensor) -> Result<Elements<T>> {
        ensure!(
            t.storage == T::STORAGE,
            "expected a {} tensor, got {} {:?}",
            T::STORAGE,
            t.storage,
            t.shape()
        );
        Ok(Elements { ptr: t.ptr().cast(), len: t.len() })
    }

    /// The bytes of a tensor whatever its elements.
    pub fn bytes(t: &Tensor) -> Elements<u8> {
        Elements { ptr: t.ptr(), len: t.raw().len() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The address of element `i`, which may be the end.
    pub fn at(&self, i: usize) -> *mut T {
        assert!(i <= self.len);
        unsafe { self.ptr.add(i) }
    }

    /// # Safety
    /// Nobody writes the range while the slice lives.
    pub unsafe fn part(&self, range: Range<usize>) -> &[T] {
        assert!(range.start <= range.end && range.end <= self.len);
        unsafe { std::slice::from_raw_parts(self.ptr.add(range.start), range.len()) }
    }

    /// # Safety
    /// Nobody else touches the range while the slice lives.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part_mut(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(range.start), range.len()) }
    }
}

/// A loop of plain Rust. `run` is `#[inline(always)]`, so that the compiler vectorises it anew for
/// each instruction set.
pub trait Loop {
    type Result;
    fn run(self) -> Self::Result;
}

/// Runs the loop as compiled for `isa`.
pub fn vectorised<L: Loop>(isa: Isa, body: L) -> L::Result {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2<L: Loop>(body: L) -> L::Result {
            body.run()
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        unsafe fn avx512<L: Loop>(body: L) -> L::Result {
            body.run()
        }
        match isa {
            Isa::Avx2 => return unsafe { avx2(body) },
            Isa::Avx512 => return unsafe { avx512(body) },
            Isa::Portable => {}
        }
    }
    let _ = isa;
    body.run()
}

/// JavaScript's conversion to int32: towards zero, modulo 2^32, 0 for NaN and infinities.
#[inline(always)]
pub fn to_int32(x: f64) -> i32 {
    if x.abs() < 2_147_483_648.0 {
        x as i32
    } else if x.is_finite() {
        x.trunc().rem_euclid(4_294_967_296.0) as u32 as i32
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::to_int32;

    #[test]
    fn int32_conversion_is_javascripts() {
        for (x, want) in [
            (1.9, 1),
            (-1.9, -1),
            (f64::NAN, 0),
            (f64::INFINITY, 0),
            (2_147_483_648.0, i32::MIN),
            (4_294_967_297.5, 1),
            (-2_147_483_649.0, i32::MAX),
            (1e20, 1_661_992_960),
        ] {
            assert_eq!(to_int32(x), want, "{x}");
        }
    }
}
