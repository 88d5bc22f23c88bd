//! Norms, rotation, caches, gates, sampling.

use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::Grid;
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[
    ("rmsNorm", rms_norm),
    ("rmsNormResidual", rms_norm_residual),
    ("rotary", rotary),
    ("cacheWrite", cache_write),
    ("cacheCopy", cache_copy),
    ("cacheGather", cache_gather),
    ("addPositions", add_positions),
    ("swiGlu", swi_glu),
    ("sampleTokens", sample_tokens),
];

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

fn norm(call: &Call, x: &Tensor, residual: u64, weight: &Tensor, sum: u64, y: &Tensor) -> Result<()> {
    ensure!(x.rank() >= 1 && x.dim(-1) > 0, "x has no features: shape {:?}", x.shape());
    let d = x.dim(-1);
    expect_shape("weight", weight, &[d])?;
    expect_shape("y", y, x.shape())?;
    let eps = call.attr(0)?;
    ensure!(eps >= 0.0 && eps.is_finite(), "eps should be a small positive number, got {eps}");
    let rows = x.len() / d;
    if rows == 0 {
        return Ok(());
    }
    let threads = d.next_multiple_of(32).clamp(32, 256) as u32;
    let arguments = arguments![
        floats("x", x)?,
        residual,
        floats("weight", weight)?,
        sum,
        floats("y", y)?,
        rows,
        d,
        eps as f32
    ];
    call.launch("model", "rmsNorm", Grid::blocks(rows, threads), arguments)
}

fn rms_norm(call: &Call) -> Result<()> {
    let [x, weight, y] = call.args()?;
    norm(call, x, 0, weight, 0, y)
}

fn rms_norm_residual(call: &Call) -> Result<()> {
    let [x, residual, weight, sum, y] = call.args()?;
    for (name, t) in [("residual", residual), ("sum", sum)] {
        expect_shape(name, t, x.shape())?;
    }
    ensure!(sum.ptr() != y.ptr() || x.is_empty(), "sum and y must be two tensors");
    norm(call, x, floats("residual", residual)?, weight, floats("sum", sum)?, y)
}

fn rotary(call: &Call) -> Result<()> {
    let [x, table, starts, lens, y] = call.args()?;
    let [batch, length, heads, d] = dims("x", x)?;
    ensure!(d % 2 == 0, "heads should have an even number of features, got {d}");
    let [positions, _, _] = dims("table", table)?;
    expect_shape("table", table, &[positions, d / 2, 2])?;
    expect_shape("y", y, x.shape())?;
    expect_shape("starts", starts, &[batch])?;
    expect_shape("lens", lens, &[batch])?;
    let interleaved = call.attr(0)?;
    ensure!(interleaved == 0.0 || interleaved == 1.0, "interleaved should be 0 or 1, got {interleaved}");
    let sign = if call.attrs.get(1).is_some_and(|&back| back != 0.0) { -1f32 } else { 1f32 };
    let count = x.len() / 2;
    if count == 0 {
        return Ok(());
    }
    let arguments = arguments![
        floats("x", x)?,
        floats("table", table)?,
        address("starts", starts, Storage::I32)?,
        address("lens", lens, Storage::I32)?,
        floats("y", y)?,
        count,
        length,
        heads,
        d,
        positions,
        interleaved as i32,
        sign,
        call.cuda.faults()
    ];
    call.launch("model", "rotary", Grid::over(count), arguments)
}

/// 16-bit words of one position; both tensors must store the same plain type.
fn token_words(src: &Tensor, dst: &Tensor, elements: usize) -> Result<usize> {
    ensure!(src.storage == dst.storage, "a {} tensor cannot go into a {} cache", src.storage, dst.storage);
    ensure!(
        matches!(src.storage, Storage::F32 | Storage::BF16 | Storage::F16),
        "a cache cannot be stored as {}",
        src.storage
    );
    Ok(src.storage.row_bytes(elements) / 2)
}

fn cache_write(call: &Call) -> Result<()> {
    let [src, starts, lens, cache] = call.args()?;
    let [batch, length, heads, d] = dims("the new keys or values", src)?;
    let [_, capacity, _, _] = dims("the cache", cache)?;
    expect_shape("the cache", cache, &[batch, capacity, heads, d])?;
    expect_shape("starts", starts, &[batch])?;
    expect_shape("lens", lens, &[batch])?;
    let rounds = (src.storage, cache.storage) == (Storage::F32, Storage::BF16);
    let words = if rounds { heads * d } else { token_words(src, cache, heads * d)? };
    let count = batch * length * words;
    if count == 0 {
        return Ok(());
    }
    let arguments = arguments![
        src.ptr(),
        address("starts", starts, Storage::I32)?,
        address("lens", lens, Storage::I32)?,
        cache.ptr(),
        count,
        length,
        words,
        capacity,
        call.cuda.faults()
    ];
    let kernel = if rounds { "cacheWriteBf16" } else { "cacheWrite" };
    call.launch("model", kernel, Grid::over(count), arguments)
}

