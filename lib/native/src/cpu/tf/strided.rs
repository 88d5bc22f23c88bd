//! Copies between regular places of two tensors, which is what transpose, slice, reverse, tile,
//! concat, pack, unpack and pad come down to.
//!
//! `[x, y]`, attributes `[xStart, yStart, (size, xStep, yStep)*]` in elements, axes from outer to
//! inner. Steps may be negative, x's also 0; no place of y may come twice.

use super::elements::GRAIN;
use crate::cpu::Call;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::{ensure, fail};

/// Rows and columns of a block that is transposed within the L1 cache.
const BLOCK: usize = 32;

#[derive(Clone, Copy)]
struct Axis {
    n: usize,
    x: isize,
    y: isize,
}

/// The axes that are left after dropping sizes of 1 and joining what runs on in both tensors.
fn merge(axes: impl Iterator<Item = Axis>) -> Vec<Axis> {
    let mut merged: Vec<Axis> = vec![];
    for a in axes.filter(|a| a.n != 1) {
        match merged.last_mut() {
            Some(o) if o.x == a.x * a.n as isize && o.y == a.y * a.n as isize => {
                *o = Axis { n: o.n * a.n, ..a };
            }
            _ => merged.push(a),
        }
    }
    merged
}

/// Checks that every place lies inside the tensor.
fn check(name: &str, t: &Tensor, start: f64, axes: &[(usize, f64)]) -> Result<isize> {
    let (mut low, mut high) = (start, start);
    for &(n, step) in axes {
        let reach = (n - 1) as f64 * step;
        if reach < 0.0 { low += reach } else { high += reach }
    }
    ensure!(
        low >= 0.0 && high < t.len() as f64,
        "places {low} to {high} are not all in {name} {:?}",
        t.shape()
    );
    Ok(start as isize)
}

#[derive(Clone, Copy)]
struct Places<T> {
    x: *const T,
    y: *mut T,
}

unsafe impl<T> Send for Places<T> {}
unsafe impl<T> Sync for Places<T> {}

impl<T: Copy> Places<T> {
    /// # Safety
    /// The places must be inside.
    unsafe fn offset(self, x: isize, y: isize) -> Places<T> {
        unsafe { Places { x: self.x.offset(x), y: self.y.offset(y) } }
    }

    /// # Safety
    /// The axis must be inside.
    unsafe fn line(self, a: Axis) {
        unsafe {
            match (a.x, a.y) {
                (1, 1) => std::ptr::copy_nonoverlapping(self.x, self.y, a.n),
                (0, 1) => std::slice::from_raw_parts_mut(self.y, a.n).fill(*self.x),
                _ => {
                    for i in 0..a.n as isize {
                        *self.y.offset(i * a.y) = *self.x.offset(i * a.x);
                    }
                }
            }
        }
    }

    /// A part of a transposition: x runs on along `rows`, at most a block of them, and y steps along
    /// `columns`. Tiles pass through a small copy: rows a power of two apart share few cache sets.
    ///
    /// # Safety
    /// Both axes must be inside.
    unsafe fn block(self, rows: Axis, columns: Axis) {
        unsafe {
            let mut tile = [*self.x; BLOCK * BLOCK];
            let mut first = 0;
            while first < columns.n {
                let n = BLOCK.min(columns.n - first);
                let at = self.offset(first as isize * columns.x, first as isize * columns.y);
                for (j, line) in tile.chunks_exact_mut(BLOCK).take(n).enumerate() {
                    let from = at.x.offset(j as isize * columns.x);
                    std::ptr::copy_nonoverlapping(from, line.as_mut_ptr(), rows.n);
                }
                for i in 0..rows.n {
                    let to = at.y.offset(i as isize * rows.y);
                    if columns.y == 1 && n == BLOCK {
                        for j in 0..BLOCK {
                            *to.add(j) = tile[j * BLOCK + i % BLOCK];
                        }
                    } else {
                        for j in 0..n {
                            *to.offset(j as isize * columns.y) = tile[j * BLOCK + i];
                        }
                    }
                }
                first += n;
            }
        }
    }
}

