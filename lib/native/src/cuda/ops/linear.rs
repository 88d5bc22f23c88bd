//! Products: float32 GEMM, float32 activations against stored weights, tables.
//!
//! Few rows go through kernels that decode weights in registers; more go through cuBLASLt, from bf16
//! weights with bf16 activations, from float32 and block formats in float32.

use crate::cuda::blas::{Elements, Product};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure, fail};

pub const OPS: &[(&str, Run)] = &[
    ("gemm", gemm),
    ("linear", linear),
    ("linearMulti", linear_multi),
    ("linearSwiGlu", linear_swi_glu),
    // Rounding activations to eight bits is the CPU's way to speed; here they stay as they are.
    ("linearInt8", linear),
    ("linearMultiInt8", linear_multi),
    ("linearSwiGluInt8", linear_swi_glu),
    ("embedding", embedding),
    ("dequantize", dequantize),
    ("convert", convert),
];

/// The name of a weight's format in the kernels.
fn format(name: &str, storage: Storage) -> Result<&'static str> {
    Ok(match storage {
        Storage::I32 | Storage::U8 => {
            fail!("{name} is {storage}; weights are F32, BF16, F16, Q8_0, Q4_0, Q4_1, Q4_K or Q6_K")
        }
        other => Storage::NAMES[other as usize],
    })
}

/// `x [.., k]` as (rows, columns).
fn matrix(name: &str, t: &Tensor) -> Result<(usize, usize)> {
    ensure!(t.rank() >= 1, "{name} must have at least one axis, got a scalar");
    Ok((t.shape()[..t.rank() - 1].iter().product(), t.dim(-1)))
}

fn sides(name: &str, t: &Tensor) -> Result<[usize; 3]> {
    match *t.shape() {
        [rows, cols] => Ok([1, rows, cols]),
        [batch, rows, cols] => Ok([batch, rows, cols]),
        _ => fail!("{name} must have 2 or 3 axes, got {:?}", t.shape()),
    }
}

/// As the CPU's: `[a, b, (bias), out]`, attributes `[transposeA, transposeB, hasBias, activation,
/// alpha?, accumulate?]`.
fn gemm(call: &Call) -> Result<()> {
    let (ta, tb, has_bias) = (call.attr(0)? != 0.0, call.attr(1)? != 0.0, call.attr(2)? != 0.0);
    let activation = call.attr(3)?;
    ensure!((0.0..=5.0).contains(&activation), "unknown activation code {activation}");
    let alpha = call.attrs.get(4).copied().unwrap_or(0.2) as f32;
    let accumulate = call.attrs.get(5).is_some_and(|&a| a != 0.0);
    ensure!(!(accumulate && has_bias), "a product that is added to out takes no bias");
    let want = 3 + usize::from(has_bias);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (a, b, out) = (&call.tensors[0], &call.tensors[1], &call.tensors[want - 1]);
    let ([ba, a1, a2], [bb, b1, b2]) = (sides("a", a)?, sides("b", b)?);
    let (m, k) = if ta { (a2, a1) } else { (a1, a2) };
    let (kb, n) = if tb { (b2, b1) } else { (b1, b2) };
    ensure!(
        k == kb && (ba == bb || ba == 1 || bb == 1),
        "cannot multiply a {:?}{} by b {:?}{}",
        a.shape(),
        if ta { " transposed" } else { "" },
        b.shape(),
        if tb { " transposed" } else { "" }
    );
    let batch = if ba == 1 { bb } else { ba };
    ensure!(sides("out", out)? == [batch, m, n], "out must be [{batch}, {m}, {n}], got {:?}", out.shape());
    let bias = match has_bias {
        true => {
            let bias = &call.tensors[2];
            ensure!(bias.len() == n, "bias must hold {n} values, got {:?}", bias.shape());
            address("bias", bias, Storage::F32)?
        }
        false => 0,
    };
    let (a, b) = (address("a", a, Storage::F32)?, address("b", b, Storage::F32)?);
    let to = address("out", out, Storage::F32)?;
    if batch * m * n == 0 {
        return Ok(());
    }
    if k == 0 && !accumulate {
        call.launch("move", "fill_4", Grid::over(out.len()), arguments![to, out.len(), 0u32])?;
    } else if k > 0 {
        let product = Product {
            m,
            n,
            k,
            batch,
            a_transposed: ta,
            b_transposed: tb,
            a_stride: if ba == 1 { 0 } else { m * k },
            b_stride: if bb == 1 { 0 } else { n * k },
            elements: Elements::F32,
            has_bias: false,
            adds: accumulate,
        };
        call.cuda.product(&product, a, b, 0, to, to)?;
    }
    if has_bias || activation != 0.0 {
        let arguments = arguments![to, bias, out.len(), n, activation as i32, alpha];
        call.launch("model", "activate", Grid::over(out.len()), arguments)?;
    }
    Ok(())
}

