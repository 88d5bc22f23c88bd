//! Decoding with AVX2: eight rows of weights become columns side by side.

use super::formats::{Bf16, Blocks, Dense, F16, F32, GROUP, Q4_0, Q4_1, Q4K, Q6K, Q8_0};
use super::micro::NR;
use std::arch::x86_64::*;

/// Rows decoded together: the lanes of a vector.
pub const LANES: usize = 8;

/// One address in each of eight rows.
pub type Eight = [*const u8; LANES];

/// A quantised format's block in vectors.
pub trait Vectors: Blocks {
    /// The 32 codes of a group in order.
    ///
    /// # Safety
    /// As `Blocks`, with AVX2, FMA and F16C.
    unsafe fn vector(block: *const u8, g: usize) -> __m256i;

    /// The scales of the same group in eight rows, for both halves of the group.
    ///
    /// # Safety
    /// As `Blocks`, with AVX2, FMA and F16C.
    unsafe fn scales(blocks: &Eight, g: usize) -> [__m256; 2];

    /// The offsets likewise.
    ///
    /// # Safety
    /// As `Blocks`, with AVX2, FMA and F16C.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn offsets(_blocks: &Eight, _g: usize) -> __m256 {
        unsafe { _mm256_setzero_ps() }
    }
}

/// The float16 numbers at an offset of eight blocks.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn halves(blocks: &Eight, at: usize) -> __m256 {
    unsafe {
        let h = |i: usize| blocks[i].add(at).cast::<i16>().read_unaligned();
        _mm256_cvtph_ps(_mm_setr_epi16(h(0), h(1), h(2), h(3), h(4), h(5), h(6), h(7)))
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn small(values: [i8; LANES]) -> __m256 {
    unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(values.as_ptr().cast()))) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn nibbles(p: *const u8) -> __m256i {
    unsafe {
        let bytes = _mm_loadu_si128(p.cast());
        let pairs = _mm256_set_m128i(_mm_srli_epi16::<4>(bytes), bytes);
        _mm256_and_si256(pairs, _mm256_set1_epi8(15))
    }
}

