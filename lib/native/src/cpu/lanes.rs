//! One vector of floats under each instruction set, so that a kernel's inner loops are written once.
//!
//! A kernel's body is generic over `Lanes` and `#[inline(always)]`; `by_isa!` compiles it once per
//! instruction set and chooses at run time.

/// # Safety
/// Every method needs the processor to have the implementation's instructions; loads and `store`
/// need `N` numbers at the address.
pub trait Lanes: Copy {
    const N: usize;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(p: *const f32) -> Self;
    /// `N` bfloat16 numbers.
    unsafe fn load_bf16(p: *const u16) -> Self;
    unsafe fn store(self, p: *mut f32);
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
    unsafe fn div(self, b: Self) -> Self;
    /// self * b + c; fused where the processor fuses.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// 2 to the power of self within 3e-7: 0 or less than 1e-37 below -126, infinity from 128, NaN for NaN.
    unsafe fn exp2(self) -> Self;
    /// Without its sign.
    unsafe fn abs(self) -> Self;
    /// 0 where negative; NaN for NaN.
    unsafe fn positive(self) -> Self;
    /// The sum of the lanes.
    unsafe fn sum(self) -> f32;
    /// The sums of the lanes of four vectors.
    #[inline(always)]
    unsafe fn sums(four: [Self; 4]) -> [f32; 4] {
        four.map(|v| unsafe { v.sum() })
    }

    /// Asks for the cache line of an address; any address will do. Into the second-level cache: the nearest
    /// has few places for lines on their way, and what is worked on needs them.
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}

    /// Writes the transpose of an 8 x 8 block: 8 rows `stride` apart to 8 rows `into_stride` apart.
    #[inline(always)]
    unsafe fn transpose8(from: *const f32, stride: usize, into: *mut f32, into_stride: usize) {
        for i in 0..8 {
            for j in 0..8 {
                unsafe { *into.add(j * into_stride + i) = *from.add(i * stride + j) };
            }
        }
    }
}

/// Four lanes: what SSE2 and NEON registers hold.
#[derive(Clone, Copy)]
pub struct Portable([f32; 4]);

