//! Very few rows of x against stored weights: decoded weights go from registers into the sums.
//!
//! The sums run over k in the order of the tiles (see `micro`), so that the results are the same.

use super::avx2::{Columns, DenseVectors, Eight, LANES, Vectors, turn};
use super::formats::{GROUP, with_format};
use super::left::Left;
use super::product::steps;
use super::weight::{Out, Weight};
use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows of x at most.
pub const ROWS: usize = 3;

/// Sums of M rows of x by E eights of weight rows: enough to hide an addition's latency, few enough
/// for the registers.
type Sums<const M: usize, const E: usize> = [[[f32; LANES]; E]; M];
type Sum<const M: usize, const E: usize> =
    unsafe fn([*const f32; M], &[Eight; E], Range<usize>, *const u8, &mut Sums<M, E>);

/// `out += a[rows] w[cols]^T`, where `out` starts at the first of `cols` and keeps `a`'s row numbers.
///
/// # Safety
/// `a`'s rows are where they were; the ranges must be inside, there be at most `ROWS` rows, and no other thread touch that part of
/// `out`; AVX2, FMA and F16C.
pub unsafe fn strip(a: Left, rows: Range<usize>, w: &Weight, cols: Range<usize>, out: Out) {
    with_format!(w.storage, F,
    blocks unsafe {
        match rows.len() {
            1 => spans::<1, 4>(a, rows, w, cols, out, sum_blocks::<F, 1, 4>),
            2 => spans::<2, 2>(a, rows, w, cols, out, sum_blocks::<F, 2, 2>),
            _ => spans::<3, 2>(a, rows, w, cols, out, sum_blocks::<F, 3, 2>),
        }
    },
    dense unsafe {
        match rows.len() {
            1 => spans::<1, 4>(a, rows, w, cols, out, sum_dense::<F, 1, 4>),
            2 => spans::<2, 2>(a, rows, w, cols, out, sum_dense::<F, 2, 2>),
            _ => spans::<3, 2>(a, rows, w, cols, out, sum_dense::<F, 3, 2>),
        }
    })
}

#[inline(always)]
unsafe fn spans<const M: usize, const E: usize>(
    a: Left,
    rows: Range<usize>,
    w: &Weight,
    cols: Range<usize>,
    out: Out,
    sum: Sum<M, E>,
) {
    let span = E * LANES;
    let grain = w.storage.block().0.max(GROUP);
    let x: [*const f32; M] = std::array::from_fn(|i| unsafe { a.row(rows.start + i).unwrap_unchecked() });
    for col in cols.clone().step_by(span) {
        let n = span.min(cols.end - col);
        // Beyond the last column its row is repeated: nobody reads the result.
        let eights: [Eight; E] =
            std::array::from_fn(|e| std::array::from_fn(|i| w.row((col + e * LANES + i).min(cols.end - 1))));
        let ahead = w.row((col + n).min(w.rows - 1));
        for ks in steps(a.k, grain) {
            let mut sums = [[[0f32; LANES]; E]; M];
            unsafe { sum(x, &eights, ks, ahead, &mut sums) };
            for (i, sums) in sums.iter().enumerate() {
                let out = unsafe { out.run(rows.start + i, col - cols.start, n) };
                for (out, sum) in out.iter_mut().zip(sums.as_flattened()) {
                    *out += sum;
                }
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sum_blocks<F: Vectors, const M: usize, const E: usize>(
    x: [*const f32; M],
    rows: &[Eight; E],
    ks: Range<usize>,
    ahead: *const u8,
    sums: &mut Sums<M, E>,
) {
    unsafe {
        let mut acc = [[_mm256_setzero_ps(); E]; M];
        let mut columns = [const { MaybeUninit::uninit() }; E];
        for g in ks.start / GROUP..ks.end / GROUP {
            // The rows to come follow these in memory: fetch as much of them as is used up here.
            let used = E * LANES * F::BYTES / F::GROUPS;
            for line in (0..used).step_by(64) {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(g * used + line).cast());
            }
            let block = g / F::GROUPS * F::BYTES;
            for i in 0..E {
                Columns::fill::<F>(&mut columns[i], &rows[i].map(|r| r.add(block)), g % F::GROUPS);
            }
            for word in 0..8 {
                for byte in 0..4 {
                    let x = x.map(|x| _mm256_broadcast_ss(&*x.add(g * GROUP + 4 * word + byte)));
                    for i in 0..E {
                        let w = Columns::weight::<F>(&columns[i], word, byte);
                        for m in 0..M {
                            acc[m][i] = _mm256_fmadd_ps(x[m], w, acc[m][i]);
                        }
                    }
                }
            }
        }
        store(&acc, sums);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sum_dense<F: DenseVectors, const M: usize, const E: usize>(
    x: [*const f32; M],
    rows: &[Eight; E],
    ks: Range<usize>,
    ahead: *const u8,
    sums: &mut Sums<M, E>,
) {
    unsafe {
        let mut acc = [[_mm256_setzero_ps(); E]; M];
        let whole = ks.start + ks.len() / LANES * LANES;
        for k in (ks.start..whole).step_by(LANES) {
            let used = E * LANES * F::BYTES * LANES;
            for line in (0..used).step_by(64) {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(k / LANES * used + line).cast());
            }
            for i in 0..E {
                let square = turn(rows[i].map(|r| F::eight(r.add(k * F::BYTES))));
                for (p, w) in square.into_iter().enumerate() {
                    for m in 0..M {
                        acc[m][i] = _mm256_fmadd_ps(_mm256_broadcast_ss(&*x[m].add(k + p)), w, acc[m][i]);
                    }
                }
            }
        }
        for k in whole..ks.end {
            for i in 0..E {
                let w = rows[i].map(|r| F::load(r.add(k * F::BYTES)));
                let w = _mm256_loadu_ps(w.as_ptr());
                for m in 0..M {
                    acc[m][i] = _mm256_fmadd_ps(_mm256_broadcast_ss(&*x[m].add(k)), w, acc[m][i]);
                }
            }
        }
        store(&acc, sums);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn store<const M: usize, const E: usize>(acc: &[[__m256; E]; M], sums: &mut Sums<M, E>) {
    for (acc, sums) in acc.as_flattened().iter().zip(sums.as_flattened_mut()) {
        unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), *acc) };
    }
}
