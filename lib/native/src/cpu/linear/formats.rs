//! GGUF's block formats: 32 weights at a time as signed codes, scales and an offset.
//!
//! Every weight is `scale * code + offset`, rounded once, so each path of the engine sees the same
//! float32 number. Sources: the GGUF specification's block layouts (ggml `block_q*` structures).

use half::{bf16, f16};

/// Weights decoded together in every format.
pub const GROUP: usize = 32;

/// 32 consecutive weights: `scale[i / 16] * codes[i] + offset`.
pub struct Group {
    pub codes: [i8; GROUP],
    pub scale: [f32; 2],
    pub offset: f32,
}

/// A quantised format. `block` addresses one block, unaligned; `g` counts groups inside it.
pub trait Blocks: Copy + Send + Sync + 'static {
    /// Groups in a block.
    const GROUPS: usize;
    const BYTES: usize;
    /// Whether `offset` is ever other than zero.
    const OFFSET: bool;
    /// Whether the two halves of a group have scales of their own.
    const HALVES: bool;

    /// # Safety
    /// `block` must address `BYTES` readable bytes.
    unsafe fn codes(block: *const u8, g: usize) -> [i8; GROUP];

    /// # Safety
    /// `block` must address `BYTES` readable bytes.
    unsafe fn scale(block: *const u8, g: usize) -> [f32; 2];

    /// # Safety
    /// `block` must address `BYTES` readable bytes.
    unsafe fn offset(_block: *const u8, _g: usize) -> f32 {
        0.0
    }

    /// # Safety
    /// `block` must address `BYTES` readable bytes.
    unsafe fn group(block: *const u8, g: usize) -> Group {
        unsafe {
            Group {
                codes: Self::codes(block, g),
                scale: Self::scale(block, g),
                offset: Self::offset(block, g),
            }
        }
    }
}

/// The float16 number at an address of any alignment.
///
/// # Safety
/// Two bytes must be readable at `p`.
#[inline(always)]
pub unsafe fn half_at(p: *const u8) -> f32 {
    f16::from_bits(unsafe { p.cast::<u16>().read_unaligned() }).to_f32()
}

#[inline(always)]
unsafe fn nibbles(p: *const u8, bias: i8) -> [i8; GROUP] {
    let mut codes = [0; GROUP];
    for i in 0..16 {
        let byte = unsafe { *p.add(i) };
        codes[i] = (byte & 15) as i8 - bias;
        codes[i + 16] = (byte >> 4) as i8 - bias;
    }
    codes
}

#[derive(Clone, Copy)]
pub struct Q8_0;

impl Blocks for Q8_0 {
    const GROUPS: usize = 1;
    const BYTES: usize = 34;
    const OFFSET: bool = false;
    const HALVES: bool = false;

