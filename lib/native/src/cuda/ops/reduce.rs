//! Reductions, running sums, softmax.

use crate::cuda::launch::Grid;
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure, fail};

macro_rules! folds {
    ($($name:literal)*) => { [$(($name, (|call| fold(call, $name)) as Run)),*] };
}

const FOLDS: [(&str, Run); 7] = folds!("sum" "mean" "prod" "max" "min" "all" "any");

pub const OPS: &[(&str, Run)] = &[
    FOLDS[0],
    FOLDS[1],
    FOLDS[2],
    FOLDS[3],
    FOLDS[4],
    FOLDS[5],
    FOLDS[6],
    ("argExtreme", arg_extreme),
    ("cumulative", cumulative),
    ("softmax", softmax),
    ("logSoftmax", log_softmax),
];

fn sizes(call: &Call, x: &Tensor, y: usize) -> Result<[usize; 3]> {
    let [outer, n, inner] = [call.attr(0)? as usize, call.attr(1)? as usize, call.attr(2)? as usize];
    ensure!(
        outer * inner == y && outer * n * inner == x.len(),
        "x {:?} and {y} results are not [{outer}, {n}, {inner}] and [{outer}, {inner}]",
        x.shape()
    );
    Ok([outer, n, inner])
}

fn grid(outer: usize, n: usize, inner: usize) -> Grid {
    if inner > 1 { Grid::over(outer * inner) } else { Grid::blocks(outer.clamp(1, 1 << 16), threads(n)) }
}

/// A block's threads for rows of `n`.
fn threads(n: usize) -> u32 {
    (n.next_multiple_of(32).clamp(32, 512)) as u32
}

fn fold(call: &Call, name: &str) -> Result<()> {
    let [x, y] = call.args()?;
    let [outer, n, inner] = sizes(call, x, y.len())?;
    let (kernel, out) = match (name, x.storage) {
        ("all" | "any", Storage::U8) => (format!("{name}_u8"), Storage::U8),
        ("sum", Storage::U8) => ("sum_u8".into(), Storage::I32),
        ("max" | "min", Storage::U8) => (format!("{name}_u8"), Storage::U8),
        ("sum" | "prod" | "max" | "min", Storage::I32) => (format!("{name}_i32"), Storage::I32),
        ("sum" | "mean" | "prod" | "max" | "min", Storage::F32) => (format!("{name}_f32"), Storage::F32),
        (_, storage) => fail!("no {name} of {storage} elements"),
    };
    let to = address("y", y, out)?;
    if y.is_empty() {
        return Ok(());
    }
    let busy = COLUMNS_PER_MULTIPROCESSOR * call.cuda.properties.multiprocessors;
    if inner > 1 && n >= LONG && outer * inner < busy {
        return fold_columns(call, &kernel, x, to, [outer, n, inner]);
    }
    call.launch("reduce", &kernel, grid(outer, n, inner), arguments![x.ptr(), to, outer, n, inner])
}

/// Columns whose threads keep a device busy by themselves.
const COLUMNS_PER_MULTIPROCESSOR: usize = 256;
/// Rows that are worth more than one thread.
const LONG: usize = 64;

/// Folds pieces of the rows at once, then the pieces.
fn fold_columns(call: &Call, kernel: &str, x: &Tensor, to: u64, sizes: [usize; 3]) -> Result<()> {
    let [outer, n, inner] = sizes;
    let columns = inner.div_ceil(32);
    let blocks = 8 * call.cuda.properties.multiprocessors;
    let piece = n.div_ceil(blocks.div_ceil(columns * outer)).max(32);
    let pieces = n.div_ceil(piece);
    let parts = call.scratch(8 * outer * pieces * inner)?;
    let grid = Grid { blocks: (columns as u32, pieces as u32, outer as u32), threads: 256, shared: 0 };
    let arguments = arguments![x.ptr(), parts.ptr, n, inner, piece];
    call.launch("reduce", &format!("{kernel}_pieces"), grid, arguments)?;
    let arguments = arguments![parts.ptr, to, outer, n, inner, pieces];
    call.launch("reduce", &format!("{kernel}_merge"), Grid::over(outer * inner), arguments)
}

fn arg_extreme(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    let [outer, n, inner] = sizes(call, x, y.len())?;
    ensure!(n > 0, "an empty axis has no largest element");
    let kernel = match x.storage {
        Storage::F32 => "argExtreme_f32",
        Storage::I32 => "argExtreme_i32",
        Storage::U8 => "argExtreme_u8",
        storage => fail!("no order of {storage} elements"),
    };
    let to = address("y", y, Storage::I32)?;
    let sign = if call.attr(3)? > 0.0 { 1i32 } else { -1 };
    if y.is_empty() {
        return Ok(());
    }
    call.launch("reduce", kernel, Grid::over(y.len()), arguments![x.ptr(), to, outer, n, inner, sign])
}

fn cumulative(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    ensure!(x.storage == y.storage && x.len() == y.len(), "x and y should be alike");
    let [outer, n, inner] = [call.attr(0)? as usize, call.attr(1)? as usize, call.attr(2)? as usize];
    ensure!(outer * n * inner == x.len(), "x has {} elements, not [{outer}, {n}, {inner}]", x.len());
    let flag = |i: usize| call.attr(i).map(|v| i32::from(v != 0.0));
    let (exclusive, reverse, product) = (flag(3)?, flag(4)?, flag(5)?);
    let kernel = match x.storage {
        Storage::F32 => "cumulative_f32",
        Storage::I32 => "cumulative_i32",
        storage => fail!("no running sum of {storage} elements"),
    };
    if x.is_empty() {
        return Ok(());
    }
    let arguments = arguments![x.ptr(), y.ptr(), outer, n, inner, exclusive, reverse, product];
    call.launch("reduce", kernel, Grid::over(outer * inner), arguments)
}

fn softmax(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    let n = call.attr(0)? as usize;
    ensure!(
        n > 0 && x.len() == y.len() && x.len().is_multiple_of(n),
        "x has {} elements and y {}, in rows of {n}",
        x.len(),
        y.len()
    );
    rows(call, "softmax", x, y, n)
}

fn log_softmax(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    ensure!(x.rank() == 2 && x.shape() == y.shape() && x.dim(1) > 0, "x {:?}, y {:?}", x.shape(), y.shape());
    rows(call, "logSoftmax", x, y, x.dim(1))
}

fn rows(call: &Call, kernel: &str, x: &Tensor, y: &Tensor, n: usize) -> Result<()> {
    let (from, to) = (address("x", x, Storage::F32)?, address("y", y, Storage::F32)?);
    let count = x.len() / n;
    if count == 0 {
        return Ok(());
    }
    let grid = Grid::blocks(count.min(1 << 16), threads(n));
    call.launch("reduce", kernel, grid, arguments![from, to, count, n])
}
