//! The innermost product: a tile of up to 6 rows by panels of 16 columns held in registers.
//!
//! `c += a b`, summed over k in order from zero and then added to `c`. The order does not depend on
//! the tile's size, so a row's result is the same whatever rows are computed beside it.

use crate::cpu::Isa;

/// Rows of a tile at most.
pub const MR: usize = 6;
/// Columns of a panel.
pub const NR: usize = 16;

/// Where a tile's rows of `a` lie.
#[derive(Clone, Copy)]
pub enum Rows {
    /// Row-major with this stride.
    Strided(*const f32, usize),
    /// Interleaved: the tile's rows side by side for each k.
    Packed(*const f32),
}

/// Rows to take next of the `left` ones, in tiles as even as can be.
#[inline(always)]
pub fn tile_rows(left: usize) -> usize {
    left.div_ceil(left.div_ceil(MR))
}

/// One tile against one panel of 16 columns.
///
/// # Safety
/// `a` must hold `mr` rows of `k`, `b` `k` rows of 16, `c` `mr` rows of 16 at stride `ldc`.
#[inline(always)]
pub unsafe fn tile(isa: Isa, mr: usize, k: usize, a: Rows, b: *const f32, c: *mut f32, ldc: usize) {
    debug_assert!((1..=MR).contains(&mr));
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if isa >= Isa::Avx2 {
            return match a {
                Rows::Strided(a, lda) => avx2::STRIDED[mr - 1](k, a, lda, b, c, ldc),
                Rows::Packed(a) => avx2::PACKED[mr - 1](k, a, 0, b, c, ldc),
            };
        }
        let _ = isa;
        match a {
            Rows::Strided(a, lda) => portable::STRIDED[mr - 1](k, a, lda, b, c, ldc),
            Rows::Packed(a) => portable::PACKED[mr - 1](k, a, 0, b, c, ldc),
        }
    }
}

type Tile = unsafe fn(usize, *const f32, usize, *const f32, *mut f32, usize);

macro_rules! tables {
    () => {
        pub static STRIDED: [Tile; MR] = [
            tile::<1, false>,
            tile::<2, false>,
            tile::<3, false>,
            tile::<4, false>,
            tile::<5, false>,
            tile::<6, false>,
        ];
        pub static PACKED: [Tile; MR] = [
            tile::<1, true>,
            tile::<2, true>,
            tile::<3, true>,
            tile::<4, true>,
            tile::<5, true>,
            tile::<6, true>,
        ];
    };
}

mod portable {
    use super::*;

    tables!();

    unsafe fn tile<const M: usize, const P: bool>(
        k: usize,
        a: *const f32,
        lda: usize,
        b: *const f32,
        c: *mut f32,
        ldc: usize,
    ) {
        // Eight columns at a time: what fits the registers of the smallest machines.
        for half in 0..2 {
            let mut acc = [[0f32; 8]; M];
            for p in 0..k {
                let b = unsafe { &*b.add(p * NR + half * 8).cast::<[f32; 8]>() };
                for (i, acc) in acc.iter_mut().enumerate() {
                    let x = unsafe { *a.add(if P { p * M + i } else { i * lda + p }) };
                    for j in 0..8 {
                        acc[j] += x * b[j];
                    }
                }
            }
            for (i, acc) in acc.iter().enumerate() {
                let c = unsafe { &mut *c.add(i * ldc + half * 8).cast::<[f32; 8]>() };
                for j in 0..8 {
                    c[j] += acc[j];
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    use std::arch::x86_64::*;

    tables!();

    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile<const M: usize, const P: bool>(
        k: usize,
        a: *const f32,
        lda: usize,
        b: *const f32,
        c: *mut f32,
        ldc: usize,
    ) {
        unsafe {
            let mut acc = [[_mm256_setzero_ps(); 2]; M];
            for p in 0..k {
                let b0 = _mm256_loadu_ps(b.add(p * NR));
                let b1 = _mm256_loadu_ps(b.add(p * NR + 8));
                for (i, acc) in acc.iter_mut().enumerate() {
                    let x = _mm256_broadcast_ss(&*a.add(if P { p * M + i } else { i * lda + p }));
                    acc[0] = _mm256_fmadd_ps(x, b0, acc[0]);
                    acc[1] = _mm256_fmadd_ps(x, b1, acc[1]);
                }
            }
            for (i, acc) in acc.iter().enumerate() {
                for (j, acc) in acc.iter().enumerate() {
                    let c = c.add(i * ldc + j * 8);
                    _mm256_storeu_ps(c, _mm256_add_ps(_mm256_loadu_ps(c), *acc));
                }
            }
        }
    }
}
