//! Eight-bit products with AVX2: sixteen rows of weights against up to four rows of codes.

use super::avx2::{Eight, LANES, Vectors};
use super::formats::{GROUP, Q4_0, Q4_1, Q8_0};
use super::int8::{Int8, LEAST, Rounded, Side};
use super::scratch::with_scratch;
use super::weight::{Out, Weight};
use std::arch::x86_64::*;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows of a tile at most.
const ROWS: usize = 4;
/// Columns of a panel.
const COLS: usize = 2 * LANES;

/// A format's codes as the multiplication takes them.
pub trait Words: Int8 + Vectors {
    /// Whether codes are signed; unsigned ones are at most 15, and 32 products of theirs fit 16 bits.
    const SIGNED: bool;
}

impl Words for Q8_0 {
    const SIGNED: bool = true;
}

impl Words for Q4_0 {
    const SIGNED: bool = false;
}

impl Words for Q4_1 {
    const SIGNED: bool = false;
}

/// 32 codes of sixteen rows, four codes to a lane.
#[repr(C)]
struct Group {
    words: [[__m256i; 2]; 8],
    scales: [__m256; 2],
    offsets: [__m256; 2],
}

const GROUP_FLOATS: usize = size_of::<Group>() / 4;

/// As `int8::round`.
///
/// # Safety
/// As `int8::round`, with AVX2.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn round(x: &[f32], codes: *mut i8, sides: *mut Side) {
    let size = |v: __m256| _mm256_andnot_ps(_mm256_set1_ps(-0.0), v);
    for (b, x) in x.as_chunks::<GROUP>().0.iter().enumerate() {
        let x: [__m256; 4] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(x.as_ptr().add(i * LANES)) });
        let wild = x.map(|v| _mm256_cmp_ps::<_CMP_NLT_UQ>(size(v), _mm256_set1_ps(f32::INFINITY)));
        let wild = _mm256_or_ps(_mm256_or_ps(wild[0], wild[1]), _mm256_or_ps(wild[2], wild[3]));
        let most =
            _mm256_max_ps(_mm256_max_ps(size(x[0]), size(x[1])), _mm256_max_ps(size(x[2]), size(x[3])));
        let most = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps::<1>(most));
        let most = _mm_max_ps(most, _mm_movehl_ps(most, most));
        let most = _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
        let (scale, inverse) = match most {
            _ if _mm256_movemask_ps(wild) != 0 => (f32::NAN, 0.0),
            m if m < LEAST => (0.0, 0.0),
            m => (m / 127.0, 127.0 / m),
        };
        let c = x.map(|v| _mm256_cvtps_epi32(_mm256_mul_ps(v, _mm256_set1_ps(inverse))));
        let sum = _mm256_add_epi32(_mm256_add_epi32(c[0], c[1]), _mm256_add_epi32(c[2], c[3]));
        let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
        let sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
        let sum = _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<1>(sum)));
        let packed = _mm256_packs_epi16(_mm256_packs_epi32(c[0], c[1]), _mm256_packs_epi32(c[2], c[3]));
        // Packing works on halves: set the quarters in order again.
        let packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        unsafe {
            _mm256_storeu_si256(codes.add(b * GROUP).cast(), packed);
            *sides.add(b) = Side { scale, sum: scale * sum as f32 };
        }
    }
}

/// As `int8::strip`.
///
/// # Safety
/// As `int8::strip`, with AVX2, FMA and F16C.
pub unsafe fn strip<F: Words>(x: Rounded, rows: Range<usize>, w: &Weight, cols: Range<usize>, out: Out) {
    let groups = x.k / GROUP;
    let panels = cols.clone().step_by(COLS).map(|c| c..(c + COLS).min(cols.end));
    if rows.len() <= ROWS {
        for panel in panels {
            unsafe {
                let side = Out { ptr: out.at(0, panel.start - cols.start), ..out };
                let from = columns(w, &panel);
                let ahead = w.row(panel.end.min(w.rows - 1));
                match rows.len() {
                    1 => fused::<F, 1>(x, rows.start, &from, ahead, panel.len(), side),
                    2 => fused::<F, 2>(x, rows.start, &from, ahead, panel.len(), side),
                    3 => fused::<F, 3>(x, rows.start, &from, ahead, panel.len(), side),
                    _ => fused::<F, 4>(x, rows.start, &from, ahead, panel.len(), side),
                }
            }
        }
        return;
    }
    with_scratch(groups * GROUP_FLOATS, |buffer| {
        let buffer = buffer.as_mut_ptr().cast::<MaybeUninit<Group>>();
        for panel in panels {
            unsafe {
                let side = Out { ptr: out.at(0, panel.start - cols.start), ..out };
                fill::<F>(&columns(w, &panel), groups, buffer);
                let mut r = rows.start;
                while r < rows.end {
                    let left = rows.end - r;
                    let take = left.div_ceil(left.div_ceil(ROWS));
                    match take {
                        1 => stored::<F, 1>(x, r, buffer.cast(), panel.len(), side),
                        2 => stored::<F, 2>(x, r, buffer.cast(), panel.len(), side),
                        3 => stored::<F, 3>(x, r, buffer.cast(), panel.len(), side),
                        _ => stored::<F, 4>(x, r, buffer.cast(), panel.len(), side),
                    }
                    r += take;
                }
            }
        }
    });
}