/// Calls `body` with the offsets of the `range` of places of the axes.
fn each(axes: &[Axis], range: std::ops::Range<usize>, mut body: impl FnMut(isize, isize)) {
    let mut at = vec![0usize; axes.len()];
    let (mut x, mut y) = (0isize, 0isize);
    let mut rest = range.start;
    for (i, a) in axes.iter().enumerate().rev() {
        at[i] = rest % a.n;
        rest /= a.n;
        x += at[i] as isize * a.x;
        y += at[i] as isize * a.y;
    }
    for _ in range {
        body(x, y);
        for (i, a) in axes.iter().enumerate().rev() {
            at[i] += 1;
            x += a.x;
            y += a.y;
            if at[i] < a.n {
                break;
            }
            at[i] = 0;
            x -= a.n as isize * a.x;
            y -= a.n as isize * a.y;
        }
    }
}

fn run<T: Copy>(call: &Call, from: Places<T>, mut axes: Vec<Axis>) {
    let threads = &call.cpu.threads;
    let Some(inner) = axes.pop() else {
        unsafe { from.line(Axis { n: 1, x: 1, y: 1 }) };
        return;
    };
    if axes.is_empty() {
        threads.ranges(inner.n, GRAIN, |r| unsafe {
            let start = r.start as isize;
            from.offset(start * inner.x, start * inner.y).line(Axis { n: r.len(), ..inner });
        });
        return;
    }
    let along = axes.iter().position(|a| a.x == 1 && a.n > 1).filter(|_| inner.x != 1 && inner.x != 0);
    if let Some(i) = along {
        let rows = axes.remove(i);
        let blocks = rows.n.div_ceil(BLOCK);
        axes.push(Axis { n: blocks, x: BLOCK as isize * rows.x, y: BLOCK as isize * rows.y });
        let count = axes.iter().map(|a| a.n).product();
        threads.ranges(count, (GRAIN / (inner.n * BLOCK)).max(1), |range| {
            let mut task = range.start;
            each(&axes, range, |x, y| {
                let n = BLOCK.min(rows.n - task % blocks * BLOCK);
                unsafe { from.offset(x, y).block(Axis { n, ..rows }, inner) };
                task += 1;
            });
        });
        return;
    }
    let count = axes.iter().map(|a| a.n).product();
    threads.ranges(count, (GRAIN / inner.n).max(1), |range| {
        each(&axes, range, |x, y| unsafe { from.offset(x, y).line(inner) });
    });
}

pub fn strided_copy(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    ensure!(
        x.storage == y.storage && !x.storage.is_quantized(),
        "cannot copy elements of {} to {}",
        x.storage,
        y.storage
    );
    let attrs = call.attrs;
    ensure!(attrs.len() >= 2 && attrs.len() % 3 == 2, "expected 2 starts and 3 numbers an axis");
    let (axes, _) = attrs[2..].as_chunks::<3>();
    if axes.iter().any(|a| a[0] < 1.0) {
        return Ok(());
    }
    let of = |i: usize| axes.iter().map(|a| (a[0] as usize, a[i])).collect::<Vec<_>>();
    let start_x = check("x", x, attrs[0], &of(1))?;
    let start_y = check("y", y, attrs[1], &of(2))?;
    let axes = merge(axes.iter().map(|a| Axis { n: a[0] as usize, x: a[1] as isize, y: a[2] as isize }));
    macro_rules! copy {
        ($T:ty) => {{
            let all: Places<$T> = Places { x: x.ptr().cast(), y: y.ptr().cast() };
            run(call, unsafe { all.offset(start_x, start_y) }, axes)
        }};
    }
    match x.storage.block().1 {
        1 => copy!(u8),
        2 => copy!(u16),
        4 => copy!(u32),
        bytes => fail!("no copy of elements of {bytes} bytes"),
    }
    Ok(())
}
