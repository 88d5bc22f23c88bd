//! Copies, gathers, fills, selection.

use crate::cpu::copy::RowCopies;
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure, fail};

pub const OPS: &[(&str, Run)] = &[
    ("copy", copy),
    ("copyRows", copy_rows),
    ("stridedCopy", strided_copy),
    ("fill", fill),
    ("GatherV2", gather),
    ("oneHot", one_hot),
    ("select", select),
];

fn copy(call: &Call) -> Result<()> {
    let [from, to] = call.args()?;
    ensure!(
        from.storage == to.storage && from.len() == to.len(),
        "cannot copy {} {:?} to {} {:?}",
        from.storage,
        from.shape(),
        to.storage,
        to.shape()
    );
    let bytes = Tensor::bytes(from.storage, from.shape())?;
    if bytes == 0 || from.ptr() == to.ptr() {
        return Ok(());
    }
    call.cuda.copy(to.ptr(), from.ptr(), bytes)
}

/// As the CPU's; the list of rows and pairs goes to the device with it, so that a capture cannot hold it.
fn copy_rows(call: &Call) -> Result<()> {
    ensure!(call.is_eager(), "rows are not copied inside a capture");
    let RowCopies { rows, pairs } = RowCopies::read(call.tensors, call.attrs)?;
    let longest = pairs.iter().map(|p| p.bytes).max().unwrap_or(0);
    if rows.is_empty() || longest == 0 {
        return Ok(());
    }
    for pair in &pairs {
        ensure!(
            [pair.from as usize, pair.to as usize, pair.from_step, pair.to_step, pair.bytes]
                .iter()
                .all(|n| n.is_multiple_of(2)),
            "rows of single bytes are not copied on a device"
        );
    }
    let mut words: Vec<u64> = Vec::with_capacity(5 * pairs.len() + 2 * rows.len());
    for p in &pairs {
        let numbers = [p.from_step, p.to_step, p.bytes].map(|n| n as u64);
        words.extend([p.from as u64, p.to as u64].into_iter().chain(numbers));
    }
    words.extend(rows.iter().flat_map(|&(from, to)| [from as u64, to as u64]));
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
    let list = call.scratch(bytes.len())?;
    call.cuda.write(list.ptr, &bytes)?;
    let blocks = longest.div_ceil(16 * 256).min(64) as u32;
    ensure!(rows.len() <= 65_535 && pairs.len() <= 65_535, "more rows or tensors than one launch takes");
    let grid = Grid { blocks: (blocks, rows.len() as u32, pairs.len() as u32), threads: 256, shared: 0 };
    call.launch("move", "copyRows", grid, arguments![list.ptr])
}

/// As the CPU's: `[x, y]`, attributes `[xStart, yStart, (size, xStep, yStep)*]`.
fn strided_copy(call: &Call) -> Result<()> {
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
    for (name, t, start, at) in [("x", x, attrs[0], 1), ("y", y, attrs[1], 2)] {
        let (mut low, mut high) = (start, start);
        for a in axes {
            let reach = (a[0] - 1.0) * a[at];
            if reach < 0.0 { low += reach } else { high += reach }
        }
        ensure!(
            low >= 0.0 && high < t.len() as f64,
            "places {low} to {high} are not all in {name} {:?}",
            t.shape()
        );
    }
    let mut merged: Vec<[i64; 3]> = vec![];
    for a in axes.iter().map(|a| a.map(|v| v as i64)).filter(|a| a[0] != 1) {
        match merged.last_mut() {
            Some(o) if o[1] == a[1] * a[0] && o[2] == a[2] * a[0] => *o = [o[0] * a[0], a[1], a[2]],
            _ => merged.push(a),
        }
    }
    ensure!(merged.len() <= 12, "{} axes are more than a copy takes", merged.len());
    let count: usize = merged.iter().map(|a| a[0] as usize).product();
    let mut words = [0i64; 37];
    words[0] = merged.len() as i64;
    for (i, a) in merged.iter().enumerate() {
        (words[1 + i], words[13 + i], words[25 + i]) = (a[0], a[1], a[2]);
    }
    let size = x.storage.block().1;
    let kernel = match size {
        1 => "strided_1",
        2 => "strided_2",
        4 => "strided_4",
        bytes => fail!("no copy of elements of {bytes} bytes"),
    };
    let from = x.ptr() as u64 + attrs[0] as u64 * size as u64;
    let to = y.ptr() as u64 + attrs[1] as u64 * size as u64;
    call.launch("move", kernel, Grid::over(count), arguments![from, to, count, Words(&words)])
}

