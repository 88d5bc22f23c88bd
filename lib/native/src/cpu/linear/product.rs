//! Blocking: one strip of columns against all rows, in steps of k that keep a panel in the L1 cache.

use super::left::Left;
use super::micro::{MR, NR, tile, tile_rows};
use super::panel::{Source, fill_matrix, fill_stored};
use super::scratch::with_scratch;
#[cfg(target_arch = "x86_64")]
use super::vector;
use super::weight::Out;
use crate::cpu::Isa;
use std::ops::Range;

/// Columns of a strip at most.
pub const STRIP: usize = 64;
/// Rows of `a` that share a cache-resident block.
pub const ROW_BLOCK: usize = 126;
/// Steps of k at most, so that a panel fills half of the L1 cache.
const K_STEP: usize = 256;

/// The steps of k: as even as can be, in multiples of `grain`.
pub fn steps(k: usize, grain: usize) -> impl Iterator<Item = Range<usize>> {
    let most = K_STEP.max(grain);
    let step = k.div_ceil(k.div_ceil(most).max(1)).next_multiple_of(grain);
    (0..k).step_by(step.max(1)).map(move |start| start..(start + step).min(k))
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
        && a.row(rows.start).is_some()
    {
        return unsafe { vector::strip(a, rows, w, cols, out) };
    }
    let steps = || steps(a.k, b.grain());
    let longest = steps().next().map_or(0, |ks| ks.len());
    let panels = || cols.clone().step_by(NR).map(|c| c..(c + NR).min(cols.end));
    let part = |c: &Range<usize>| Out { ptr: unsafe { out.ptr.add(c.start - cols.start) }, ..out };
    if let Source::Stored(w) = b
        && rows.len() <= ROW_BLOCK
    {
        // One panel that never leaves the nearest cache.
        with_scratch(longest * NR, |panel| {
            for cols in panels() {
                for ks in steps() {
                    unsafe {
                        fill_stored(isa, w, cols.clone(), ks.clone(), panel);
                        tiles(isa, a, rows.clone(), ks, panel, cols.len(), part(&cols));
                    }
                }
            }
        });
        return;
    }
    with_scratch(cols.len().div_ceil(NR) * longest * NR, |buffer| {
        for ks in steps() {
            let panel = ks.len() * NR;
            if let Source::Matrix { ptr, ld } = *b {
                unsafe { fill_matrix(ptr, ld, cols.clone(), ks.clone(), buffer) };
            }
            for start in rows.clone().step_by(ROW_BLOCK) {
                let block = start..(start + ROW_BLOCK).min(rows.end);
                for (cols, panel) in panels().zip(buffer.chunks_exact_mut(panel)) {
                    unsafe {
                        // Only now, so that the first rows find it in the nearest cache.
                        if let Source::Stored(w) = b
                            && start == rows.start
                        {
                            fill_stored(isa, w, cols.clone(), ks.clone(), panel);
                        }
                        tiles(isa, a, block.clone(), ks.clone(), panel, cols.len(), part(&cols));
                    }
                }
            }
        }
    });
}

/// `out += a[rows, ks] panel` over `n` columns.
///
/// # Safety
/// As `strip`; `panel` holds 16 numbers for each of `ks`.
unsafe fn tiles(isa: Isa, a: Left, rows: Range<usize>, ks: Range<usize>, panel: &[f32], n: usize, out: Out) {
    let mut r = rows.start;
    while r < rows.end {
        let mr = tile_rows(rows.end - r);
        unsafe {
            let left = a.tile(r, &ks);
            if n == NR {
                tile(isa, mr, ks.len(), left, panel.as_ptr(), out.at(r, 0), out.ld);
            } else {
                let mut edge = [0f32; MR * NR];
                tile(isa, mr, ks.len(), left, panel.as_ptr(), edge.as_mut_ptr(), NR);
                for i in 0..mr {
                    for (c, v) in out.run(r + i, 0, n).iter_mut().zip(&edge[i * NR..]) {
                        *c += v;
                    }
                }
            }
        }
        r += mr;
    }
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
