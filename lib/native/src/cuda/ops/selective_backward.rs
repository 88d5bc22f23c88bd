//! The derivative of the selective scan; operands as the CPU's kernel has them.

use super::mamba::operands;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[("selectiveScanBackward", selective_scan_backward)];

/// Tokens whose states a block holds, as `TILE` of the kernels.
const TILE: usize = 8;
/// Warps that fill a large device a few times over.
const ENOUGH: usize = 12_000;
/// Floats of shared memory that a block may take.
const SHARED: usize = 12 * 1024;

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

/// How channels lie in blocks and tokens in chunks.
struct Plan {
    /// Threads that hold a channel's state.
    lanes: usize,
    warps: usize,
    /// Blocks of a group.
    parts: usize,
    /// Tokens of a chunk.
    chunk: usize,
    chunks: usize,
}

impl Plan {
    fn of(batch: usize, length: usize, channels: usize, groups: usize, n: usize) -> Plan {
        let lanes = n.div_ceil(4).next_power_of_two();
        let per_warp = 64 / lanes;
        let units = (channels / groups).div_ceil(per_warp);
        let mut plan = Plan { lanes, warps: units.min(4), parts: 0, chunk: 0, chunks: 0 };
        while plan.warps > 1 && plan.back_floats() > SHARED {
            plan.warps -= 1;
        }
        plan.parts = units.div_ceil(plan.warps);
        let enough = |chunk: &usize| batch * groups * units * length.div_ceil(*chunk) >= ENOUGH;
        plan.chunk = [256, 128, 64].into_iter().find(enough).unwrap_or(32);
        plan.chunks = length.div_ceil(plan.chunk).max(1);
        plan
    }

    /// B, C and the starts of documents; `rows` numbers of every channel.
    fn tile_floats(&self, rows: usize) -> usize {
        TILE * (8 * self.lanes + 1 + self.warps * rows * 64 / self.lanes)
    }

    /// A tile and the states before its tokens.
    fn back_floats(&self) -> usize {
        self.warps * TILE * 256 + self.tile_floats(5)
    }

    fn grid(&self, blocks: (usize, usize, usize), floats: usize) -> Grid {
        let (x, y, z) = blocks;
        let blocks = (x as u32, y as u32, z as u32);
        Grid { blocks, threads: 32 * self.warps as u32, shared: 4 * floats as u32 }
    }
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

    let plan = Plan::of(batch, length, channels, groups, n);
    let (blocks, units) = (groups * plan.parts, batch * plan.chunks);
    let tiles = units * plan.chunk / TILE;
    // Of every warp: two float4 a thread, a number a channel.
    let warps = blocks * plan.warps;
    let states = call.scratch(4 * 256 * warps * tiles)?;
    let gradients = call.scratch(4 * 256 * warps * units)?;
    let steps = call.scratch(4 * 64 / plan.lanes * warps * tiles)?;
    let own_a = call.scratch(4 * units * channels * n)?;
    let own = call.scratch(8 * units * channels)?;
    // A group's only block writes the sums themselves.
    let partial = if plan.parts > 1 { plan.parts * b.len() } else { 0 };
    let own_b = call.scratch((8 * partial).max(1))?;
    let (own_bias, own_skip) = (own.ptr as u64, own.ptr as u64 + 4 * (units * channels) as u64);
    let (to_b, to_c) =
        if partial == 0 { (db, dc) } else { (own_b.ptr as u64, own_b.ptr as u64 + 4 * partial as u64) };

    let inputs = [
        floats("u", u)?,
        floats("delta", delta)?,
        floats("A", a)?,
        floats("B", b)?,
        floats("C", c)?,
        skip,
        z,
        bias,
        state,
        lens,
        resets,
        dy,
        dstate,
    ]
    .map(|p| p as i64);
    let between = [states.ptr, gradients.ptr, steps.ptr].map(|p| p as i64);
    let out = [du, ddelta, dz, to_b, to_c, own_a.ptr as u64, own_bias, own_skip].map(|p| p as i64);
    let shape =
        [batch, length, channels, groups, n, usize::from(softplus), plan.parts, plan.chunk, plan.chunks]
            .map(|n| n as i64);
    let (inputs, between, out, shape) = (Words(&inputs), Words(&between), Words(&out), Words(&shape));
    let faults = call.cuda.faults();
    let whole = (blocks, batch, plan.chunks);
    let launch = |stage: &str, grid: Grid, arguments| {
        let kernel = format!("selective_{stage}_{}", plan.lanes);
        call.launch("selective_backward", &kernel, grid, arguments)
    };
    let grid = plan.grid(whole, plan.tile_floats(3));
    launch("summaries", grid, arguments![inputs, between, shape, faults])?;
    let grid = plan.grid((blocks, batch, 4), 0);
    launch("between", grid, arguments![inputs, between, dinitial, shape, faults])?;
    let grid = plan.grid(whole, plan.back_floats());
    launch("back", grid, arguments![inputs, between, out, shape, faults])?;

    let mut sums: Vec<[u64; 4]> = vec![[own_a.ptr as u64, da, units as u64, a.len() as u64]];
    for (from, to) in [(own_bias, dbias), (own_skip, dskip)] {
        if to != 0 {
            sums.push([from, to, units as u64, channels as u64]);
        }
    }
    if partial > 0 {
        let (count, len) = (plan.parts as u64, b.len() as u64);
        sums.extend([[to_b, db, count, len], [to_c, dc, count, len]]);
    }
    let most = sums.iter().map(|sum| sum[3]).max().unwrap_or(1) as usize;
    let mut words = [0i64; 20];
    for (word, &value) in words.iter_mut().zip(sums.as_flattened()) {
        *word = value as i64;
    }
    let grid = Grid { blocks: (Grid::over(most).blocks.0, sums.len() as u32, 1), threads: 256, shared: 0 };
    call.launch("selective_backward", "selective_sums", grid, arguments![Words(&words)])
}