    #[inline(always)]
    unsafe fn codes(block: *const u8, _g: usize) -> [i8; GROUP] {
        unsafe { block.add(2).cast::<[i8; GROUP]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn scale(block: *const u8, _g: usize) -> [f32; 2] {
        [unsafe { half_at(block) }; 2]
    }
}

#[derive(Clone, Copy)]
pub struct Q4_0;

impl Blocks for Q4_0 {
    const GROUPS: usize = 1;
    const BYTES: usize = 18;
    const OFFSET: bool = false;
    const HALVES: bool = false;

    #[inline(always)]
    unsafe fn codes(block: *const u8, _g: usize) -> [i8; GROUP] {
        unsafe { nibbles(block.add(2), 8) }
    }

    #[inline(always)]
    unsafe fn scale(block: *const u8, _g: usize) -> [f32; 2] {
        [unsafe { half_at(block) }; 2]
    }
}

#[derive(Clone, Copy)]
pub struct Q4_1;

impl Blocks for Q4_1 {
    const GROUPS: usize = 1;
    const BYTES: usize = 20;
    const OFFSET: bool = true;
    const HALVES: bool = false;

    #[inline(always)]
    unsafe fn codes(block: *const u8, _g: usize) -> [i8; GROUP] {
        unsafe { nibbles(block.add(4), 0) }
    }

    #[inline(always)]
    unsafe fn scale(block: *const u8, _g: usize) -> [f32; 2] {
        [unsafe { half_at(block) }; 2]
    }

    #[inline(always)]
    unsafe fn offset(block: *const u8, _g: usize) -> f32 {
        unsafe { half_at(block.add(2)) }
    }
}

#[derive(Clone, Copy)]
pub struct Q4K;

impl Q4K {
    /// The six-bit scale and minimum of group `g`, packed in twelve bytes.
    #[inline(always)]
    pub unsafe fn six_bits(block: *const u8, g: usize) -> (u8, u8) {
        let s = |i: usize| unsafe { *block.add(4 + i) };
        if g < 4 {
            (s(g) & 63, s(g + 4) & 63)
        } else {
            (s(g + 4) & 15 | s(g - 4) >> 6 << 4, s(g + 4) >> 4 | s(g) >> 6 << 4)
        }
    }
}

impl Blocks for Q4K {
    const GROUPS: usize = 8;
    const BYTES: usize = 144;
    const OFFSET: bool = true;
    const HALVES: bool = false;

    #[inline(always)]
    unsafe fn codes(block: *const u8, g: usize) -> [i8; GROUP] {
        let bytes = unsafe { block.add(16 + g / 2 * 32).cast::<[u8; GROUP]>().read_unaligned() };
        bytes.map(|b| (if g.is_multiple_of(2) { b & 15 } else { b >> 4 }) as i8)
    }

    #[inline(always)]
    unsafe fn scale(block: *const u8, g: usize) -> [f32; 2] {
        unsafe { [half_at(block) * f32::from(Self::six_bits(block, g).0); 2] }
    }

    #[inline(always)]
    unsafe fn offset(block: *const u8, g: usize) -> f32 {
        unsafe { -half_at(block.add(2)) * f32::from(Self::six_bits(block, g).1) }
    }
}

#[derive(Clone, Copy)]
pub struct Q6K;

impl Blocks for Q6K {
    const GROUPS: usize = 8;
    const BYTES: usize = 210;
    const OFFSET: bool = false;
    const HALVES: bool = true;

    #[inline(always)]
    unsafe fn codes(block: *const u8, g: usize) -> [i8; GROUP] {
        // Each half of a block: four groups, of which two share bytes of low nibbles and all four
        // share 32 bytes of high bit pairs.
        let (half, quarter) = (g / 4, g % 4);
        let low = unsafe { block.add(half * 64 + quarter % 2 * 32).cast::<[u8; GROUP]>().read_unaligned() };
        let high = unsafe { block.add(128 + half * 32).cast::<[u8; GROUP]>().read_unaligned() };
        std::array::from_fn(|i| {
            let low = if quarter < 2 { low[i] & 15 } else { low[i] >> 4 };
            (low | (high[i] >> (2 * quarter) & 3) << 4) as i8 - 32
        })
    }

    #[inline(always)]
    unsafe fn scale(block: *const u8, g: usize) -> [f32; 2] {
        unsafe {
            let d = half_at(block.add(208));
            let s = block.add(192 + 2 * g).cast::<i8>();
            [d * f32::from(*s), d * f32::from(*s.add(1))]
        }
    }
}

/// A format of one number an element.
pub trait Dense: Copy + Send + Sync + 'static {
    const BYTES: usize;

    /// # Safety
    /// `p` must address `BYTES` readable bytes.
    unsafe fn load(p: *const u8) -> f32;
}

#[derive(Clone, Copy)]
pub struct F32;

impl Dense for F32 {
    const BYTES: usize = 4;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> f32 {
        unsafe { p.cast::<f32>().read_unaligned() }
    }
}

#[derive(Clone, Copy)]
pub struct Bf16;

impl Dense for Bf16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> f32 {
        bf16::from_bits(unsafe { p.cast::<u16>().read_unaligned() }).to_f32()
    }
}

#[derive(Clone, Copy)]
pub struct F16;

impl Dense for F16 {
    const BYTES: usize = 2;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> f32 {
        unsafe { half_at(p) }
    }
}

/// Runs `$blocks` with `$F` a quantised format or `$dense` with `$F` a dense one.
macro_rules! with_format {
    ($storage:expr, $F:ident, blocks $blocks:expr, dense $dense:expr) => {{
        use $crate::cpu::linear::formats as f;
        use $crate::tensor::Storage;
        match $storage {
            Storage::Q8_0 => {
                type $F = f::Q8_0;
                $blocks
            }
            Storage::Q4_0 => {
                type $F = f::Q4_0;
                $blocks
            }
            Storage::Q4_1 => {
                type $F = f::Q4_1;
                $blocks
            }
            Storage::Q4K => {
                type $F = f::Q4K;
                $blocks
            }
            Storage::Q6K => {
                type $F = f::Q6K;
                $blocks
            }
            Storage::BF16 => {
                type $F = f::Bf16;
                $dense
            }
            Storage::F16 => {
                type $F = f::F16;
                $dense
            }
            _ => {
                type $F = f::F32;
                $dense
            }
        }
    }};
}
pub(super) use with_format;

/// Decodes weights `from..from + out.len()` of a stored row. In quantised formats `from` is a
/// multiple of 32.
///
/// # Safety
/// The row must hold that many weights.
pub unsafe fn decode(storage: crate::tensor::Storage, row: *const u8, from: usize, out: &mut [f32]) {
    with_format!(storage, F, blocks unsafe { decode_blocks::<F>(row, from, out) },
        dense unsafe { decode_dense::<F>(row, from, out) })
}

#[inline(always)]
unsafe fn decode_dense<F: Dense>(row: *const u8, from: usize, out: &mut [f32]) {
    for (i, o) in out.iter_mut().enumerate() {
        *o = unsafe { F::load(row.add((from + i) * F::BYTES)) };
    }
}

#[inline(always)]
unsafe fn decode_blocks<F: Blocks>(row: *const u8, from: usize, out: &mut [f32]) {
    for (i, out) in out.chunks_mut(GROUP).enumerate() {
        let g = from / GROUP + i;
        let w = unsafe { F::group(row.add(g / F::GROUPS * F::BYTES), g % F::GROUPS) };
        for (j, o) in out.iter_mut().enumerate() {
            *o = w.scale[j / 16] * f32::from(w.codes[j]) + w.offset;
        }
    }
}