impl Lanes for Portable {
    const N: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; 4])
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Portable(unsafe { p.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const u16) -> Self {
        let words = unsafe { p.cast::<[u16; 4]>().read_unaligned() };
        Portable(words.map(|x| f32::from_bits(u32::from(x) << 16)))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { p.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] * b.0[i]))
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] / b.0[i]))
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }
    #[inline(always)]
    unsafe fn exp2(self) -> Self {
        Portable(self.0.map(super::math::exp2))
    }
    #[inline(always)]
    unsafe fn abs(self) -> Self {
        Portable(self.0.map(f32::abs))
    }
    #[inline(always)]
    unsafe fn positive(self) -> Self {
        // Not f32::max, which drops NaN.
        Portable(self.0.map(|x| if x < 0.0 { 0.0 } else { x }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        (self.0[0] + self.0[2]) + (self.0[1] + self.0[3])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use crate::cpu::math::EXP2;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Avx2(__m256);

    impl Lanes for Avx2 {
        const N: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            Avx2(unsafe { _mm256_set1_ps(x) })
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            Avx2(unsafe { _mm256_loadu_ps(p) })
        }
        #[inline(always)]
        unsafe fn load_bf16(p: *const u16) -> Self {
            unsafe {
                let x = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
                Avx2(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(x)))
            }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            unsafe { _mm256_storeu_ps(p, self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            Avx2(unsafe { _mm256_add_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, b: Self) -> Self {
            Avx2(unsafe { _mm256_mul_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn div(self, b: Self) -> Self {
            Avx2(unsafe { _mm256_div_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            Avx2(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
        }
        #[inline(always)]
        unsafe fn exp2(self) -> Self {
            unsafe {
                // The second operand is returned where the first is NaN or the second is.
                let x = _mm256_max_ps(_mm256_set1_ps(-126.0), self.0);
                let x = _mm256_min_ps(_mm256_set1_ps(128.0), x);
                let n = _mm256_cvtps_epi32(x);
                let f = _mm256_sub_ps(x, _mm256_cvtepi32_ps(n));
                let mut p = _mm256_set1_ps(EXP2[0]);
                for c in &EXP2[1..] {
                    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(*c));
                }
                // Added to p's exponent: 2^128 is no float, and p * 2^128 is one where p is below 1.
                // NaN has n = -2^31, which leaves p as it is.
                let n = _mm256_slli_epi32::<23>(n);
                Avx2(_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), n)))
            }
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            Avx2(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
        }
        #[inline(always)]
        unsafe fn positive(self) -> Self {
            // The second operand is returned where either is NaN.
            Avx2(unsafe { _mm256_max_ps(_mm256_setzero_ps(), self.0) })
        }
        #[inline(always)]
        unsafe fn sums(four: [Self; 4]) -> [f32; 4] {
            unsafe {
                let x = four_partial_sums([four[0].0, four[1].0, four[2].0, four[3].0]);
                std::mem::transmute(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x)))
            }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe {
                let x = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
                let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
                _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
            }
        }
        #[inline(always)]
        unsafe fn prefetch(p: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
        }
        #[inline(always)]
        unsafe fn transpose8(from: *const f32, stride: usize, into: *mut f32, into_stride: usize) {
            unsafe { transpose8(from, stride, into, into_stride) }
        }
    }

    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    impl Avx512 {
        /// The sum of both halves.
        #[inline(always)]
        unsafe fn halves(self) -> __m256 {
            unsafe { _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0)) }
        }
    }

    impl Lanes for Avx512 {
        const N: usize = 16;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            Avx512(unsafe { _mm512_set1_ps(x) })
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            Avx512(unsafe { _mm512_loadu_ps(p) })
        }
        #[inline(always)]
        unsafe fn load_bf16(p: *const u16) -> Self {
            unsafe {
                let x = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
                Avx512(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(x)))
            }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            unsafe { _mm512_storeu_ps(p, self.0) }
        }
        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            Avx512(unsafe { _mm512_add_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, b: Self) -> Self {
            Avx512(unsafe { _mm512_mul_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn div(self, b: Self) -> Self {
            Avx512(unsafe { _mm512_div_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            Avx512(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
        }
        #[inline(always)]
        unsafe fn exp2(self) -> Self {
            unsafe {
                // Less the nearest integer; 0 for infinities.
                let f = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0);
                let mut p = _mm512_set1_ps(EXP2[0]);
                for c in &EXP2[1..] {
                    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(*c));
                }
                Avx512(_mm512_scalef_ps(p, _mm512_sub_ps(self.0, f)))
            }
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            Avx512(unsafe { _mm512_abs_ps(self.0) })
        }
        #[inline(always)]
        unsafe fn positive(self) -> Self {
            // The second operand is returned where either is NaN.
            Avx512(unsafe { _mm512_max_ps(_mm512_setzero_ps(), self.0) })
        }
        #[inline(always)]
        unsafe fn sums(four: [Self; 4]) -> [f32; 4] {
            unsafe {
                let [a, b, c, d] = four;
                let x = four_partial_sums([a.halves(), b.halves(), c.halves(), d.halves()]);
                std::mem::transmute(_mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x)))
            }
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { _mm512_reduce_add_ps(self.0) }
        }
        #[inline(always)]
        unsafe fn prefetch(p: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
        }
        #[inline(always)]
        unsafe fn transpose8(from: *const f32, stride: usize, into: *mut f32, into_stride: usize) {
            unsafe { transpose8(from, stride, into, into_stride) }
        }
    }

    /// Of four vectors, in each half: the sums of the half's numbers of the first, second, third, fourth.
    #[inline(always)]
    unsafe fn four_partial_sums(v: [__m256; 4]) -> __m256 {
        unsafe {
            let ab = _mm256_add_ps(_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpackhi_ps(v[0], v[1]));
            let cd = _mm256_add_ps(_mm256_unpacklo_ps(v[2], v[3]), _mm256_unpackhi_ps(v[2], v[3]));
            _mm256_add_ps(_mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xee>(ab, cd))
        }
    }

    #[inline(always)]
    unsafe fn transpose8(from: *const f32, stride: usize, into: *mut f32, into_stride: usize) {
        unsafe {
            // Rows i and i + 4 side by side, so that the rest stays within 128-bit halves.
            let half = |row: usize, column: usize| {
                let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(row * stride + column)));
                _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((row + 4) * stride + column)))
            };
            for column in [0, 4] {
                let rows = [half(0, column), half(1, column), half(2, column), half(3, column)];
                let low = [_mm256_unpacklo_ps(rows[0], rows[1]), _mm256_unpacklo_ps(rows[2], rows[3])];
                let high = [_mm256_unpackhi_ps(rows[0], rows[1]), _mm256_unpackhi_ps(rows[2], rows[3])];
                let into = into.add(column * into_stride);
                _mm256_storeu_ps(into, _mm256_shuffle_ps::<0x44>(low[0], low[1]));
                _mm256_storeu_ps(into.add(into_stride), _mm256_shuffle_ps::<0xee>(low[0], low[1]));
                _mm256_storeu_ps(into.add(2 * into_stride), _mm256_shuffle_ps::<0x44>(high[0], high[1]));
                _mm256_storeu_ps(into.add(3 * into_stride), _mm256_shuffle_ps::<0xee>(high[0], high[1]));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// `by_isa!(pub fn name(x: T) = body);` defines `unsafe fn name(isa, x)` that runs `body::<V>(x)`
/// compiled for the instruction set.
macro_rules! by_isa {
    ($vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $body:ident) => {
        /// # Safety
        /// As the generic body; the processor must have `isa`.
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name(isa: $crate::cpu::Isa, $($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,f16c")]
                #[allow(clippy::too_many_arguments)]
                unsafe fn avx2($($arg: $type),*) $(-> $result)? {
                    unsafe { $body::<$crate::cpu::lanes::Avx2>($($arg),*) }
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                #[allow(clippy::too_many_arguments)]
                unsafe fn avx512($($arg: $type),*) $(-> $result)? {
                    unsafe { $body::<$crate::cpu::lanes::Avx512>($($arg),*) }
                }
                match isa {
                    $crate::cpu::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::cpu::Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    $crate::cpu::Isa::Portable => {}
                }
            }
            let _ = isa;
            unsafe { $body::<$crate::cpu::lanes::Portable>($($arg),*) }
        }
    };
}
pub(super) use by_isa;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;

    by_isa!(fn four_sums(x: &[f32; 64]) -> [f32; 4] = sums_body);

    unsafe fn sums_body<V: Lanes>(x: &[f32; 64]) -> [f32; 4] {
        unsafe { V::sums(std::array::from_fn(|i| V::load(x.as_ptr().add(i * V::N)))) }
    }

    #[test]
    fn sums_of_four_vectors_are_each_ones_own() {
        let x: [f32; 64] = std::array::from_fn(|i| (i * i) as f32);
        for (isa, lanes) in [(Isa::Portable, 4), (Isa::Avx2, 8), (Isa::Avx512, 16)] {
            if isa > Isa::best() {
                continue;
            }
            let want: Vec<f32> = x.chunks(lanes).take(4).map(|x| x.iter().sum()).collect();
            assert_eq!(unsafe { four_sums(isa, &x) }, *want, "{isa:?}");
        }
    }

    by_isa!(fn exp2_all(x: &mut [f32]) = exp2_body);

    unsafe fn exp2_body<V: Lanes>(x: &mut [f32]) {
        assert_eq!(x.len() % V::N, 0);
        for x in x.chunks_exact_mut(V::N) {
            unsafe { V::load(x.as_ptr()).exp2().store(x.as_mut_ptr()) };
        }
    }

    #[test]
    fn exp2_of_every_instruction_set_is_accurate_and_right_at_its_ends() {
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            if isa > Isa::best() {
                continue;
            }
            let x: Vec<f32> = (0..205_248).map(|i| -126.0 + i as f32 * 1.237e-3).collect();
            assert!((127.88..128.0).contains(x.last().unwrap()));
            let mut y = x.clone();
            unsafe { exp2_all(isa, &mut y) };
            for (x, y) in x.iter().zip(y) {
                let want = f64::from(*x).exp2();
                assert!((f64::from(y) - want).abs() <= 3e-7 * want, "{isa:?}: exp2({x}) = {y}, not {want}");
            }
            let (inf, nan) = (f32::INFINITY, f32::from_bits(0x7fc0_01ff));
            let mut ends = [0.0; 16];
            ends[1..11].copy_from_slice(&[
                1.0,
                -1.0,
                127.999_99,
                128.0,
                1e30,
                inf,
                -inf,
                f32::NAN,
                -nan,
                nan,
            ]);
            unsafe { exp2_all(isa, &mut ends) };
            assert_eq!(ends[..3], [1.0, 2.0, 0.5]);
            assert!(ends[3].is_finite() && ends[3] > 3.4e38);
            assert_eq!(ends[4..7], [inf; 3]);
            assert!((0.0..1e-37).contains(&ends[7]));
            assert!(ends[8..11].iter().all(|x| x.is_nan()), "{isa:?}: {ends:?}");
        }
    }
}
