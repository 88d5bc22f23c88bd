//! Reductions of the middle axis: `[x [outer, n, inner], y [outer, inner]]`, attributes
//! `[outer, n, inner]`. Results do not depend on the number of threads.

use super::elements::{Elem, Elements, GRAIN, Loop, vectorised};
use crate::cpu::{Call, Kernel};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::{ensure, fail};

/// Elements of a row that are reduced together.
const CHUNK: usize = 1 << 16;
const LANES: usize = 16;
/// Columns that are reduced together at most: their sums stay in the L1 cache.
const TILE: usize = 2048;

/// What a reduction keeps, takes in and gives out.
trait Fold<T> {
    type Acc: Copy + Send + Sync;
    type Out: Elem;
    const START: Self::Acc;
    fn step(acc: Self::Acc, x: T) -> Self::Acc;
    fn merge(a: Self::Acc, b: Self::Acc) -> Self::Acc;
    fn finish(acc: Self::Acc, n: usize) -> Self::Out;
}

/// The attributes `[outer, n, inner]`, checked against x and y.
pub fn sizes(call: &Call, x: &Tensor, y: &Tensor) -> Result<[usize; 3]> {
    let [outer, n, inner] = [call.attr(0)? as usize, call.attr(1)? as usize, call.attr(2)? as usize];
    let places = outer.checked_mul(inner);
    ensure!(
        places == Some(y.len()) && places.and_then(|p| p.checked_mul(n)) == Some(x.len()),
        "x {:?} and y {:?} are not [{outer}, {n}, {inner}] and [{outer}, {inner}]",
        x.shape(),
        y.shape()
    );
    Ok([outer, n, inner])
}

/// A contiguous run to one value.
struct RunLoop<'a, F: Fold<T>, T> {
    x: &'a [T],
    fold: std::marker::PhantomData<F>,
}

impl<F: Fold<T>, T: Copy> Loop for RunLoop<'_, F, T> {
    type Result = F::Acc;
    #[inline(always)]
    fn run(self) -> F::Acc {
        let mut lanes = [F::START; LANES];
        let (whole, rest) = self.x.as_chunks::<LANES>();
        for x in whole {
            for i in 0..LANES {
                lanes[i] = F::step(lanes[i], x[i]);
            }
        }
        for (lane, x) in lanes.iter_mut().zip(rest) {
            *lane = F::step(*lane, *x);
        }
        let mut acc = F::START;
        for lane in lanes {
            acc = F::merge(acc, lane);
        }
        acc
    }
}

/// Columns of a matrix, each to one value.
struct ColumnsLoop<'a, F: Fold<T>, T> {
    /// From the first column of the tile on.
    x: &'a [T],
    inner: usize,
    n: usize,
    /// One for each column.
    accs: &'a mut [F::Acc],
    y: &'a mut [F::Out],
}

impl<F: Fold<T>, T: Copy> Loop for ColumnsLoop<'_, F, T> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        let (width, accs) = (self.y.len(), self.accs);
        accs.fill(F::START);
        for row in 0..self.n {
            let x = &self.x[row * self.inner..][..width];
            for (acc, x) in accs.iter_mut().zip(x) {
                *acc = F::step(*acc, *x);
            }
        }
        for (y, acc) in self.y.iter_mut().zip(accs) {
            *y = F::finish(*acc, self.n);
        }
    }
}

fn run<F: Fold<T>, T: Elem>(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    let [outer, n, inner] = sizes(call, x, y)?;
    let (x, y) = (Elements::<T>::of(x)?, Elements::<F::Out>::of(y)?);
    let x = unsafe { x.part(0..x.len()) };
    let (threads, isa) = (&call.cpu.threads, call.cpu.isa);
    if inner == 1 {
        let chunk = |row: usize, i: usize| {
            let end = ((i + 1) * CHUNK).min(n);
            vectorised(isa, RunLoop::<F, T> { x: &x[row * n..][i * CHUNK..end], fold: Default::default() })
        };
        let pieces = n.div_ceil(CHUNK).max(1);
        if outer >= 2 * threads.count() || pieces == 1 {
            threads.ranges(outer, (GRAIN / n.max(1)).max(1), |rows| {
                let out = unsafe { y.part_mut(rows.clone()) };
                for (out, row) in out.iter_mut().zip(rows) {
                    let acc = (0..pieces).map(|i| chunk(row, i)).fold(F::START, F::merge);
                    *out = F::finish(acc, n);
                }
            });
        } else {
            for (row, out) in unsafe { y.part_mut(0..outer) }.iter_mut().enumerate() {
                let partial: Vec<_> = (0..pieces).map(|_| std::sync::Mutex::new(F::START)).collect();
                threads.run(pieces, |i| *partial[i].lock().unwrap() = chunk(row, i));
                let acc = partial.into_iter().map(|m| m.into_inner().unwrap()).fold(F::START, F::merge);
                *out = F::finish(acc, n);
            }
        }
    } else {
        let tile = inner.div_ceil(threads.count()).next_multiple_of(LANES).min(TILE);
        let tiles = inner.div_ceil(tile);
        threads.ranges(outer * tiles, (GRAIN / (n * tile).max(1)).max(1), |tasks| {
            let mut accs = vec![F::START; tile];
            for task in tasks {
                let (slab, first) = (task / tiles, task % tiles * tile);
                let width = tile.min(inner - first);
                let y = unsafe { y.part_mut(slab * inner + first..slab * inner + first + width) };
                let x = if n == 0 { &x[..0] } else { &x[slab * n * inner + first..(slab + 1) * n * inner] };
                vectorised(isa, ColumnsLoop::<F, T> { x, inner, n, accs: &mut accs[..width], y });
            }
        });
    }
    Ok(())
}

