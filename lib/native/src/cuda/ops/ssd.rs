//! Mamba-2's recurrence: token after token where there are few, by chunks where there are many.

use super::mamba::{operands, tile};
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[("ssdScan", ssd_scan)];

/// Tokens of a chunk, and rows and columns of the tiles that blocks of `THREADS` multiply.
pub const CHUNK: usize = 64;
pub const THREADS: u32 = 128;

/// The kernels' names end in whether rows of x and B come in fours at multiples of 16 bytes.
pub fn kind(width: usize, n: usize, addresses: &[&[i64]]) -> &'static str {
    let aligned = addresses.iter().copied().flatten().all(|at| at % 16 == 0);
    if width.is_multiple_of(4) && n.is_multiple_of(4) && aligned { "Fours" } else { "Any" }
}

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

fn ssd_scan(call: &Call) -> Result<()> {
    let mut o = operands(call);
    let (x, a, b, c) = (o.required()?, o.required()?, o.required()?, o.required()?);
    let [batch, length, heads, width] = dims("x", x)?;
    let [_, _, groups, n] = dims("B", b)?;
    expect_shape("a", a, &[batch, length, heads])?;
    expect_shape("B", b, &[batch, length, groups, n])?;
    expect_shape("C", c, &[batch, length, groups, n])?;
    ensure!(groups > 0 && heads % groups == 0, "{groups} groups do not divide {heads} heads");
    let rate = o.optional("A", &[heads], Storage::F32)?;
    let bias = o.optional("bias", &[heads], Storage::F32)?;
    let skip = o.optional("D", &[heads], Storage::F32)?;
    let state_shape = [batch, heads, width, n];
    let state = o.optional("state", &state_shape, Storage::F32)?;
    let lens = o.optional("lens", &[batch], Storage::I32)?;
    let resets = o.optional("resets", &[batch, length], Storage::I32)?;
    let softplus = o.attr()? != 0.0;
    let y = o.output("y", x.shape())?;
    let out = o.output("the new state", &state_shape)?;
    o.end()?;
    ensure!(n <= 512, "the state holds {n} numbers a channel; this device takes up to 512");
    if batch * heads * width * n == 0 {
        return Ok(());
    }
    let inputs = [
        floats("x", x)?,
        floats("a", a)?,
        floats("B", b)?,
        floats("C", c)?,
        rate,
        bias,
        skip,
        state,
        lens,
        resets,
    ]
    .map(|p| p as i64);
    let shape = [batch, length, heads, width, groups, n, usize::from(softplus)].map(|n| n as i64);
    if length < 2 * CHUNK {
        by_tokens(call, &inputs, [y, out], &shape)
    } else {
        by_chunks(call, &inputs, [y, out], &shape)
    }
}

fn by_tokens(call: &Call, inputs: &[i64; 10], [y, out]: [u64; 2], shape: &[i64; 7]) -> Result<()> {
    let [batch, _, heads, width, _, n, _] = shape.map(|n| n as usize);
    let lanes = n.div_ceil(16).next_power_of_two();
    let per_block = 256 / lanes;
    let floats_a_token = 2 * 16 * lanes + per_block + 2;
    let tile = (tile(16, floats_a_token) / 4).max(1) * 4;
    let grid = Grid {
        blocks: (width.div_ceil(per_block) as u32, heads as u32, batch as u32),
        threads: 256,
        shared: (tile * floats_a_token * 4) as u32,
    };
    let shape = [shape.as_slice(), &[tile as i64]].concat();
    let arguments = arguments![Words(inputs), y, out, Words(&shape), call.cuda.faults()];
    call.launch("scan", &format!("ssd_{lanes}"), grid, arguments)
}

fn by_chunks(call: &Call, inputs: &[i64; 10], [y, out]: [u64; 2], shape: &[i64; 7]) -> Result<()> {
    let [batch, length, heads, width, _, n, _] = shape.map(|n| n as usize);
    let (chunks, units) = (length.div_ceil(CHUNK), batch * heads);
    let starts = call.scratch(4 * units * (chunks + 1) * width * n)?;
    let totals = call.scratch(4 * units * chunks)?;
    let out = [y, out, starts.ptr as u64, totals.ptr as u64].map(|p| p as i64);
    let kind = kind(width, n, &[inputs, &out]);
    let shape = [shape.as_slice(), &[chunks as i64]].concat();
    let launch = |kernel: &str, grid: Grid| {
        let arguments = arguments![Words(inputs), Words(&out), Words(&shape), call.cuda.faults()];
        call.launch("ssd", kernel, grid, arguments)
    };
    let tiles = width.div_ceil(CHUNK) * n.div_ceil(CHUNK);
    let grid =
        |x: usize| Grid { blocks: (x as u32, heads as u32, batch as u32), threads: THREADS, shared: 0 };
    launch(&format!("ssdEnds{kind}"), grid(tiles * chunks))?;
    launch("ssdStarts", Grid::over(units * width * n))?;
    launch(&format!("ssdOutputs{kind}"), grid(chunks))
}
