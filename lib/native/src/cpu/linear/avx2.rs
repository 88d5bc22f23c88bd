//! Decoding with AVX2: eight rows of weights become columns side by side.

use super::formats::{Bf16, Blocks, Dense, F16, F32, GROUP, Q4_0, Q4_1, Q4K, Q6K, Q8_0};
use super::micro::NR;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// Rows decoded together: the lanes of a vector.
pub const LANES: usize = 8;

/// One address in each of eight rows.
pub type Eight = [*const u8; LANES];

/// A weight is `scale * code + offset` with unsigned codes here, for both halves of a group.
pub struct Affine {
    scale: [__m256; 2],
    offset: [__m256; 2],
}

impl Affine {
    /// The scale and offset of a format that has one of each for a group.
    #[inline(always)]
    pub fn first(&self) -> (__m256, __m256) {
        (self.scale[0], self.offset[0])
    }
}

/// A quantised format's group of 32 weights in eight rows at once.
pub trait Vectors: Blocks {
    /// Whether codes use the eighth bit.
    const WIDE: bool;

    /// Lane r of word i holds codes 4 i to 4 i + 3 of row r, unsigned, one a byte.
    ///
    /// # Safety
    /// As `Blocks`, with AVX2, FMA and F16C.
    unsafe fn words(blocks: &Eight, g: usize) -> [__m256i; 8];

    /// # Safety
    /// As `Blocks`, with AVX2, FMA and F16C.
    unsafe fn affine(blocks: &Eight, g: usize) -> Affine;
}

/// Codes raised by `bias` to be unsigned. Lowering them again by the offset costs no precision: the
/// fused product and sum round once, and `bias * scale` is exact.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn biased(scale: [__m256; 2], bias: f32) -> Affine {
    Affine { scale, offset: scale.map(|s| _mm256_mul_ps(s, _mm256_set1_ps(-bias))) }
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

/// The two float16 numbers that eight blocks begin with.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn pairs(blocks: &Eight) -> (__m256, __m256) {
    unsafe {
        let w = |i: usize| blocks[i].cast::<i32>().read_unaligned();
        let both = _mm256_setr_epi32(w(0), w(1), w(2), w(3), w(4), w(5), w(6), w(7));
        let first = _mm256_and_si256(both, _mm256_set1_epi32(0xffff));
        let packed = _mm256_packus_epi32(first, _mm256_srli_epi32::<16>(both));
        let apart = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
        let second = _mm256_extracti128_si256::<1>(apart);
        (_mm256_cvtph_ps(_mm256_castsi256_si128(apart)), _mm256_cvtph_ps(second))
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn small(values: [i8; LANES]) -> __m256 {
    unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(values.as_ptr().cast()))) }
}