/// One product with a stored weight: what is added is 0 where there is none.
struct Job<'a> {
    x: &'a Tensor,
    w: &'a Tensor,
    bias: u64,
    residual: u64,
    y: u64,
    m: usize,
}

impl<'a> Job<'a> {
    fn new(x: &'a Tensor, name: &str, w: &'a Tensor, y: &Tensor) -> Result<Job<'a>> {
        format(name, w.storage)?;
        ensure!(w.rank() == 2, "{name} must be a matrix [outputs, inputs], got {:?}", w.shape());
        let (m, k) = matrix("x", x)?;
        ensure!(
            k == w.dim(1),
            "x {:?} has rows of {k}, but {name} {:?} takes {}",
            x.shape(),
            w.shape(),
            w.dim(1)
        );
        let (rows, n) = matrix("y", y)?;
        ensure!(
            rows == m && n == w.dim(0),
            "y must hold {m} rows of {} for x {:?} and {name} {:?}, got {:?}",
            w.dim(0),
            x.shape(),
            w.shape(),
            y.shape()
        );
        address("x", x, Storage::F32)?;
        Ok(Job { x, w, bias: 0, residual: 0, y: address("y", y, Storage::F32)?, m })
    }

    fn is_skinny(&self) -> bool {
        let most = match self.w.storage {
            Storage::F32 => 8,
            // More rows are read from the processor's caches again and again, where cuBLASLt's tiles hold them.
            Storage::BF16 => 2,
            _ => 64,
        };
        self.m <= most || self.w.dim(1) == 0
    }

    fn is_empty(&self) -> bool {
        self.m == 0 || self.w.dim(0) == 0
    }

    /// By cuBLASLt; `rounded` are the rows of x in bf16 where they are there already.
    fn wide(&self, call: &Call, rounded: u64) -> Result<()> {
        let (n, k) = (self.w.dim(0), self.w.dim(1));
        let mut product = Product {
            m: self.m,
            n,
            k,
            batch: 1,
            a_transposed: false,
            b_transposed: true,
            a_stride: 0,
            b_stride: 0,
            elements: Elements::F32,
            has_bias: self.bias != 0,
            adds: self.residual != 0,
        };
        let run = |p: &Product, x: u64, w: u64| call.cuda.product(p, x, w, self.bias, self.residual, self.y);
        match self.w.storage {
            Storage::F32 => run(&product, self.x.ptr() as u64, self.w.ptr() as u64),
            Storage::BF16 => {
                product.elements = Elements::Bf16;
                run(&product, rounded, self.w.ptr() as u64)
            }
            storage => {
                let dense = call.scratch(4 * n * k)?;
                let kernel = format!("dequantize_{}", format("w", storage)?);
                let arguments = arguments![self.w.ptr(), dense.ptr, n, k, storage.row_bytes(k)];
                call.launch("weights", &kernel, Grid::over(n * k.div_ceil(8)), arguments)?;
                run(&product, self.x.ptr() as u64, dense.ptr as u64)
            }
        }
    }
}

/// Rows that a tile of a kernel takes, and its columns.
fn tile(m: usize) -> (usize, usize) {
    match m {
        1 => (1, 2),
        2 => (2, 2),
        3 | 4 => (4, 4),
        _ => (8, 4),
    }
}

