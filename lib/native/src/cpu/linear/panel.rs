//! Fills panels `[k][16]`: sixteen columns of the product side by side, as the tiles read them.

use super::formats::{GROUP, decode};
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

    /// Fills `panel` with rows `ks` of up to 16 columns from `col`, zeros beyond `cols`.
    ///
    /// # Safety
    /// The ranges must be inside the source, and `panel` hold `16 * ks.len()` numbers.
    pub unsafe fn fill(&self, _isa: Isa, col: usize, cols: usize, ks: Range<usize>, panel: &mut [f32]) {
        if cols < NR {
            panel.fill(0.0);
        }
        match *self {
            Source::Matrix { ptr, ld } => {
                for (p, out) in ks.zip(panel.chunks_exact_mut(NR)) {
                    let row = unsafe { std::slice::from_raw_parts(ptr.add(p * ld + col), cols) };
                    out[..cols].copy_from_slice(row);
                }
            }
            Source::Stored(w) => {
                let mut part = [0f32; GROUP];
                for j in 0..cols {
                    let row = w.row(col + j);
                    let mut from = ks.start;
                    while from < ks.end {
                        let len = GROUP.min(ks.end - from);
                        unsafe { decode(w.storage, row, from, &mut part[..len]) };
                        for (i, v) in part[..len].iter().enumerate() {
                            panel[(from - ks.start + i) * NR + j] = *v;
                        }
                        from += len;
                    }
                }
            }
        }
    }
}
