//! Derivatives of the short convolution and of the recurrences of Mamba; operands as the CPU's kernels have
//! them.

use super::mamba::operands;
use super::train::sum_parts;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[
    ("causalConv1dBackward", causal_conv1d_backward),
    ("selectiveScanBackward", selective_scan_backward),
    ("ssdBackward", ssd_backward),
];

/// Tokens whose shares of the convolution's weights are summed together.
const PIECE: usize = 32;

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

fn causal_conv1d_backward(call: &Call) -> Result<()> {
    let mut o = operands(call);
    let (x, weight) = (o.required()?, o.required()?);
    let [batch, length, channels] = dims("x", x)?;
    let [_, width] = dims("weight", weight)?;
    expect_shape("weight", weight, &[channels, width])?;
    ensure!((2..=4).contains(&width), "the width should be 2 to 4, got {width}");
    let bias = o.optional("bias", &[channels], Storage::F32)?;
    let state_shape = [batch, width - 1, channels];
    let state = o.optional("state", &state_shape, Storage::F32)?;
    let lens = o.optional("lens", &[batch], Storage::I32)?;
    let resets = o.optional("resets", &[batch, length], Storage::I32)?;
    let silu = o.attr()? != 0.0;
    let (dy, dstate) = (o.output("dy", x.shape())?, o.output("dstate", &state_shape)?);
    let (dx, dweight) = (o.output("dx", x.shape())?, o.output("dweight", weight.shape())?);
    let dbias = if bias == 0 { 0 } else { o.output("dbias", &[channels])? };
    let dinitial = if state == 0 { 0 } else { o.output("the state's gradient", &state_shape)? };
    o.end()?;
    let (x_at, weight_at, faults) = (floats("x", x)?, floats("weight", weight)?, call.cuda.faults());
    let shape = [batch, length, channels, width, usize::from(silu)].map(|n| n as i64);
    ensure!(batch <= 65_535, "{batch} rows are more than the convolution takes at a time: 65535");
    // Without tokens the state's gradient still passes.
    let each = length.div_ceil(PIECE).max(1);
    let pieces = batch * each;
    let parts = call.scratch(4 * (pieces * (width + 1) * channels).max(1))?;
    if batch * channels > 0 {
        let arguments = arguments![
            x_at,
            weight_at,
            bias,
            state,
            lens,
            resets,
            dy,
            dstate,
            dx,
            dinitial,
            parts.ptr,
            Words(&shape),
            PIECE as i32,
            faults
        ];
        let blocks = (channels.div_ceil(128) as u32, each as u32, batch as u32);
        let grid = Grid { blocks, threads: 128, shared: 0 };
        call.launch("scan_backward", &format!("conv_gradients_{width}"), grid, arguments)?;
    }
    let arguments = arguments![parts.ptr, dweight, dbias, pieces, channels, width];
    call.launch("scan_backward", "conv_sums", Grid::over(channels * (width + 1)), arguments)
}

fn selective_scan_backward(call: &Call) -> Result<()> {
    let mut o = operands(call);
    let (u, delta, a, b, c) = (o.required()?, o.required()?, o.required()?, o.required()?, o.required()?);
    let [batch, length, channels] = dims("u", u)?;
    let [_, n] = dims("A", a)?;
    let [_, _, groups, _] = dims("B", b)?;
    expect_shape("delta", delta, u.shape())?;
    expect_shape("A", a, &[channels, n])?;
    expect_shape("B", b, &[batch, length, groups, n])?;
    expect_shape("C", c, &[batch, length, groups, n])?;
    ensure!(groups > 0 && channels % groups == 0, "{groups} groups do not divide {channels} channels");
    let skip = o.optional("D", &[channels], Storage::F32)?;
    let z = o.optional("z", u.shape(), Storage::F32)?;
    let bias = o.optional("the bias", &[channels], Storage::F32)?;
    let state_shape = [batch, channels, n];
    let state = o.optional("state", &state_shape, Storage::F32)?;
    let lens = o.optional("lens", &[batch], Storage::I32)?;
    let resets = o.optional("resets", &[batch, length], Storage::I32)?;
    let softplus = o.attr()? != 0.0;
    let (dy, dstate) = (o.output("dy", u.shape())?, o.output("dstate", &state_shape)?);
    let (du, ddelta) = (o.output("du", u.shape())?, o.output("ddelta", u.shape())?);
    let (da, db, dc) = (o.output("dA", a.shape())?, o.output("dB", b.shape())?, o.output("dC", b.shape())?);
    let mut when = |given: u64, name: &str, shape: &[usize]| {
        if given == 0 { Ok(0) } else { o.output(name, shape) }
    };
    let dskip = when(skip, "dD", &[channels])?;
    let dz = when(z, "dz", u.shape())?;
    let dbias = when(bias, "dbias", &[channels])?;
    let dinitial = when(state, "the initial state's gradient", &state_shape)?;
    o.end()?;
    ensure!(n <= 128, "the state holds {n} numbers a channel; this device takes up to 128");
    if batch * channels * n == 0 {
        return Ok(());
    }
    let lanes = n.div_ceil(4).next_power_of_two();
    let grid =
        Grid { blocks: (channels.div_ceil(128 / lanes) as u32, batch as u32, 1), threads: 128, shared: 0 };
    let whole = 4 * (u.len() * n).max(1);
    let (kept, own_b) = (call.scratch(whole)?, call.scratch(whole)?);
    let (own_a, own) = (call.scratch(4 * batch * channels * n)?, call.scratch(8 * batch * channels)?);
    let shape = [batch, length, channels, groups, n, usize::from(softplus)].map(|n| n as i64);
    let (u_at, delta_at, a_at) = (floats("u", u)?, floats("delta", delta)?, floats("A", a)?);
    let (b_at, c_at, faults) = (floats("B", b)?, floats("C", c)?, call.cuda.faults());
    let arguments =
        arguments![u_at, delta_at, a_at, b_at, bias, state, lens, resets, kept.ptr, Words(&shape), faults];
    call.launch("scan_backward", &format!("states_{lanes}"), grid, arguments)?;
    let out =
        [du, ddelta, dz, dinitial, own_b.ptr as u64, own_a.ptr as u64, own.ptr as u64].map(|p| p as i64);
    let arguments = arguments![
        u_at,
        delta_at,
        a_at,
        b_at,
        c_at,
        skip,
        z,
        bias,
        state,
        lens,
        resets,
        dy,
        dstate,
        kept.ptr,
        Words(&out),
        Words(&shape),
        faults
    ];
    call.launch("scan_backward", &format!("back_{lanes}"), grid, arguments)?;
    let (tokens, each) = (batch * length * groups, channels / groups);
    sum_parts(call, own_b.ptr as u64, db, tokens, each, n)?;
    sum_parts(call, kept.ptr as u64, dc, tokens, each, n)?;
    sum_parts(call, own_a.ptr as u64, da, 1, batch, channels * n)?;
    for (at, to) in [dbias, dskip].into_iter().enumerate() {
        if to != 0 {
            let from = own.ptr as u64 + (4 * at * batch * channels) as u64;
            sum_parts(call, from, to, 1, batch, channels)?;
        }
    }
    Ok(())
}