/// JavaScript's conversion to an int32.
fn to_int32(x: f64) -> i32 {
    if x.is_finite() { (x.trunc() % 4_294_967_296.0) as i64 as i32 } else { 0 }
}

fn fill(call: &Call) -> Result<()> {
    let ([y], value) = (call.args()?, call.attr(0)?);
    let (kernel, bits) = match y.storage {
        Storage::F32 => ("fill_4", (value as f32).to_bits()),
        Storage::I32 => ("fill_4", to_int32(value) as u32),
        Storage::U8 => ("fill_1", to_int32(value) as u32),
        storage => fail!("cannot fill {storage} elements"),
    };
    if y.is_empty() {
        return Ok(());
    }
    call.launch("move", kernel, Grid::over(y.len()), arguments![y.ptr(), y.len(), bits])
}

fn gather(call: &Call) -> Result<()> {
    let [x, indices, y] = call.args()?;
    let sizes: Vec<usize> = (0..5).map(|i| call.attr(i).map(|v| v as usize)).collect::<Result<_>>()?;
    let [batch, outer, axis, inner, n] = sizes[..] else { fail!("expected 5 sizes") };
    ensure!(
        x.storage == y.storage && matches!(x.storage, Storage::F32 | Storage::I32 | Storage::U8),
        "cannot gather {} elements into {}",
        x.storage,
        y.storage
    );
    ensure!(
        x.len() == batch * outer * axis * inner
            && y.len() == batch * outer * n * inner
            && indices.len() == batch * n,
        "x {:?}, {} indices and y {:?} are not [{batch}, {outer}, {axis}, {inner}] at {n} places",
        x.shape(),
        indices.len(),
        y.shape()
    );
    let at = address("indices", indices, Storage::I32)?;
    let kernel = if x.storage == Storage::U8 { "gather_1" } else { "gather_4" };
    if y.is_empty() {
        return Ok(());
    }
    let arguments = arguments![x.ptr(), at, y.ptr(), y.len(), outer, axis, inner, n, call.cuda.faults()];
    call.launch("move", kernel, Grid::over(y.len()), arguments)?;
    // tfjs promises the error at the call; a program cannot wait for it.
    if call.is_eager() { call.cuda.synchronize() } else { Ok(()) }
}

fn one_hot(call: &Call) -> Result<()> {
    let [indices, y] = call.args()?;
    let (depth, on, off) = (call.attr(0)? as usize, call.attr(1)?, call.attr(2)?);
    let at = address("indices", indices, Storage::I32)?;
    ensure!(
        depth > 0 && indices.len() * depth == y.len(),
        "{} indices of depth {depth} do not fill y {:?}",
        indices.len(),
        y.shape()
    );
    let n = y.len();
    if n == 0 {
        return Ok(());
    }
    let grid = Grid::over(n);
    match y.storage {
        Storage::F32 => {
            call.launch("move", "oneHot_f32", grid, arguments![at, y.ptr(), n, depth, on as f32, off as f32])
        }
        Storage::I32 => {
            let values = (to_int32(on), to_int32(off));
            call.launch("move", "oneHot_i32", grid, arguments![at, y.ptr(), n, depth, values.0, values.1])
        }
        Storage::U8 => {
            call.launch("move", "oneHot_u8", grid, arguments![at, y.ptr(), n, depth, on as u8, off as u8])
        }
        storage => fail!("no one-hot of {storage} elements"),
    }
}

fn select(call: &Call) -> Result<()> {
    let [c, t, e, y] = call.args()?;
    let n = y.len();
    ensure!(t.len() == n && e.len() == n, "t has {} elements, e {}, y {n}", t.len(), e.len());
    ensure!(t.storage == y.storage && e.storage == y.storage, "t, e and y should be stored alike");
    if n == 0 {
        return Ok(());
    }
    ensure!(!c.is_empty() && n.is_multiple_of(c.len()), "a condition of {} for {n} elements", c.len());
    let at = address("the condition", c, Storage::U8)?;
    let kernel = match y.storage {
        Storage::F32 | Storage::I32 => "select_4",
        Storage::U8 => "select_1",
        storage => fail!("cannot select {storage} elements"),
    };
    let arguments = arguments![at, t.ptr(), e.ptr(), y.ptr(), n, n / c.len()];
    call.launch("move", kernel, Grid::over(n), arguments)
}
