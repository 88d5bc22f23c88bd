//! Fills panels `[k][16]`: sixteen columns of the product side by side, as the tiles read them.

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::formats::{GROUP, decode, with_format};
use super::micro::NR;
use super::weight::Weight;
use crate::cpu::Isa;
use std::ops::Range;

/// The right-hand side of a product.
#[derive(Clone, Copy)]
pub enum Source {
    /// Column j of the product is row j of a stored weight.
    Stored(Weight),
    /// A float32 matrix `[k, n]` with this row stride.
    Matrix { ptr: *const f32, ld: usize },
}

// Read-only memory that outlives the command.
unsafe impl Send for Source {}
unsafe impl Sync for Source {}

impl Source {
    /// Steps of k are cut at multiples of this many.
    pub fn grain(&self) -> usize {
        match self {
            Source::Stored(w) => w.storage.block().0.max(GROUP),
            Source::Matrix { .. } => GROUP,
        }
    }
}

/// Fills the panels of all columns `cols`, one after the other, with rows `ks` of a matrix. What lies
/// beyond the columns is unspecified.
///
/// # Safety
/// The ranges must be inside the matrix, and `panels` hold `16 * ks.len()` numbers for each panel.
pub unsafe fn fill_matrix(
    ptr: *const f32,
    ld: usize,
    cols: Range<usize>,
    ks: Range<usize>,
    panels: &mut [f32],
) {
    /// Rows to fetch ahead: neighbours lie pages apart, where no prefetcher looks.
    const AHEAD: usize = 8;
    let panel = ks.len() * NR;
    for (i, p) in ks.enumerate() {
        let row = unsafe { ptr.add(p * ld + cols.start) };
        #[cfg(target_arch = "x86_64")]
        for line in (0..cols.len()).step_by(16) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            unsafe { _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(AHEAD * ld + line).cast()) };
        }
        let row = unsafe { std::slice::from_raw_parts(row, cols.len()) };
        let (whole, rest) = row.as_chunks::<NR>();
        for (j, row) in whole.iter().enumerate() {
            panels[j * panel + i * NR..][..NR].copy_from_slice(row);
        }
        if !rest.is_empty() {
            panels[whole.len() * panel + i * NR..][..rest.len()].copy_from_slice(rest);
        }
    }
}

/// Fills `panel` with rows `ks` of up to 16 columns `cols` of the product. What lies beyond them is
/// unspecified.
///
/// # Safety
/// The ranges must be inside the weight, and `panel` hold `16 * ks.len()` numbers.
pub unsafe fn fill_stored(isa: Isa, w: &Weight, cols: Range<usize>, ks: Range<usize>, panel: &mut [f32]) {
    // Beyond the last column its row is repeated: nobody reads the result.
    let row = |i: usize| w.row((cols.start + i).min(cols.end - 1));
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        let rows: [avx2::Eight; 2] =
            std::array::from_fn(|e| std::array::from_fn(|i| row(e * avx2::LANES + i)));
        let out = panel.as_mut_ptr();
        with_format!(w.storage, F,
        blocks unsafe { avx2::fill_blocks::<F>(&rows, ks.start / GROUP..ks.end / GROUP, out) },
        dense unsafe {
            use super::formats::Dense;
            let rows = rows.map(|r| r.map(|r| r.add(ks.start * F::BYTES)));
            avx2::fill_dense::<F>(&rows, ks.len(), out);
        });
        return;
    }
    let _ = isa;
    let mut part = [0f32; GROUP];
    for j in 0..NR {
        let row = row(j);
        for from in ks.clone().step_by(GROUP) {
            let part = &mut part[..GROUP.min(ks.end - from)];
            unsafe { decode(w.storage, row, from, part) };
            for (i, v) in part.iter().enumerate() {
                panel[(from - ks.start + i) * NR + j] = *v;
            }
        }
    }
}