/// Runs products of one x.
fn products(call: &Call, jobs: &[Job]) -> Result<()> {
    let jobs: Vec<&Job> = jobs.iter().filter(|j| !j.is_empty()).collect();
    let Some(first) = jobs.first() else { return Ok(()) };
    let (few, many): (Vec<&Job>, Vec<&Job>) = jobs.iter().partition(|j| j.is_skinny());
    let mut rest = few;
    while let Some(job) = rest.first() {
        let storage = job.w.storage;
        let (mut same, other): (Vec<&Job>, Vec<&Job>) = rest.iter().partition(|j| j.w.storage == storage);
        rest = other;
        if same.len() > 4 {
            rest.extend(same.split_off(4));
        }
        skinny(call, &same)?;
    }
    let x = first.x;
    let rounded = match many.iter().any(|j| j.w.storage == Storage::BF16) {
        true => {
            let rounded = call.scratch(2 * x.len())?;
            call.launch(
                "weights",
                "convert_BF16",
                Grid::over(x.len().div_ceil(8)),
                arguments![x.ptr(), rounded.ptr, x.len()],
            )?;
            Some(rounded)
        }
        false => None,
    };
    let rounded = rounded.as_ref().map_or(0, |r| r.ptr as u64);
    // Tiles of 128 by 128: products that leave multiprocessors idle go beside each other. Unpacked weights
    // would lie in memory that is free for others by then.
    let idle = |j: &&Job| {
        let tiles = j.m.div_ceil(128) * j.w.dim(0).div_ceil(128);
        tiles < call.cuda.properties.multiprocessors
    };
    let plain = |j: &&Job| matches!(j.w.storage, Storage::F32 | Storage::BF16);
    if many.iter().all(plain) && many.iter().any(idle) {
        return call.cuda.side_by_side(many.len(), |i| many[i].wide(call, rounded));
    }
    many.iter().try_for_each(|j| j.wide(call, rounded))
}

/// Up to four products of few rows with weights of one format, in one launch.
fn skinny(call: &Call, jobs: &[&Job]) -> Result<()> {
    let (m, k, storage) = (jobs[0].m, jobs[0].w.dim(1), jobs[0].w.storage);
    let mut words = [0i64; 20];
    for (i, job) in jobs.iter().enumerate() {
        let values = [job.w.ptr() as u64, job.bias, job.residual, job.y, job.w.dim(0) as u64];
        for (kind, value) in values.into_iter().enumerate() {
            words[4 * kind + i] = value as i64;
        }
    }
    let (rows, cols) = tile(m);
    let widest = jobs.iter().map(|j| j.w.dim(0)).max().unwrap_or(0);
    let blocks = (widest.div_ceil(4 * cols) as u32, m.div_ceil(rows) as u32, jobs.len() as u32);
    let grid = Grid { blocks, threads: 128, shared: 0 };
    let arguments = arguments![jobs[0].x.ptr(), Words(&words), m, k, storage.row_bytes(k)];
    call.cuda.launch("linear", format("w", storage)?, &format!("skinny_{rows}"), grid, arguments)
}

fn linear(call: &Call) -> Result<()> {
    let (has_bias, has_residual) = (call.attr(0)? != 0.0, call.attr(1)? != 0.0);
    let want = 3 + usize::from(has_bias) + usize::from(has_residual);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (x, w, y) = (&call.tensors[0], &call.tensors[1], &call.tensors[want - 1]);
    let mut job = Job::new(x, "w", w, y)?;
    if has_bias {
        let b = &call.tensors[2];
        ensure!(b.len() == w.dim(0), "bias must hold {} values, got {:?}", w.dim(0), b.shape());
        job.bias = address("bias", b, Storage::F32)?;
    }
    if has_residual {
        let r = &call.tensors[want - 2];
        ensure!(r.len() == y.len(), "residual {:?} must be like y {:?}", r.shape(), y.shape());
        job.residual = address("residual", r, Storage::F32)?;
    }
    products(call, &[job])
}

fn linear_multi(call: &Call) -> Result<()> {
    let p = call.attr(0)? as usize;
    ensure!(
        p >= 1 && call.tensors.len() == 1 + 2 * p,
        "expected x, {p} weights and {p} outputs, got {} tensors",
        call.tensors.len()
    );
    let jobs = (0..p).map(|i| {
        let (w, y) = (&call.tensors[1 + i], &call.tensors[1 + p + i]);
        Job::new(&call.tensors[0], &format!("w{}", i + 1), w, y)
    });
    products(call, &jobs.collect::<Result<Vec<_>>>()?)
}

