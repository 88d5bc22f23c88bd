//! The derivative of Mamba-2's recurrence; operands as the CPU's kernel has them.

use super::mamba::operands;
use super::ssd::{CHUNK, THREADS, kind};
use super::train::sum_parts;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[("ssdBackward", ssd_backward)];

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
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
    let [drate, dbias, dskip] =
        [when(rate, "dA", &[heads])?, when(bias, "dbias", &[heads])?, when(skip, "dD", &[heads])?];
    let dinitial = when(state, "the initial state's gradient", &state_shape)?;
    o.end()?;
    if batch * heads * width * n == 0 {
        return Ok(());
    }
    let (chunks, units) = (length.div_ceil(CHUNK), batch * heads);
    let states = 4 * units * chunks.max(1) * width * n;
    let (starts, ends) = (call.scratch(states)?, call.scratch(states)?);
    let totals = call.scratch(4 * units * chunks.max(1))?;
    let scalars = call.scratch(12 * units * chunks.max(1))?;
    // Of every head, where heads share groups.
    let per_head = if groups == heads { 0 } else { 4 * batch * length * heads * n };
    let own = if per_head > 0 { Some((call.scratch(per_head)?, call.scratch(per_head)?)) } else { None };
    let (to_b, to_c) = own.as_ref().map_or((db, dc), |(b, c)| (b.ptr as u64, c.ptr as u64));
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
        to_b,
        to_c,
        scalars.ptr as u64,
        dinitial,
        starts.ptr as u64,
        ends.ptr as u64,
        totals.ptr as u64,
    ]
    .map(|p| p as i64);
    let kind = kind(width, n, &[&inputs, &out]);
    let shape = [batch, length, heads, width, groups, n, usize::from(softplus), chunks].map(|n| n as i64);
    let launch = |kernel: &str, blocks: (usize, usize, usize), threads: u32| {
        let blocks = (blocks.0 as u32, blocks.1 as u32, blocks.2 as u32);
        let arguments = arguments![Words(&inputs), Words(&out), Words(&shape), call.cuda.faults()];
        call.launch("ssd_backward", kernel, Grid { blocks, threads, shared: 0 }, arguments)
    };
    let tiles = width.div_ceil(CHUNK) * n.div_ceil(CHUNK);
    if chunks > 0 {
        launch(&format!("ssdChunks{kind}"), (tiles * chunks, heads, batch), THREADS)?;
    }
    let each = Grid::over(units * width * n);
    launch("ssdStates", (each.blocks.0 as usize, 2, 1), each.threads)?;
    if chunks > 0 {
        launch(&format!("ssdBackward{kind}"), (chunks, heads, batch), THREADS)?;
    }
    let arguments = arguments![scalars.ptr, drate, dbias, dskip, batch * chunks];
    let grid = Grid { blocks: (heads as u32, 3, 1), threads: 256, shared: 0 };
    call.launch("ssd_backward", "ssdScalars", grid, arguments)?;
    if own.is_some() {
        let (tokens, each) = (batch * length * groups, heads / groups);
        sum_parts(call, to_b, db, tokens, each, n)?;
        sum_parts(call, to_c, dc, tokens, each, n)?;
    }
    Ok(())
}