macro_rules! folds {
    ($($Name:ident $name:literal {
        $($in:ident => $out:ty: $acc:ty = $start:expr, |$a:ident, $x:ident| $step:expr,
            |$p:ident, $q:ident| $merge:expr, |$s:ident, $n:ident| $finish:expr;)*
    })*) => {
        $(
            struct $Name;
            $(
                impl Fold<$in> for $Name {
                    type Acc = $acc;
                    type Out = $out;
                    const START: $acc = $start;
                    #[inline(always)]
                    fn step($a: $acc, $x: $in) -> $acc { $step }
                    #[inline(always)]
                    fn merge($p: $acc, $q: $acc) -> $acc { $merge }
                    #[inline(always)]
                    fn finish($s: $acc, $n: usize) -> $out { $finish }
                }
            )*
            impl $Name {
                fn kernel(call: &Call) -> Result<()> {
                    ensure!(!call.tensors.is_empty(), "expected 2 tensors, got none");
                    match call.tensors[0].storage {
                        $(<$in as Elem>::STORAGE => run::<$Name, $in>(call),)*
                        storage => fail!("no {} of {} elements", $name, storage),
                    }
                }
            }
        )*
        pub fn kernels() -> Vec<Kernel> {
            vec![$(Kernel { name: $name, run: $Name::kernel }),*]
        }
    };
}

folds! {
    Sum "sum" {
        f32 => f32: f64 = 0.0, |a, x| a + f64::from(x), |p, q| p + q, |s, _n| s as f32;
        i32 => i32: i32 = 0, |a, x| a.wrapping_add(x), |p, q| p.wrapping_add(q), |s, _n| s;
        u8 => i32: i32 = 0, |a, x| a.wrapping_add(i32::from(x)), |p, q| p.wrapping_add(q), |s, _n| s;
    }
    Mean "mean" { f32 => f32: f64 = 0.0, |a, x| a + f64::from(x), |p, q| p + q, |s, n| (s / n as f64) as f32; }
    Prod "prod" {
        f32 => f32: f64 = 1.0, |a, x| a * f64::from(x), |p, q| p * q, |s, _n| s as f32;
        i32 => i32: i32 = 1, |a, x| a.wrapping_mul(x), |p, q| p.wrapping_mul(q), |s, _n| s;
    }
    Max "max" {
        f32 => f32: f32 = f32::NEG_INFINITY, |a, x| if x > a || x.is_nan() { x } else { a },
            |p, q| if q > p || q.is_nan() { q } else { p }, |s, _n| s;
        i32 => i32: i32 = i32::MIN, |a, x| a.max(x), |p, q| p.max(q), |s, _n| s;
        u8 => u8: u8 = 0, |a, x| a.max(x), |p, q| p.max(q), |s, _n| s;
    }
    Min "min" {
        f32 => f32: f32 = f32::INFINITY, |a, x| if x < a || x.is_nan() { x } else { a },
            |p, q| if q < p || q.is_nan() { q } else { p }, |s, _n| s;
        i32 => i32: i32 = i32::MAX, |a, x| a.min(x), |p, q| p.min(q), |s, _n| s;
        u8 => u8: u8 = u8::MAX, |a, x| a.min(x), |p, q| p.min(q), |s, _n| s;
    }
    All "all" { u8 => u8: u8 = 1, |a, x| a & u8::from(x != 0), |p, q| p & q, |s, _n| s; }
    Any "any" { u8 => u8: u8 = 0, |a, x| a | u8::from(x != 0), |p, q| p | q, |s, _n| s; }
}
