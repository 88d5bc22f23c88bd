//! Derivatives of the short convolution; operands as the CPU's kernels have them.

use super::mamba::operands;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[("causalConv1dBackward", causal_conv1d_backward)];

/// Tokens of a row that a block of the convolution's kernel takes: `PIECE` times `PIECES`.
const CONV_TOKENS: usize = 256;

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
    let rows_of_blocks = length.div_ceil(CONV_TOKENS).max(1);
    let pieces = batch * rows_of_blocks;
    let parts = call.scratch(4 * (pieces * (width + 1) * channels).max(1))?;
    if batch * channels > 0 {
        let shape = [batch, length, channels, width, usize::from(silu)].map(|n| n as i64);
        let inputs = [floats("x", x)?, floats("weight", weight)?, bias, state, lens, resets, dy, dstate];
        let inputs = inputs.map(|p| p as i64);
        let blocks = (channels.div_ceil(32) as u32, rows_of_blocks as u32, batch as u32);
        let grid = Grid { blocks, threads: 256, shared: 0 };
        let arguments =
            arguments![Words(&inputs), dx, dinitial, parts.ptr, Words(&shape), call.cuda.faults()];
        call.launch("conv_backward", "conv_back", grid, arguments)?;
    }
    let arguments = arguments![parts.ptr, dweight, dbias, pieces, channels, width];
    call.launch("conv_backward", "conv_sums", Grid::over(channels * (width + 1)), arguments)
}
