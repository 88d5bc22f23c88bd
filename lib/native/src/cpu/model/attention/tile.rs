//! The register tile under attention: a few rows times a panel, each output one chain of
//! multiply-adds in the order of the inner index, so the bits do not depend on the tiling.

use crate::cpu::lanes::Lanes;

/// A matrix in memory: its first element and the distance between rows.
#[derive(Clone, Copy)]
pub struct Matrix {
    pub at: *mut f32,
    pub stride: usize,
}

impl Matrix {
    #[inline(always)]
    pub unsafe fn row(self, r: usize) -> *mut f32 {
        unsafe { self.at.add(r * self.stride) }
    }
}

/// Rows that will be read later: they come into the cache while a product runs, a row for each step of
/// its inner index, so that memory and arithmetic work at once.
#[derive(Clone, Copy)]
pub struct Ahead {
    pub at: *const u8,
    pub count: usize,
    /// Bytes from one row to the next, and of a row.
    pub stride: usize,
    pub width: usize,
}

impl Ahead {
    pub const NOTHING: Ahead = Ahead { at: std::ptr::null(), count: 0, stride: 0, width: 0 };
    const LINE: usize = 64;

    #[inline(always)]
    unsafe fn ask<V: Lanes>(self, row: usize) {
        if row < self.count {
            let from = self.at.wrapping_add(row * self.stride);
            for i in (0..self.width).step_by(Self::LINE) {
                unsafe { V::prefetch(from.wrapping_add(i).cast()) };
            }
        }
    }
}

/// c[r] = a[r] b: `a` by its rows' addresses, `b` of `inner` rows, `columns` a multiple of the lanes.
///
/// # Safety
/// Every row of `a` holds `inner` floats, of `b` and `c` `columns` floats; `c` overlaps neither.
#[inline(always)]
pub unsafe fn product<V: Lanes>(a: &[*const f32], b: Matrix, c: Matrix, inner: usize, columns: usize) {
    unsafe { product_ahead::<V>(a, b, c, inner, columns, Ahead::NOTHING) }
}

/// As `product`, and meanwhile brings rows that are read later into the cache.
///
/// # Safety
/// As `product`; the rows ahead are only asked for.
#[inline(always)]
pub unsafe fn product_ahead<V: Lanes>(
    a: &[*const f32],
    b: Matrix,
    c: Matrix,
    inner: usize,
    columns: usize,
    mut ahead: Ahead,
) {
    unsafe {
        let mut r = 0;
        while r + 6 <= a.len() {
            rows::<V, 6, 2>(&a[r..], b, c, r, inner, columns, ahead);
            ahead.count = 0;
            r += 6;
        }
        match a.len() - r {
            0 => {}
            1 => rows::<V, 1, 8>(&a[r..], b, c, r, inner, columns, ahead),
            2 => rows::<V, 2, 4>(&a[r..], b, c, r, inner, columns, ahead),
            3 => rows::<V, 3, 4>(&a[r..], b, c, r, inner, columns, ahead),
            4 => rows::<V, 4, 2>(&a[r..], b, c, r, inner, columns, ahead),
            _ => rows::<V, 5, 2>(&a[r..], b, c, r, inner, columns, ahead),
        }
    }
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn rows<V: Lanes, const R: usize, const W: usize>(
    a: &[*const f32],
    b: Matrix,
    c: Matrix,
    row: usize,
    inner: usize,
    columns: usize,
    mut ahead: Ahead,
) {
    unsafe {
        let a: [*const f32; R] = std::array::from_fn(|r| a[r]);
        let mut at = 0;
        while at + W * V::N <= columns {
            tile::<V, R, W>(&a, b, c, row, inner, at, ahead);
            ahead.count = 0;
            at += W * V::N;
        }
        while at + V::N <= columns {
            tile::<V, R, 1>(&a, b, c, row, inner, at, ahead);
            ahead.count = 0;
            at += V::N;
        }
    }
}

#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize, const W: usize>(
    a: &[*const f32; R],
    b: Matrix,
    c: Matrix,
    row: usize,
    inner: usize,
    at: usize,
    ahead: Ahead,
) {
    unsafe {
        let mut sums = [[V::splat(0.0); W]; R];
        for k in 0..inner {
            ahead.ask::<V>(k);
            let from = b.row(k).add(at);
            // What is fewer stays in registers: the panel's vectors, or the rows' elements.
            if W < R {
                let panel: [V; W] = std::array::from_fn(|w| V::load(from.add(w * V::N)));
                for (sums, row) in sums.iter_mut().zip(a) {
                    let x = V::splat(*row.add(k));
                    for (sum, panel) in sums.iter_mut().zip(panel) {
                        *sum = x.mul_add(panel, *sum);
                    }
                }
            } else {
                let x: [V; R] = std::array::from_fn(|r| V::splat(*a[r].add(k)));
                for w in 0..W {
                    let panel = V::load(from.add(w * V::N));
                    for (sums, x) in sums.iter_mut().zip(x) {
                        sums[w] = x.mul_add(panel, sums[w]);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let into = c.row(row + r).add(at);
            for (w, sum) in sums.iter().enumerate() {
                sum.store(into.add(w * V::N));
            }
        }
    }
}