fn cache_copy(call: &Call) -> Result<()> {
    let [src, dst] = call.args()?;
    let [rows, capacity, heads, d] = dims("the source cache", src)?;
    let [into_rows, into_capacity, _, _] = dims("the destination cache", dst)?;
    expect_shape("the destination cache", dst, &[into_rows, into_capacity, heads, d])?;
    let bytes = 2 * token_words(src, dst, heads * d)?;
    let index = |i: usize, name: &str, below: usize| -> Result<usize> {
        let value = call.attr(i)?;
        ensure!(
            value >= 0.0 && value.fract() == 0.0 && value < below as f64,
            "the {name} is {value}; it should be an integer from 0 to {}",
            below as f64 - 1.0
        );
        Ok(value as usize)
    };
    let row = index(0, "source row", rows)?;
    let into = index(1, "destination row", into_rows)?;
    let positions = index(2, "number of positions", capacity.min(into_capacity) + 1)?;
    let from = src.ptr() as usize + row * capacity * bytes;
    let to = dst.ptr() as usize + into * into_capacity * bytes;
    if from == to || positions * bytes == 0 {
        return Ok(());
    }
    call.cuda.copy(to as *mut u8, from as *const u8, positions * bytes)
}

fn cache_gather(call: &Call) -> Result<()> {
    let [src, rows, dst] = call.args()?;
    let [count, capacity, heads, d] = dims("the source cache", src)?;
    let [n, into_capacity, _, _] = dims("the destination cache", dst)?;
    expect_shape("the destination cache", dst, &[n, into_capacity, heads, d])?;
    expect_shape("rows", rows, &[n])?;
    let words = token_words(src, dst, heads * d)?;
    ensure!(src.ptr() != dst.ptr() || src.is_empty(), "a cache cannot be gathered into itself");
    let both = capacity.min(into_capacity) * words;
    if n * both == 0 {
        return Ok(());
    }
    let arguments = arguments![
        src.ptr(),
        address("rows", rows, Storage::I32)?,
        dst.ptr(),
        n * both,
        both,
        capacity * words,
        into_capacity * words,
        count,
        call.cuda.faults()
    ];
    call.launch("model", "cacheGather", Grid::over(n * both), arguments)
}

fn add_positions(call: &Call) -> Result<()> {
    let [positions, lens] = call.args()?;
    ensure!(
        matches!(positions.rank(), 1 | 2) && positions.dim(-1) > 0,
        "positions should have shape [b] or [b, w], got {:?}",
        positions.shape()
    );
    let width = if positions.rank() == 2 { positions.dim(1) } else { 1 };
    let rows = positions.dim(0);
    expect_shape("lens", lens, &[rows])?;
    let (at, by) = (address("positions", positions, Storage::I32)?, address("lens", lens, Storage::I32)?);
    if rows == 0 {
        return Ok(());
    }
    call.launch("model", "addPositions", Grid::over(rows), arguments![at, by, rows, width])
}

fn swi_glu(call: &Call) -> Result<()> {
    let [gate, up, y] = call.args()?;
    expect_shape("up", up, gate.shape())?;
    expect_shape("y", y, gate.shape())?;
    let n = y.len();
    if n == 0 {
        return Ok(());
    }
    let arguments = arguments![floats("gate", gate)?, floats("up", up)?, floats("y", y)?, n];
    call.launch("model", "swiGlu", Grid::over(n), arguments)
}

fn sample_tokens(call: &Call) -> Result<()> {
    let [logits, params, keys, lens, ids, log_probs] = call.args()?;
    let [batch, vocabulary] = dims("logits", logits)?;
    ensure!(
        vocabulary > 0 && vocabulary <= 512 * 1024,
        "logits have shape {:?}; up to 524288 columns can be sampled",
        logits.shape()
    );
    expect_shape("params", params, &[batch, 4])?;
    expect_shape("keys", keys, &[batch, 4])?;
    for (name, t) in [("lens", lens), ("ids", ids), ("logProb", log_probs)] {
        expect_shape(name, t, &[batch])?;
    }
    if batch == 0 {
        return Ok(());
    }
    let ints = |name: &str, t: &Tensor| address(name, t, Storage::I32);
    let arguments = arguments![
        floats("logits", logits)?,
        floats("params", params)?,
        ints("keys", keys)?,
        ints("lens", lens)?,
        ints("ids", ids)?,
        floats("logProb", log_probs)?,
        vocabulary,
        call.cuda.faults()
    ];
    let threads = (16 * vocabulary.div_ceil(1024)).next_multiple_of(32).clamp(128, 1024) as u32;
    call.launch("sample", "sampleTokens", Grid::blocks(batch, threads), arguments)
}
