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

    /// Fills `panel` with rows `ks` of up to 16 columns `cols`. What lies beyond them is unspecified.
    ///
    /// # Safety
    /// The ranges must be inside the source, and `panel` hold `16 * ks.len()` numbers.
    pub unsafe fn fill(&self, isa: Isa, cols: Range<usize>, ks: Range<usize>, panel: &mut [f32]) {
        match self {
            Source::Matrix { ptr, ld } => {
                for (p, out) in ks.zip(panel.as_chunks_mut::<NR>().0) {
                    let row = unsafe { std::slice::from_raw_parts(ptr.add(p * ld + cols.start), cols.len()) };
                    match <&[f32; NR]>::try_from(row) {
                        Ok(row) => *out = *row,
                        Err(_) => out[..row.len()].copy_from_slice(row),
                    }
                }
            }
            Source::Stored(w) => {
                // Beyond the last column its row is repeated: nobody reads the result.
                let row = |i: usize| w.row((cols.start + i).min(cols.end - 1));
                unsafe { fill_stored(isa, w, row, ks, panel) };
            }
        }
    }
}

unsafe fn fill_stored(
    isa: Isa,
    w: &Weight,
    row: impl Fn(usize) -> *const u8,
    ks: Range<usize>,
    panel: &mut [f32],
) {
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