fn linear_swi_glu(call: &Call) -> Result<()> {
    let [x, gate, up, y] = call.args()?;
    let first = Job::new(x, "wGate", gate, y)?;
    let second = Job::new(x, "wUp", up, y)?;
    if y.is_empty() {
        return Ok(());
    }
    if first.is_skinny() && gate.storage == up.storage {
        let (rows, cols) = tile(first.m);
        let (n, k) = (gate.dim(0), gate.dim(1));
        let blocks = (n.div_ceil(2 * cols) as u32, first.m.div_ceil(rows) as u32, 1);
        let grid = Grid { blocks, threads: 128, shared: 0 };
        let bytes = gate.storage.row_bytes(k);
        let arguments = arguments![x.ptr(), gate.ptr(), up.ptr(), y.ptr(), first.m, n, k, bytes];
        let kernel = format!("gated_{rows}");
        return call.cuda.launch("linear", format("wGate", gate.storage)?, &kernel, grid, arguments);
    }
    let side = call.scratch(4 * y.len())?;
    products(call, &[first, Job { y: side.ptr as u64, ..second }])?;
    let arguments = arguments![y.ptr(), side.ptr, y.ptr(), y.len()];
    call.launch("model", "swiGlu", Grid::over(y.len()), arguments)
}

fn embedding(call: &Call) -> Result<()> {
    let [table, ids, y] = call.args()?;
    ensure!(table.rank() == 2, "table must be a matrix, got {:?}", table.shape());
    let kernel = format!("embedding_{}", format("table", table.storage)?);
    let (v, d) = (table.dim(0), table.dim(1));
    ensure!(
        y.len() == ids.len() * d && (y.is_empty() || y.dim(-1) == d),
        "y must hold {} rows of {d}, got {:?}",
        ids.len(),
        y.shape()
    );
    let (at, to) = (address("ids", ids, Storage::I32)?, address("y", y, Storage::F32)?);
    if y.is_empty() {
        return Ok(());
    }
    let bytes = table.storage.row_bytes(d);
    let arguments = arguments![table.ptr(), at, to, ids.len(), d, bytes, v, call.cuda.faults()];
    call.launch("weights", &kernel, Grid::over(ids.len() * d.div_ceil(8)), arguments)
}

fn dequantize(call: &Call) -> Result<()> {
    let [w, y] = call.args()?;
    ensure!(w.shape() == y.shape(), "w {:?} and y {:?} must have one shape", w.shape(), y.shape());
    let kernel = format!("dequantize_{}", format("w", w.storage)?);
    let k = w.shape().last().copied().unwrap_or(1);
    let rows = w.len().checked_div(k).unwrap_or(0);
    let to = address("y", y, Storage::F32)?;
    if w.is_empty() {
        return Ok(());
    }
    let arguments = arguments![w.ptr(), to, rows, k, w.storage.row_bytes(k)];
    call.launch("weights", &kernel, Grid::over(rows * k.div_ceil(8)), arguments)
}

fn convert(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    ensure!(x.shape() == y.shape(), "x {:?} and y {:?} must have one shape", x.shape(), y.shape());
    let from = address("x", x, Storage::F32)?;
    let n = x.len();
    if n == 0 {
        return Ok(());
    }
    match y.storage {
        Storage::F32 => call.cuda.copy(y.ptr(), x.ptr(), 4 * n),
        Storage::BF16 => call.launch("weights", "convert_BF16", Grid::over(n), arguments![from, y.ptr(), n]),
        Storage::F16 => call.launch("weights", "convert_F16", Grid::over(n), arguments![from, y.ptr(), n]),
        Storage::Q8_0 | Storage::Q4_0 | Storage::Q4_1 => {
            let kernel = format!("convert_{}", y.storage);
            let arguments = arguments![from, y.ptr(), n / 32, call.cuda.faults()];
            call.launch("weights", &kernel, Grid::over(n / 32), arguments)
        }
        storage => fail!("cannot convert to {storage}; F32, BF16, F16, Q8_0, Q4_0 and Q4_1 can be written"),
    }
}