/// Sixteen bytes of eight rows: lane r of word i holds bytes 4 i to 4 i + 3 of row r.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sixteen(blocks: &Eight, at: usize) -> [__m256i; 4] {
    unsafe {
        let rows = |i: usize| {
            let (low, high) = (blocks[i].add(at).cast(), blocks[i + 4].add(at).cast());
            _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high))
        };
        let (a, b, c, d) = (rows(0), rows(1), rows(2), rows(3));
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn thirty_two(blocks: &Eight, at: usize) -> [__m256i; 8] {
    unsafe {
        let ([a, b, c, d], [e, f, g, h]) = (sixteen(blocks, at), sixteen(blocks, at + 16));
        [a, b, c, d, e, f, g, h]
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn low_nibbles(word: __m256i) -> __m256i {
    _mm256_and_si256(word, _mm256_set1_epi8(15))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn high_nibbles(word: __m256i) -> __m256i {
    low_nibbles(_mm256_srli_epi32::<4>(word))
}

/// Codes of which the first sixteen are low nibbles and the others the high ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn nibbles(blocks: &Eight, at: usize) -> [__m256i; 8] {
    let words = unsafe { sixteen(blocks, at) };
    std::array::from_fn(|i| if i < 4 { low_nibbles(words[i]) } else { high_nibbles(words[i - 4]) })
}

impl Vectors for Q8_0 {
    const WIDE: bool = true;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn words(blocks: &Eight, _g: usize) -> [__m256i; 8] {
        let words = unsafe { thirty_two(blocks, 2) };
        words.map(|w| _mm256_xor_si256(w, _mm256_set1_epi8(-128)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn affine(blocks: &Eight, _g: usize) -> Affine {
        biased(unsafe { [halves(blocks, 0); 2] }, 128.0)
    }
}

impl Vectors for Q4_0 {
    const WIDE: bool = false;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn words(blocks: &Eight, _g: usize) -> [__m256i; 8] {
        unsafe { nibbles(blocks, 2) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn affine(blocks: &Eight, _g: usize) -> Affine {
        biased(unsafe { [halves(blocks, 0); 2] }, 8.0)
    }
}

impl Vectors for Q4_1 {
    const WIDE: bool = false;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn words(blocks: &Eight, _g: usize) -> [__m256i; 8] {
        unsafe { nibbles(blocks, 4) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn affine(blocks: &Eight, _g: usize) -> Affine {
        let (d, m) = unsafe { pairs(blocks) };
        Affine { scale: [d; 2], offset: [m; 2] }
    }
}

impl Vectors for Q4K {
    const WIDE: bool = false;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn words(blocks: &Eight, g: usize) -> [__m256i; 8] {
        let words = unsafe { thirty_two(blocks, 16 + g / 2 * GROUP) };
        if g.is_multiple_of(2) { words.map(|w| low_nibbles(w)) } else { words.map(|w| high_nibbles(w)) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn affine(blocks: &Eight, g: usize) -> Affine {
        unsafe {
            let (mut scales, mut least) = ([0; LANES], [0; LANES]);
            for i in 0..LANES {
                let six = Q4K::six_bits(blocks[i], g);
                (scales[i], least[i]) = (six.0 as i8, six.1 as i8);
            }
            let (d, m) = pairs(blocks);
            let scale = _mm256_mul_ps(d, small(scales));
            let least = _mm256_mul_ps(m, small(least));
            Affine { scale: [scale; 2], offset: [_mm256_xor_ps(least, _mm256_set1_ps(-0.0)); 2] }
        }
    }
}

impl Vectors for Q6K {
    const WIDE: bool = false;

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn words(blocks: &Eight, g: usize) -> [__m256i; 8] {
        unsafe {
            let (half, quarter) = (g / 4, g % 4);
            let low = thirty_two(blocks, half * 64 + quarter % 2 * GROUP);
            let high = thirty_two(blocks, 128 + half * GROUP);
            let shift = _mm_cvtsi32_si128(2 * quarter as i32);
            std::array::from_fn(|i| {
                let low = if quarter < 2 { low_nibbles(low[i]) } else { high_nibbles(low[i]) };
                let pair = _mm256_and_si256(_mm256_srl_epi32(high[i], shift), _mm256_set1_epi8(3));
                _mm256_or_si256(low, _mm256_slli_epi32::<4>(pair))
            })
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn affine(blocks: &Eight, g: usize) -> Affine {
        unsafe {
            let d = halves(blocks, 208);
            let s = |half: usize| small(blocks.map(|b| *b.add(192 + 2 * g + half).cast::<i8>()));
            biased([_mm256_mul_ps(d, s(0)), _mm256_mul_ps(d, s(1))], 32.0)
        }
    }
}

/// A group of 32 weights of eight rows, ready to be read one column at a time.
pub struct Columns {
    words: [__m256i; 8],
    /// By half of the group, then by the code's byte: a code is left where it is in its word, and
    /// the scale is 2^-8, 2^-16 or 2^-24 of itself instead, which is exact.
    scales: [[__m256; 4]; 2],
    offsets: [__m256; 2],
}

impl Columns {
    /// # Safety
    /// As `Blocks`, with AVX2, FMA and F16C.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn fill<F: Vectors>(to: &mut MaybeUninit<Columns>, blocks: &Eight, g: usize) {
        unsafe {
            let to = to.as_mut_ptr();
            let affine = F::affine(blocks, g);
            for half in 0..if F::HALVES { 2 } else { 1 } {
                let scale = affine.scale[half];
                let scales = &raw mut (*to).scales[half];
                (*scales)[0] = scale;
                (*scales)[1] = _mm256_mul_ps(scale, _mm256_set1_ps(1.0 / 256.0));
                (*scales)[2] = _mm256_mul_ps(scale, _mm256_set1_ps(1.0 / 65536.0));
                (*scales)[3] = _mm256_mul_ps(scale, _mm256_set1_ps(1.0 / 16_777_216.0));
                (*to).offsets[half] = affine.offset[half];
            }
            (*to).words = F::words(blocks, g);
        }
    }

    /// Weight `4 word + byte` of each row.
    ///
    /// # Safety
    /// `columns` was filled for the same format; `word` is below 8, `byte` below 4; AVX2 and FMA.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn weight<F: Vectors>(columns: &MaybeUninit<Columns>, word: usize, byte: usize) -> __m256 {
        let half = if F::HALVES { word / 4 } else { 0 };
        let at = columns.as_ptr();
        unsafe {
            let bits = (*at).words[word];
            // The top byte of a wide code would be read as a sign.
            let (code, scale) = if F::WIDE && byte == 3 {
                (_mm256_srli_epi32::<24>(bits), 0)
            } else {
                (_mm256_and_si256(bits, _mm256_set1_epi32(0xff << (8 * byte))), byte)
            };
            _mm256_fmadd_ps((*at).scales[half][scale], _mm256_cvtepi32_ps(code), (*at).offsets[half])
        }
    }
}

/// Sixteen decoded rows as the columns of a panel: `panel[k * 16 + i]` is row i's weight k.
///
/// # Safety
/// The rows must hold groups `groups`, `panel` 16 numbers for each weight; AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn fill_blocks<F: Vectors>(rows: &[Eight; 2], groups: std::ops::Range<usize>, panel: *mut f32) {
    let mut columns = [const { MaybeUninit::uninit() }; 2];
    for (i, g) in groups.enumerate() {
        unsafe {
            let block = g / F::GROUPS * F::BYTES;
            for (columns, rows) in columns.iter_mut().zip(rows) {
                Columns::fill::<F>(columns, &rows.map(|r| r.add(block)), g % F::GROUPS);
            }
            for word in 0..8 {
                let out = panel.add((i * GROUP + word * 4) * NR);
                for byte in 0..4 {
                    _mm256_storeu_ps(out.add(byte * NR), Columns::weight::<F>(&columns[0], word, byte));
                    _mm256_storeu_ps(
                        out.add(byte * NR + LANES),
                        Columns::weight::<F>(&columns[1], word, byte),
                    );
                }
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
pub fn turn(r: [__m256; 8]) -> [__m256; 8] {
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

/// As `fill_blocks`, for `len` numbers from the rows' addresses.
///
/// # Safety
/// The rows must hold `len` numbers, `panel` 16 for each; AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn fill_dense<F: DenseVectors>(rows: &[Eight; 2], len: usize, panel: *mut f32) {
    unsafe {
        let whole = len / LANES * LANES;
        for p in (0..whole).step_by(LANES) {
            for (half, rows) in rows.iter().enumerate() {
                let square = turn(rows.map(|r| F::eight(r.add(p * F::BYTES))));
                for (i, v) in square.into_iter().enumerate() {
                    _mm256_storeu_ps(panel.add((p + i) * NR + half * LANES), v);
                }
            }
        }
        for p in whole..len {
            for (i, r) in rows.as_flattened().iter().enumerate() {
                *panel.add(p * NR + i) = F::load(r.add(p * F::BYTES));
            }
        }
    }
}
