//! Blocking: one strip of columns against all rows, in steps of k that keep a panel in the L1 cache.

use super::micro::{NR, Rows, tile, tile_rows};
use super::panel::Source;
use super::scratch::with_scratch;
#[cfg(target_arch = "x86_64")]
use super::vector;
use super::weight::Out;
use crate::cpu::Isa;
use std::ops::Range;

/// Columns of a strip at most.
pub const STRIP: usize = 64;
/// Rows of `a` that share a cache-resident block.
const ROW_BLOCK: usize = 126;
/// Steps of k at most, so that a panel fills half of the L1 cache.
const K_STEP: usize = 256;

/// The left-hand side `[m, k]`, row-major.
#[derive(Clone, Copy)]
pub struct Left {
    pub ptr: *const f32,
    pub ld: usize,
    pub k: usize,
}

// Read-only memory that outlives the command.
unsafe impl Send for Left {}
unsafe impl Sync for Left {}

/// The length of a step of k: as even as can be, in multiples of `grain`.
pub fn k_step(k: usize, grain: usize) -> usize {
    let most = K_STEP.max(grain);
    k.div_ceil(k.div_ceil(most).max(1)).next_multiple_of(grain)
}

/// `out += a[rows] b[.., cols]`, where `out` starts at the first of `cols` and keeps `a`'s row numbers.
///
/// # Safety
/// The ranges must be inside, `cols` be at most a strip, and no other thread touch that part of `out`.
pub unsafe fn strip(isa: Isa, a: Left, rows: Range<usize>, b: &Source, cols: Range<usize>, out: Out) {
    #[cfg(target_arch = "x86_64")]
    if let Source::Stored(w) = b
        && isa >= Isa::Avx2
        && rows.len() <= vector::ROWS
    {
        return unsafe { vector::strip(a, rows, w, cols, out) };
    }
    let step = k_step(a.k, b.grain());
    let panels = cols.len().div_ceil(NR);
    with_scratch(panels * step * NR, |buffer| {
        let mut k0 = 0;
        while k0 < a.k {
            let len = step.min(a.k - k0);
            let mut r0 = rows.start;
            while r0 < rows.end {
                let block = ROW_BLOCK.min(rows.end - r0);
                for (j, panel) in buffer.chunks_exact_mut(step * NR).enumerate() {
                    let n = NR.min(cols.len() - j * NR);
                    if r0 == rows.start {
                        // Only now, so that the first rows find it in the nearest cache.
                        let col = cols.start + j * NR;
                        unsafe { b.fill(isa, col..col + n, k0..k0 + len, panel) };
                    }
                    let mut r = r0;
                    while r < r0 + block {
                        let mr = tile_rows(r0 + block - r);
                        unsafe {
                            let rows = Rows::Strided(a.ptr.add(r * a.ld + k0), a.ld);
                            let c = out.at(r, j * NR);
                            if n == NR {
                                tile(isa, mr, len, rows, panel.as_ptr(), c, out.ld);
                            } else {
                                let mut edge = [0f32; super::micro::MR * NR];
                                tile(isa, mr, len, rows, panel.as_ptr(), edge.as_mut_ptr(), NR);
                                for i in 0..mr {
                                    for (c, v) in out.run(r + i, j * NR, n).iter_mut().zip(&edge[i * NR..]) {
                                        *c += v;
                                    }
                                }
                            }
                        }
                        r += mr;
                    }
                }
                r0 += block;
            }
            k0 += len;
        }
    });
}

/// Rows that one task takes at most: a whole number of row blocks.
const TASK_ROWS: usize = 4 * ROW_BLOCK;

/// How an `m` by `n` product is cut into tasks.
#[derive(Clone, Copy)]
pub struct Cut {
    m: usize,
    n: usize,
    rows: usize,
    cols: usize,
}

impl Cut {
    /// Strips narrow enough that every thread has a few of them.
    pub fn new(m: usize, n: usize, threads: usize) -> Cut {
        let rows = m.clamp(1, TASK_ROWS);
        let wanted = if threads == 1 { 1 } else { 4 * threads };
        let per_block = wanted.div_ceil(m.div_ceil(rows).max(1));
        let cols = (n / per_block.max(1)).next_multiple_of(NR).clamp(NR, STRIP);
        Cut { m, n, rows, cols }
    }

    /// The same cut of the rows and width of strips for another number of columns.
    pub fn resized(&self, n: usize) -> Cut {
        Cut { n, ..*self }
    }

    pub fn tasks(&self) -> usize {
        self.m.div_ceil(self.rows) * self.n.div_ceil(self.cols)
    }

    /// The rows and columns of a task. Neighbours share their rows.
    pub fn part(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let strips = self.n.div_ceil(self.cols);
        let (r, c) = (task / strips * self.rows, task % strips * self.cols);
        (r..(r + self.rows).min(self.m), c..(c + self.cols).min(self.n))
    }
}
