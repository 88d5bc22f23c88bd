//! The left-hand side of a product: rows where they are, or repacked for the tiles.

use super::micro::{MR, Rows, tile_rows};
use super::product::{ROW_BLOCK, steps};
use super::weight::Out;
use crate::cpu::Cpu;
use std::ops::Range;

/// `[m, k]`, of which a task reads some rows.
#[derive(Clone, Copy)]
pub struct Left {
    ptr: *const f32,
    /// The row stride, or none for the layout of `pack`.
    ld: Option<usize>,
    m: usize,
    pub k: usize,
}

// Read-only memory that outlives the command.
unsafe impl Send for Left {}
unsafe impl Sync for Left {}

impl Left {
    /// Row-major and contiguous.
    pub fn rows(a: &[f32], m: usize, k: usize) -> Left {
        debug_assert_eq!(a.len(), m * k);
        Left { ptr: a.as_ptr(), ld: Some(k), m, k }
    }

    /// What `pack` made, for products whose steps of k have the same grain.
    pub fn packed(a: &[f32], m: usize, k: usize) -> Left {
        debug_assert_eq!(a.len(), m * k);
        Left { ptr: a.as_ptr(), ld: None, m, k }
    }

    /// Row `r`, unless the rows were packed.
    #[inline(always)]
    pub fn row(&self, r: usize) -> Option<*const f32> {
        self.ld.map(|ld| unsafe { self.ptr.add(r * ld) })
    }

    /// The tile that starts at row `r`, for the step `ks` of k.
    ///
    /// # Safety
    /// Both must be inside; of packed rows, `r` must start a tile and `ks` be a step.
    #[inline(always)]
    pub unsafe fn tile(&self, r: usize, ks: &Range<usize>) -> Rows {
        unsafe {
            match self.ld {
                Some(ld) => Rows::Strided(self.ptr.add(r * ld + ks.start), ld),
                None => Rows::Packed(self.ptr.add(ks.start * self.m + r * ks.len())),
            }
        }
    }
}

/// Lays `a` out as the tiles read it: by step of k, then by tile, a tile's rows side by side for each
/// k. `row` and `col` are the strides of `a [m, k]`.
pub fn pack(
    cpu: &Cpu,
    a: &[f32],
    (m, k): (usize, usize),
    (row, col): (usize, usize),
    grain: usize,
    to: &mut [f32],
) {
    assert!(to.len() == m * k && (m * k == 0 || (m - 1) * row + (k - 1) * col < a.len()));
    let to = Out { ptr: to.as_mut_ptr(), ld: 0 };
    let blocks = m.div_ceil(ROW_BLOCK);
    let all: Vec<Range<usize>> = steps(k, grain).collect();
    cpu.threads.run(blocks * all.len(), |task| {
        let (ks, start) = (&all[task / blocks], task % blocks * ROW_BLOCK);
        let end = (start + ROW_BLOCK).min(m);
        let mut r = start;
        while r < end {
            let mr = tile_rows(end - r);
            let tile = unsafe { to.run(0, ks.start * m + r * ks.len(), mr * ks.len()) };
            let from = &a[r * row + ks.start * col..];
            match mr {
                1 => interleave::<1>(from, row, col, tile),
                2 => interleave::<2>(from, row, col, tile),
                3 => interleave::<3>(from, row, col, tile),
                4 => interleave::<4>(from, row, col, tile),
                5 => interleave::<5>(from, row, col, tile),
                _ => interleave::<MR>(from, row, col, tile),
            }
            r += mr;
        }
    });
}

#[inline(always)]
fn interleave<const M: usize>(from: &[f32], row: usize, col: usize, to: &mut [f32]) {
    let (to, _) = to.as_chunks_mut::<M>();
    if col == 1 {
        let rows: [&[f32]; M] = std::array::from_fn(|i| &from[i * row..][..to.len()]);
        for (p, to) in to.iter_mut().enumerate() {
            for i in 0..M {
                to[i] = rows[i][p];
            }
        }
    } else {
        for (p, to) in to.iter_mut().enumerate() {
            let from = &from[p * col..];
            for i in 0..M {
                to[i] = from[i * row];
            }
        }
    }
}