/// Floats of shared memory that a chunk takes.
fn chunk_floats(chunk: usize, width: usize, n: usize) -> usize {
    2 * chunk * (width + n) + 3 * chunk * chunk + 4 * chunk
}

fn ssd_backward(call: &Call) -> Result<()> {
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
    let (dy, dstate) = (o.output("dy", x.shape())?, o.output("dstate", &state_shape)?);
    let (dx, da) = (o.output("dx", x.shape())?, o.output("da", a.shape())?);
    let (db, dc) = (o.output("dB", b.shape())?, o.output("dC", b.shape())?);
    let mut when = |given: u64, name: &str, shape: &[usize]| {
        if given == 0 { Ok(0) } else { o.output(name, shape) }
    };
    let scalars = [when(rate, "dA", &[heads])?, when(bias, "dbias", &[heads])?, when(skip, "dD", &[heads])?];
    let dinitial = when(state, "the initial state's gradient", &state_shape)?;
    o.end()?;
    if batch * heads * width * n == 0 {
        return Ok(());
    }
    let fits = |&chunk: &usize| chunk_floats(chunk, width, n) <= 12_000;
    let Some(chunk) = [32, 16, 8, 4].into_iter().find(fits) else {
        crate::fail!("heads of {width} with states of {n} do not fit a block's shared memory")
    };
    let chunks = length.div_ceil(chunk);
    let units = batch * heads;
    let starts = call.scratch(4 * units * chunks.max(1) * width * n)?;
    let slope = call.scratch(4 * units * width * n)?;
    let per_head = 4 * (batch * length * heads * n).max(1);
    let (own_b, own_c) = (call.scratch(per_head)?, call.scratch(per_head)?);
    let own = call.scratch(12 * units)?;
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
        dy,
        dstate,
    ]
    .map(|p| p as i64);
    let out = [
        dx,
        da,
        own_b.ptr as u64,
        own_c.ptr as u64,
        own.ptr as u64,
        dinitial,
        starts.ptr as u64,
        slope.ptr as u64,
    ]
    .map(|p| p as i64);
    let shape = [batch, length, heads, width, groups, n, usize::from(softplus), chunk].map(|n| n as i64);
    let grid = Grid {
        blocks: (heads as u32, batch as u32, 1),
        threads: 256,
        shared: (4 * chunk_floats(chunk, width, n)) as u32,
    };
    let arguments = arguments![Words(&inputs), Words(&out), Words(&shape), call.cuda.faults()];
    call.launch("ssd_backward", "ssdBackward", grid, arguments)?;
    let (tokens, each) = (batch * length * groups, heads / groups);
    sum_parts(call, own_b.ptr as u64, db, tokens, each, n)?;
    sum_parts(call, own_c.ptr as u64, dc, tokens, each, n)?;
    for (i, to) in scalars.into_iter().enumerate() {
        if to != 0 {
            let arguments = arguments![own.ptr, to, batch, heads, 3usize, i];
            call.launch("train", "sumColumn", Grid::over(heads), arguments)?;
        }
    }
    Ok(())
}