/// The rows of a panel's columns. Beyond the last column its row is repeated: nobody reads the result.
fn columns(w: &Weight, cols: &Range<usize>) -> [Eight; 2] {
    std::array::from_fn(|e| std::array::from_fn(|i| w.row((cols.start + e * LANES + i).min(cols.end - 1))))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load<F: Words>(rows: &[Eight; 2], g: usize, to: &mut MaybeUninit<Group>) {
    unsafe {
        let to = to.as_mut_ptr();
        for (e, rows) in rows.iter().enumerate() {
            let blocks = rows.map(|r| r.add(g * F::BYTES));
            let (scale, offset) = F::affine(&blocks, 0).first();
            (*to).scales[e] = scale;
            (*to).offsets[e] = offset;
            let words = F::words(&blocks, 0);
            for (i, &codes) in words.iter().enumerate() {
                // `Vectors` raises codes of eight bits to be unsigned; here they are as stored.
                (*to).words[i][e] =
                    if F::SIGNED { _mm256_xor_si256(codes, _mm256_set1_epi8(-128)) } else { codes };
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn fill<F: Words>(rows: &[Eight; 2], groups: usize, to: *mut MaybeUninit<Group>) {
    for g in 0..groups {
        unsafe { load::<F>(rows, g, &mut *to.add(g)) };
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn stored<F: Words, const M: usize>(x: Rounded, row: usize, w: *const Group, n: usize, out: Out) {
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); 2]; M];
        let (codes, sides) = starts::<M>(x, row);
        for g in 0..x.k / GROUP {
            add::<F, M>(&*w.add(g), codes.map(|c| c.add(g * GROUP)), sides.map(|s| s.add(g)), &mut sums);
        }
        store(&sums, row, n, out);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn fused<F: Words, const M: usize>(
    x: Rounded,
    row: usize,
    w: &[Eight; 2],
    ahead: *const u8,
    n: usize,
    out: Out,
) {
    unsafe {
        let mut sums = [[_mm256_setzero_ps(); 2]; M];
        let (codes, sides) = starts::<M>(x, row);
        let mut group = MaybeUninit::uninit();
        for g in 0..x.k / GROUP {
            // The rows to come follow these in memory: fetch as much of them as is used up here.
            for line in (0..COLS * F::BYTES).step_by(64) {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(g * COLS * F::BYTES + line).cast());
            }
            load::<F>(w, g, &mut group);
            let group = group.assume_init_ref();
            add::<F, M>(group, codes.map(|c| c.add(g * GROUP)), sides.map(|s| s.add(g)), &mut sums);
        }
        store(&sums, row, n, out);
    }
}

#[inline(always)]
fn starts<const M: usize>(x: Rounded, row: usize) -> ([*const i8; M], [*const Side; M]) {
    (std::array::from_fn(|m| x.codes(row + m)), std::array::from_fn(|m| x.sides(row + m)))
}

/// Goes on with the sums by one block.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add<F: Words, const M: usize>(
    w: &Group,
    codes: [*const i8; M],
    sides: [*const Side; M],
    sums: &mut [[__m256; 2]; M],
) {
    unsafe {
        let ones = _mm256_set1_epi16(1);
        let mut dots = [[_mm256_setzero_si256(); 2]; M];
        // Unrolled, this loop would spill its sums.
        for i in 0..black_box(8) {
            let words = w.words.get_unchecked(i);
            for m in 0..M {
                let c = _mm256_set1_epi32(codes[m].add(4 * i).cast::<i32>().read_unaligned());
                for e in 0..2 {
                    let q = words[e];
                    dots[m][e] = if F::SIGNED {
                        // |q| times c with q's sign: both operands as the instruction wants them.
                        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(c, q));
                        _mm256_add_epi32(dots[m][e], _mm256_madd_epi16(pairs, ones))
                    } else {
                        _mm256_add_epi16(dots[m][e], _mm256_maddubs_epi16(q, c))
                    };
                }
            }
        }
        for m in 0..M {
            let scale = _mm256_broadcast_ss(&(*sides[m]).scale);
            let sum = _mm256_broadcast_ss(&(*sides[m]).sum);
            for e in 0..2 {
                let dot = if F::SIGNED { dots[m][e] } else { _mm256_madd_epi16(dots[m][e], ones) };
                let by = _mm256_mul_ps(w.scales[e], scale);
                sums[m][e] = _mm256_fmadd_ps(by, _mm256_cvtepi32_ps(dot), sums[m][e]);
                if F::OFFSETS {
                    sums[m][e] = _mm256_fmadd_ps(w.offsets[e], sum, sums[m][e]);
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn store<const M: usize>(sums: &[[__m256; 2]; M], row: usize, n: usize, out: Out) {
    let mut all = [0f32; COLS];
    for (m, sums) in sums.iter().enumerate() {
        unsafe {
            _mm256_storeu_ps(all.as_mut_ptr(), sums[0]);
            _mm256_storeu_ps(all.as_mut_ptr().add(LANES), sums[1]);
            for (out, sum) in out.run(row + m, 0, n).iter_mut().zip(&all) {
                *out += sum;
            }
        }
    }
}
