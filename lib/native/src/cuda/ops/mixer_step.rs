//! One token through a whole mixer, in one launch.

use crate::cpu::mamba::mixer_step::{SelectiveStepOperands, SsdStep, SsdStepOperands};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] =
    &[("ssdMixerStep", ssd_mixer_step), ("selectiveMixerStep", selective_mixer_step)];

const THREADS: u32 = 256;

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

fn lens(t: Option<&Tensor>) -> Result<u64> {
    t.map_or(Ok(0), |t| address("lens", t, Storage::I32))
}

/// Lanes that share a row of `n` numbers, each a vector of 16 bytes at a time.
fn lanes(state: &Tensor, n: usize) -> usize {
    let (_, bytes) = state.storage.block();
    (n * bytes / 16).next_power_of_two().min(32)
}

fn ssd_mixer_step(call: &Call) -> Result<()> {
    let o = SsdStepOperands::read(call.tensors, call.attrs)?;
    let SsdStep { batch, heads, width, groups, n } = o.shape;
    if o.y.is_empty() {
        return Ok(());
    }
    let shared = 4 * (2 * n + heads / groups * width);
    ensure!(
        shared <= 48 << 10,
        "the {} heads of a group take {shared} bytes, more than 48 KiB",
        heads / groups
    );
    let shape = [heads, width, groups, n, o.windows.taps, lanes(o.state, n)].map(|n| n as i64);
    let arguments = arguments![
        floats("xBC", o.x_bc)?,
        floats("z", o.z)?,
        floats("a", o.a)?,
        floats("the convolution's weight", o.windows.weight)?,
        floats("the convolution's bias", o.windows.bias)?,
        floats("D", o.skip)?,
        floats("the bias of z", o.z_bias)?,
        floats("the convolution's state", o.windows.window)?,
        o.state.ptr(),
        lens(o.lens)?,
        floats("y", o.y)?,
        Words(&shape),
        call.cuda.faults()
    ];
    let blocks = (groups as u32, batch as u32, 1);
    let grid = Grid { blocks, threads: THREADS, shared: shared as u32 };
    call.launch("mixer_step", &format!("ssdStep_{}", o.state.storage), grid, arguments)
}

fn selective_mixer_step(call: &Call) -> Result<()> {
    let o = SelectiveStepOperands::read(call.tensors, call.attrs)?;
    if o.y.is_empty() {
        return Ok(());
    }
    let per_channel = lanes(o.state, o.n);
    let shape = [o.channels, o.narrow, o.n, o.windows.taps, per_channel].map(|n| n as i64);
    let arguments = arguments![
        floats("x", o.x)?,
        floats("z", o.z)?,
        floats("B", o.b)?,
        floats("C", o.c)?,
        floats("dt", o.dt)?,
        floats("the convolution's weight", o.windows.weight)?,
        floats("the convolution's bias", o.windows.bias)?,
        floats("A_log", o.a_log)?,
        floats("D", o.skip)?,
        floats("the bias of dt", o.dt_bias)?,
        floats("the convolution's state", o.windows.window)?,
        o.state.ptr(),
        lens(o.lens)?,
        floats("y", o.y)?,
        Words(&shape),
        call.cuda.faults()
    ];
    let blocks = (o.channels.div_ceil(THREADS as usize / per_channel) as u32, o.batch as u32, 1);
    let grid = Grid { blocks, threads: THREADS, shared: 0 };
    call.launch("mixer_step", &format!("selectiveStep_{}", o.state.storage), grid, arguments)
}