impl Vectors for Q8_0 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn vector(block: *const u8, _g: usize) -> __m256i {
        unsafe { _mm256_loadu_si256(block.add(2).cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(blocks: &Eight, _g: usize) -> [__m256; 2] {
        unsafe { [halves(blocks, 0); 2] }
    }
}

impl Vectors for Q4_0 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn vector(block: *const u8, _g: usize) -> __m256i {
        unsafe { _mm256_sub_epi8(nibbles(block.add(2)), _mm256_set1_epi8(8)) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(blocks: &Eight, _g: usize) -> [__m256; 2] {
        unsafe { [halves(blocks, 0); 2] }
    }
}

impl Vectors for Q4_1 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn vector(block: *const u8, _g: usize) -> __m256i {
        unsafe { nibbles(block.add(4)) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(blocks: &Eight, _g: usize) -> [__m256; 2] {
        unsafe { [halves(blocks, 0); 2] }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn offsets(blocks: &Eight, _g: usize) -> __m256 {
        unsafe { halves(blocks, 2) }
    }
}

impl Vectors for Q4K {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn vector(block: *const u8, g: usize) -> __m256i {
        unsafe {
            let bytes = _mm256_loadu_si256(block.add(16 + g / 2 * GROUP).cast());
            let shifted = if g.is_multiple_of(2) { bytes } else { _mm256_srli_epi16::<4>(bytes) };
            _mm256_and_si256(shifted, _mm256_set1_epi8(15))
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(blocks: &Eight, g: usize) -> [__m256; 2] {
        unsafe {
            let six = blocks.map(|b| Q4K::six_bits(b, g).0 as i8);
            [_mm256_mul_ps(halves(blocks, 0), small(six)); 2]
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn offsets(blocks: &Eight, g: usize) -> __m256 {
        unsafe {
            let six = blocks.map(|b| Q4K::six_bits(b, g).1 as i8);
            let d = _mm256_xor_ps(halves(blocks, 2), _mm256_set1_ps(-0.0));
            _mm256_mul_ps(d, small(six))
        }
    }
}

impl Vectors for Q6K {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn vector(block: *const u8, g: usize) -> __m256i {
        unsafe {
            let (half, quarter) = (g / 4, g % 4);
            let low = _mm256_loadu_si256(block.add(half * 64 + quarter % 2 * GROUP).cast());
            let low = if quarter < 2 { low } else { _mm256_srli_epi16::<4>(low) };
            let high = _mm256_loadu_si256(block.add(128 + half * GROUP).cast());
            let high = _mm256_srl_epi16(high, _mm_cvtsi32_si128(2 * quarter as i32));
            let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
            let high = _mm256_slli_epi16::<4>(_mm256_and_si256(high, _mm256_set1_epi8(3)));
            _mm256_sub_epi8(_mm256_or_si256(low, high), _mm256_set1_epi8(32))
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn scales(blocks: &Eight, g: usize) -> [__m256; 2] {
        unsafe {
            let d = halves(blocks, 208);
            let s = |half: usize| small(blocks.map(|b| *b.add(192 + 2 * g + half).cast::<i8>()));
            [_mm256_mul_ps(d, s(0)), _mm256_mul_ps(d, s(1))]
        }
    }
}

/// 32 codes of eight rows, element by element: `bytes[place(e)..][..8]` are the eight rows' codes.
#[repr(C, align(32))]
pub struct Turned([u8; LANES * GROUP]);

impl Turned {
    pub const EMPTY: Turned = Turned([0; LANES * GROUP]);

    /// Where the eight codes of element `e` are.
    #[inline(always)]
    pub const fn place(e: usize) -> usize {
        e % 16 / 2 * 32 + e / 16 * 16 + e % 2 * 8
    }

    /// The codes of element `e` as floats.
    ///
    /// # Safety
    /// The processor must have AVX2; `e` is below 32.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn floats(&self, e: usize) -> __m256 {
        unsafe {
            let eight = _mm_loadl_epi64(self.0.as_ptr().add(Turned::place(e)).cast());
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight))
        }
    }

    /// # Safety
    /// As `Blocks`, with AVX2.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn fill<F: Vectors>(&mut self, blocks: &Eight, g: usize) {
        unsafe {
            let row = |i: usize| F::vector(blocks[i], g);
            let pair = |i: usize| {
                let (a, b) = (row(i), row(i + 1));
                (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b))
            };
            let (p0, p1, p2, p3) = (pair(0), pair(2), pair(4), pair(6));
            let quads = [
                (_mm256_unpacklo_epi16(p0.0, p1.0), _mm256_unpacklo_epi16(p2.0, p3.0)),
                (_mm256_unpackhi_epi16(p0.0, p1.0), _mm256_unpackhi_epi16(p2.0, p3.0)),
                (_mm256_unpacklo_epi16(p0.1, p1.1), _mm256_unpacklo_epi16(p2.1, p3.1)),
                (_mm256_unpackhi_epi16(p0.1, p1.1), _mm256_unpackhi_epi16(p2.1, p3.1)),
            ];
            let out = self.0.as_mut_ptr().cast::<__m256i>();
            for (i, (a, b)) in quads.into_iter().enumerate() {
                _mm256_store_si256(out.add(2 * i), _mm256_unpacklo_epi32(a, b));
                _mm256_store_si256(out.add(2 * i + 1), _mm256_unpackhi_epi32(a, b));
            }
        }
    }
}

/// Eight decoded rows as eight columns of a panel: `panel[k * 16 + i]` is row i's weight k.
///
/// # Safety
/// The rows must hold groups `groups`, `panel` 16 numbers for each weight; AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn fill_blocks<F: Vectors>(rows: &Eight, groups: std::ops::Range<usize>, panel: *mut f32) {
    let mut turned = Turned::EMPTY;
    for (i, g) in groups.enumerate() {
        unsafe {
            let blocks = rows.map(|r| r.add(g / F::GROUPS * F::BYTES));
            let g = g % F::GROUPS;
            turned.fill::<F>(&blocks, g);
            let (scales, offset) = (F::scales(&blocks, g), F::offsets(&blocks, g));
            let out = panel.add(i * GROUP * NR);
            for e in 0..GROUP {
                let q = turned.floats(e);
                let scale = scales[if F::HALVES { e / 16 } else { 0 }];
                let w = if F::OFFSET { _mm256_fmadd_ps(scale, q, offset) } else { _mm256_mul_ps(scale, q) };
                _mm256_storeu_ps(out.add(e * NR), w);
            }
        }
    }
}

/// A dense format's numbers in vectors.
pub trait DenseVectors: Dense {
    /// # Safety
    /// Eight numbers must be readable; AVX2 and F16C.
    unsafe fn eight(p: *const u8) -> __m256;
}

impl DenseVectors for F32 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn eight(p: *const u8) -> __m256 {
        unsafe { _mm256_loadu_ps(p.cast()) }
    }
}

impl DenseVectors for Bf16 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn eight(p: *const u8) -> __m256 {
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
}

impl DenseVectors for F16 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn eight(p: *const u8) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
    }
}

/// Eight vectors as the columns of an 8 by 8 square become its rows.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn turn(r: [__m256; 8]) -> [__m256; 8] {
    unsafe {
        let pair = |i: usize| (_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i], r[i + 1]));
        let (p0, p1, p2, p3) = (pair(0), pair(2), pair(4), pair(6));
        let q = [
            (_mm256_shuffle_ps::<0x44>(p0.0, p1.0), _mm256_shuffle_ps::<0x44>(p2.0, p3.0)),
            (_mm256_shuffle_ps::<0xee>(p0.0, p1.0), _mm256_shuffle_ps::<0xee>(p2.0, p3.0)),
            (_mm256_shuffle_ps::<0x44>(p0.1, p1.1), _mm256_shuffle_ps::<0x44>(p2.1, p3.1)),
            (_mm256_shuffle_ps::<0xee>(p0.1, p1.1), _mm256_shuffle_ps::<0xee>(p2.1, p3.1)),
        ];
        let low = |i: usize| _mm256_permute2f128_ps::<0x20>(q[i].0, q[i].1);
        let high = |i: usize| _mm256_permute2f128_ps::<0x31>(q[i].0, q[i].1);
        [low(0), low(1), low(2), low(3), high(0), high(1), high(2), high(3)]
    }
}

/// As `fill_blocks`, for `len` numbers from the rows' addresses.
///
/// # Safety
/// The rows must hold `len` numbers, `panel` 16 for each; AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn fill_dense<F: DenseVectors>(rows: &Eight, len: usize, panel: *mut f32) {
    unsafe {
        let whole = len / LANES * LANES;
        for p in (0..whole).step_by(LANES) {
            let square = turn(rows.map(|r| F::eight(r.add(p * F::BYTES))));
            for (i, v) in square.into_iter().enumerate() {
                _mm256_storeu_ps(panel.add((p + i) * NR), v);
            }
        }
        for p in whole..len {
            for (i, r) in rows.iter().enumerate() {
                *panel.add(p * NR + i) = F::load(r.add(p * F::BYTES));
            }
        }
    }
}
