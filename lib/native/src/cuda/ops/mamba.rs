//! The short convolution and Mamba's recurrence.

use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Arguments, Grid, Words};
use crate::cuda::{Call, Run, Scratch, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[("causalConv1d", causal_conv1d), ("selectiveScan", selective_scan)];

/// Tensors in order; attribute i says whether the i-th optional one is there.
pub struct Operands<'a, 'b> {
    call: &'a Call<'b>,
    tensor: usize,
    flag: usize,
}

impl<'a> Operands<'a, '_> {
    pub fn required(&mut self) -> Result<&'a Tensor> {
        let tensors = self.call.tensors;
        ensure!(self.tensor < tensors.len(), "more than the {} tensors given were expected", tensors.len());
        self.tensor += 1;
        Ok(&tensors[self.tensor - 1])
    }

    /// The address of an optional tensor of this shape; 0 where it is not there.
    pub fn optional(&mut self, name: &str, shape: &[usize], storage: Storage) -> Result<u64> {
        if self.attr()? == 0.0 {
            return Ok(0);
        }
        let t = self.required()?;
        expect_shape(name, t, shape)?;
        address(name, t, storage)
    }

    pub fn attr(&mut self) -> Result<f64> {
        self.flag += 1;
        self.call.attr(self.flag - 1)
    }

    /// The output of this shape.
    pub fn output(&mut self, name: &str, shape: &[usize]) -> Result<u64> {
        let t = self.required()?;
        expect_shape(name, t, shape)?;
        address(name, t, Storage::F32)
    }

    pub fn end(self) -> Result<()> {
        let given = self.call.tensors.len();
        ensure!(self.tensor == given, "expected {} tensors, got {given}", self.tensor);
        Ok(())
    }
}

pub fn operands<'a, 'b>(call: &'a Call<'b>) -> Operands<'a, 'b> {
    Operands { call, tensor: 0, flag: 0 }
}

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

fn causal_conv1d(call: &Call) -> Result<()> {
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
    let y = o.output("y", x.shape())?;
    let out = o.output("the new state", &state_shape)?;
    o.end()?;
    if x.is_empty() {
        return Ok(());
    }
    let shape = [batch, length, channels, width, usize::from(silu)].map(|n| n as i64);
    let (x_at, faults) = (floats("x", x)?, call.cuda.faults());
    let arguments =
        arguments![x_at, floats("weight", weight)?, bias, state, lens, resets, y, Words(&shape), faults];
    call.launch("scan", "conv", Grid::over(x.len()), arguments)?;
    let arguments = arguments![x_at, state, lens, resets, out, Words(&shape)];
    call.launch("scan", "conv_state", Grid::over(batch * channels), arguments)
}

/// The largest tile of tokens of at most `most` whose floats fit 48 KiB of shared memory.
pub fn tile(most: usize, floats_a_token: usize) -> usize {
    (12 * 1024 / floats_a_token.max(1)).clamp(1, most)
}

/// The fewest tokens of a chunk: a shorter one is not worth reading and writing its state.
const LEAST_CHUNK: usize = 64;

/// How a sequence is cut for a device that its rows and channels alone would leave idle.
struct Chunks {
    tokens: usize,
    count: usize,
}

impl Chunks {
    /// Cuts `length` tokens of `blocks` blocks so that there are about `enough` blocks; one chunk where
    /// there are half of them already, since cutting reads the inputs twice.
    fn of(length: usize, tile: usize, blocks: usize, enough: usize) -> Chunks {
        let want = (enough / blocks.max(1)).min(length / LEAST_CHUNK);
        if want < 2 || blocks * 2 > enough {
            return Chunks { tokens: length, count: 1 };
        }
        let tokens = length.div_ceil(want).next_multiple_of(tile);
        Chunks { tokens, count: length.div_ceil(tokens) }
    }

    /// Room for a state and a total of every chunk; none for a single one.
    fn rooms<'c, 'b>(
        &self,
        call: &'c Call<'b>,
        state: usize,
        totals: usize,
    ) -> Result<Option<Rooms<'c, 'b>>> {
        if self.count == 1 {
            return Ok(None);
        }
        Ok(Some((call.scratch(4 * state * self.count)?, call.scratch(4 * totals * self.count)?)))
    }
}

type Rooms<'c, 'b> = (Scratch<'c, 'b>, Scratch<'c, 'b>);

fn addresses(rooms: &Option<Rooms>) -> (u64, u64) {
    rooms.as_ref().map_or((0, 0), |(starts, totals)| (starts.ptr as u64, totals.ptr as u64))
}

fn selective_scan(call: &Call) -> Result<()> {
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
    let y = o.output("y", u.shape())?;
    let out = o.output("the new state", &state_shape)?;
    o.end()?;
    ensure!(n <= 128, "the state holds {n} numbers a channel; this device takes up to 128");
    if batch * channels * n == 0 {
        return Ok(());
    }
    let lanes = n.div_ceil(4).next_power_of_two();
    let per_block = 128 / lanes;
    let size = channels / groups;
    let span = ((per_block - 1).div_ceil(size) + 1).min(groups);
    let floats_a_token = 2 * per_block + 2 * span * 4 * lanes;
    let tile = tile(32, floats_a_token);
    let blocks = channels.div_ceil(per_block);
    let chunks = Chunks::of(length, tile, blocks * batch, 2048);
    let shape =
        [batch, length, channels, groups, n, usize::from(softplus), tile, span, chunks.tokens, chunks.count]
            .map(|n| n as i64);
    let rooms = chunks.rooms(call, batch * channels * n, batch * channels)?;
    let (starts, totals) = addresses(&rooms);
    let rate = floats("A", a)?;
    let arguments = || -> Result<Arguments> {
        Ok(arguments![
            floats("u", u)?,
            floats("delta", delta)?,
            rate,
            floats("B", b)?,
            floats("C", c)?,
            skip,
            z,
            bias,
            state,
            lens,
            resets,
            starts,
            totals,
            y,
            out,
            Words(&shape),
            call.cuda.faults()
        ])
    };
    let grid = |parts: usize| Grid {
        blocks: (blocks as u32, batch as u32, parts as u32),
        threads: 128,
        shared: (tile * floats_a_token * 4) as u32,
    };
    if chunks.count > 1 {
        call.launch("scan", &format!("selective_ends_{lanes}"), grid(chunks.count - 1), arguments()?)?;
        let all = Grid::over(batch * channels * n);
        call.launch("scan", "selective_starts", all, arguments![rate, state, totals, starts, Words(&shape)])?;
    }
    call.launch("scan", &format!("selective_{lanes}"), grid(chunks.count), arguments()?)
}
