//! Small matrix products over scratch: rows by panels of sixteen columns, `[panels][k][16]`.

use crate::cpu::Isa;
use crate::cpu::lanes::Lanes;
use crate::cpu::linear::micro::{NR, Rows, tile, tile_rows};
use std::ops::Range;

/// Numbers that a panelled `[k, n]` takes.
pub const fn panelled(k: usize, n: usize) -> usize {
    n.next_multiple_of(NR) * k
}

/// `c += a b`: `a [m, k]` row-major with this stride, b panelled with `k` rows, c row-major with a
/// stride of at least n rounded up to panels, or panelled (`CPanels`). `ks` says which steps of k the
/// rows from r on, some of them, need.
///
/// # Safety
/// All must be inside their memory.
#[inline(always)]
pub unsafe fn product(
    isa: Isa,
    (m, n, k): (usize, usize, usize),
    (a, lda): (*const f32, usize),
    b: *const f32,
    c: Into,
    ks: impl Fn(usize, usize) -> Range<usize>,
) {
    for panel in 0..n.div_ceil(NR) {
        let b = unsafe { b.add(panel * k * NR) };
        let mut r = 0;
        while r < m {
            let rows = tile_rows(m - r);
            let ks = ks(r, rows);
            unsafe {
                let a = Rows::Strided(a.add(r * lda + ks.start), lda);
                let (c, ldc) = match c {
                    Into::Rows(c, ldc) => (c.add(r * ldc + panel * NR), ldc),
                    Into::Panels(c, rows) => (c.add((panel * rows + r) * NR), NR),
                };
                tile(isa, rows, ks.len(), a, b.add(ks.start * NR), c, ldc);
            }
            r += rows;
        }
    }
}

/// Where a product goes.
#[derive(Clone, Copy)]
pub enum Into {
    /// Row-major with this stride.
    Rows(*mut f32, usize),
    /// Panelled, with this many rows.
    Panels(*mut f32, usize),
}

/// Every step of k.
pub fn all(k: usize) -> impl Fn(usize, usize) -> Range<usize> {
    move |_, _| 0..k
}

/// Panels of a row-major `[k, n]`; what lies beyond column n is 0.
///
/// # Safety
/// Both must be inside their memory.
#[inline(always)]
pub unsafe fn panels(from: *const f32, ld: usize, k: usize, n: usize, to: *mut f32) {
    unsafe {
        for row in 0..k {
            let from = from.add(row * ld);
            for panel in 0..n / NR {
                let block = from.add(panel * NR).cast::<[f32; NR]>().read_unaligned();
                to.add((panel * k + row) * NR).cast::<[f32; NR]>().write_unaligned(block);
            }
            if !n.is_multiple_of(NR) {
                let done = n / NR * NR;
                for i in 0..NR {
                    let value = if done + i < n { *from.add(done + i) } else { 0.0 };
                    *to.add((n / NR * k + row) * NR + i) = value;
                }
            }
        }
    }
}

/// Panels of the transpose of a row-major `[n, k]`; what lies beyond column n is 0.
///
/// # Safety
/// Both must be inside their memory.
#[inline(always)]
pub unsafe fn transposed_panels<V: Lanes>(from: *const f32, ld: usize, n: usize, k: usize, to: *mut f32) {
    for panel in 0..n.div_ceil(NR) {
        let rows = NR.min(n - panel * NR);
        unsafe {
            let (from, to) = (from.add(panel * NR * ld), to.add(panel * k * NR));
            if rows < NR {
                std::slice::from_raw_parts_mut(to, k * NR).fill(0.0);
            }
            super::transpose::transpose::<V>((from, ld), (to, NR), rows, k);
        }
    }
}
