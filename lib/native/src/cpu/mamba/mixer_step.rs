//! One token of every row through a whole mixer: the convolution, the recurrence, the skip and the gate,
//! with both states updated in place. Here the kernels one after the other, on working memory; a device
//! may do it in one pass.

use super::{conv, selective, ssd};
use crate::cpu::Call;
use crate::cpu::linear::convert_values;
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::math::{exp, silu};
use crate::cpu::model::rows::{dims, expect_shape};
use crate::ensure;
use crate::error::Result;
use crate::tensor::{Storage, Tensor};

/// Numbers of a state that a vector or a lane takes at a time: the steps take whole ones.
pub const STATE_UNIT: usize = 16;

/// What both mixers' steps begin with.
pub struct Windows<'a> {
    pub weight: &'a Tensor,
    pub bias: &'a Tensor,
    pub window: &'a Tensor,
    pub taps: usize,
}

impl<'a> Windows<'a> {
    /// Reads `weight [c, taps], bias [c], window [b, taps - 1, c]`.
    pub fn read(weight: &'a Tensor, bias: &'a Tensor, window: &'a Tensor, of: [usize; 2]) -> Result<Self> {
        let ([_, taps], [batch, channels]) = (dims("the convolution's weight", weight)?, of);
        expect_shape("the convolution's weight", weight, &[channels, taps])?;
        ensure!((2..=4).contains(&taps), "the convolution's width should be 2 to 4, got {taps}");
        expect_shape("the convolution's bias", bias, &[channels])?;
        expect_shape("the convolution's state", window, &[batch, taps - 1, channels])?;
        Ok(Windows { weight, bias, window, taps })
    }
}

/// Checks a recurrent state, which is F32 or BF16.
pub fn expect_state(state: &Tensor, shape: &[usize]) -> Result<()> {
    expect_shape("the state", state, shape)?;
    ensure!(
        matches!(state.storage, Storage::F32 | Storage::BF16),
        "the state should be F32 or BF16, got {}",
        state.storage
    );
    let n = state.dim(-1);
    ensure!(n.is_multiple_of(STATE_UNIT), "a state should have a multiple of {STATE_UNIT} numbers, got {n}");
    Ok(())
}

/// Shapes of a step of Llamba's mixer.
pub struct SsdStep {
    pub batch: usize,
    pub heads: usize,
    pub width: usize,
    pub groups: usize,
    pub n: usize,
}

/// Operands `[xBC [b, c], z [b, h p], a [b, h], weight [c, taps], bias [c], D [h], z's bias [h p],
/// window [b, taps - 1, c], state [b, h, p, n], (lens i32 [b]), y [b, h p]]`, c = h p + 2 groups n;
/// attributes `[has lens, groups]`.
pub struct SsdStepOperands<'a> {
    pub x_bc: &'a Tensor,
    pub z: &'a Tensor,
    pub a: &'a Tensor,
    pub windows: Windows<'a>,
    pub skip: &'a Tensor,
    pub z_bias: &'a Tensor,
    pub state: &'a Tensor,
    pub lens: Option<&'a Tensor>,
    pub y: &'a Tensor,
    pub shape: SsdStep,
}

impl<'a> SsdStepOperands<'a> {
    pub fn read(tensors: &'a [Tensor], attrs: &[f64]) -> Result<Self> {
        let [x_bc, z, a, weight, bias, skip, z_bias, window, state, rest @ ..] = tensors else {
            crate::fail!("expected 10 or 11 tensors, got {}", tensors.len())
        };
        let (lens, y) = last_two(rest, attrs)?;
        let groups = attrs.get(1).copied().unwrap_or(0.0) as usize;
        let ([batch, channels], [_, heads, width, n]) = (dims("xBC", x_bc)?, dims("the state", state)?);
        ensure!(groups > 0 && heads % groups == 0, "{groups} groups do not divide {heads} heads");
        let inner = heads * width;
        expect_shape("xBC", x_bc, &[batch, inner + 2 * groups * n])?;
        for (name, t) in [("z", z), ("y", y)] {
            expect_shape(name, t, &[batch, inner])?;
        }
        expect_shape("a", a, &[batch, heads])?;
        expect_shape("D", skip, &[heads])?;
        expect_shape("the bias of z", z_bias, &[inner])?;
        expect_state(state, &[batch, heads, width, n])?;
        expect_lens(lens, batch)?;
        let windows = Windows::read(weight, bias, window, [batch, channels])?;
        let shape = SsdStep { batch, heads, width, groups, n };
        Ok(SsdStepOperands { x_bc, z, a, windows, skip, z_bias, state, lens, y, shape })
    }
}

/// Operands `[x [b, narrow], z [b, d], B [b, narrow], C [b, d], dt [b, d], weight [d, taps], bias [d],
/// A_log [d, n], D [d], dt's bias [d], window [b, taps - 1, d], state [b, d, n], (lens i32 [b]), y [b, d]]`;
/// attributes `[has lens]`. Heads of n channels of x and B are repeated d / narrow times.
pub struct SelectiveStepOperands<'a> {
    pub x: &'a Tensor,
    pub z: &'a Tensor,
    pub b: &'a Tensor,
    pub c: &'a Tensor,
    pub dt: &'a Tensor,
    pub windows: Windows<'a>,
    pub a_log: &'a Tensor,
    pub skip: &'a Tensor,
    pub dt_bias: &'a Tensor,
    pub state: &'a Tensor,
    pub lens: Option<&'a Tensor>,
    pub y: &'a Tensor,
    pub batch: usize,
    pub channels: usize,
    pub narrow: usize,
    pub n: usize,
}

impl<'a> SelectiveStepOperands<'a> {
    pub fn read(tensors: &'a [Tensor], attrs: &[f64]) -> Result<Self> {
        let [x, z, b, c, dt, weight, bias, a_log, skip, dt_bias, window, state, rest @ ..] = tensors else {
            crate::fail!("expected 13 or 14 tensors, got {}", tensors.len())
        };
        let (lens, y) = last_two(rest, attrs)?;
        let ([batch, narrow], [_, channels, n]) = (dims("x", x)?, dims("the state", state)?);
        ensure!(
            narrow > 0 && channels % narrow == 0 && narrow % n == 0,
            "heads of {n} channels do not divide x of {narrow} and the {channels} channels"
        );
        expect_shape("B", b, &[batch, narrow])?;
        for (name, t) in [("z", z), ("C", c), ("dt", dt), ("y", y)] {
            expect_shape(name, t, &[batch, channels])?;
        }
        expect_shape("A_log", a_log, &[channels, n])?;
        for (name, t) in [("D", skip), ("the bias of dt", dt_bias)] {
            expect_shape(name, t, &[channels])?;
        }
        expect_state(state, &[batch, channels, n])?;
        expect_lens(lens, batch)?;
        let windows = Windows::read(weight, bias, window, [batch, channels])?;
        Ok(SelectiveStepOperands {
            x,
            z,
            b,
            c,
            dt,
            windows,
            a_log,
            skip,
            dt_bias,
            state,
            lens,
            y,
            batch,
            channels,
            narrow,
            n,
        })
    }
}

fn last_two<'a>(rest: &'a [Tensor], attrs: &[f64]) -> Result<(Option<&'a Tensor>, &'a Tensor)> {
    match (rest, attrs.first().is_some_and(|&has| has != 0.0)) {
        ([y], false) => Ok((None, y)),
        ([lens, y], true) => Ok((Some(lens), y)),
        _ => crate::fail!("{} tensors more than the lengths and the output", rest.len()),
    }
}

fn expect_lens(lens: Option<&Tensor>, batch: usize) -> Result<()> {
    lens.map_or(Ok(()), |lens| expect_shape("lens", lens, &[batch]))
}

/// A float32 tensor over working memory.
fn over(memory: &mut [f32], shape: &[usize]) -> Tensor {
    debug_assert_eq!(memory.len(), shape.iter().product::<usize>());
    unsafe { Tensor::new(memory.as_mut_ptr().cast(), Storage::F32, shape) }
}

/// The same memory under another shape.
fn shaped(t: &Tensor, shape: &[usize]) -> Tensor {
    unsafe { Tensor::new(t.ptr(), t.storage, shape) }
}

/// Runs `body` on a state in float32, which a bfloat16 one becomes for that time.
fn in_float32(call: &Call, state: &Tensor, body: impl FnOnce(&Tensor) -> Result<()>) -> Result<()> {
    if state.storage == Storage::F32 {
        return body(state);
    }
    with_scratch(state.len(), |memory| {
        let wide = over(memory, state.shape());
        convert_values(call.cpu, state, &wide)?;
        body(&wide)?;
        convert_values(call.cpu, &wide, state)
    })
}

fn convolve(
    call: &Call,
    x: &Tensor,
    windows: &Windows,
    lens: Option<&Tensor>,
    silu: bool,
    y: &Tensor,
) -> Result<()> {
    let mut tensors = vec![*x, *windows.weight, *windows.bias, *windows.window];
    tensors.extend(lens);
    tensors.extend([*y, *windows.window]);
    let attrs = [1.0, 1.0, f64::from(u8::from(lens.is_some())), 0.0, f64::from(u8::from(silu))];
    conv::causal_conv1d(&Call { cpu: call.cpu, tensors: &tensors, attrs: &attrs })
}

pub fn ssd_mixer_step(call: &Call) -> Result<()> {
    let o = SsdStepOperands::read(call.tensors, call.attrs)?;
    let SsdStep { batch, heads, width, groups, n } = o.shape;
    let (inner, keys) = (heads * width, groups * n);
    let channels = inner + 2 * keys;
    with_scratch(batch * (2 * channels), |memory| {
        let (mixed, rest) = memory.split_at_mut(batch * channels);
        let (x, rest) = rest.split_at_mut(batch * inner);
        let (b, c) = rest.split_at_mut(batch * keys);
        let whole = over(mixed, &[batch, 1, channels]);
        convolve(call, &shaped(o.x_bc, &[batch, 1, channels]), &o.windows, o.lens, false, &whole)?;
        for (row, from) in mixed.chunks_exact(channels).enumerate() {
            x[row * inner..][..inner].copy_from_slice(&from[..inner]);
            b[row * keys..][..keys].copy_from_slice(&from[inner..inner + keys]);
            c[row * keys..][..keys].copy_from_slice(&from[inner + keys..]);
        }
        let of_heads = [batch, 1, heads, width];
        let (x, y) = (over(x, &of_heads), shaped(o.y, &of_heads));
        let (b, c) = (over(b, &[batch, 1, groups, n]), over(c, &[batch, 1, groups, n]));
        in_float32(call, o.state, |state| {
            let mut tensors = vec![x, shaped(o.a, &[batch, 1, heads]), b, c, *o.skip, *state];
            tensors.extend(o.lens);
            tensors.extend([y, *state]);
            let attrs = [0.0, 0.0, 1.0, 1.0, f64::from(u8::from(o.lens.is_some())), 0.0, 0.0];
            ssd::ssd_scan(&Call { cpu: call.cpu, tensors: &tensors, attrs: &attrs })
        })
    })?;
    let (y, z, z_bias) = (o.y.f32_mut()?, o.z.f32()?, o.z_bias.f32()?);
    for (y, z) in y.chunks_exact_mut(inner).zip(z.chunks_exact(inner)) {
        for ((y, z), bias) in y.iter_mut().zip(z).zip(z_bias) {
            *y *= silu(z + bias);
        }
    }
    Ok(())
}

pub fn selective_mixer_step(call: &Call) -> Result<()> {
    let o = SelectiveStepOperands::read(call.tensors, call.attrs)?;
    let SelectiveStepOperands { batch, channels, narrow, n, .. } = o;
    let (times, groups) = (channels / narrow, channels / n);
    let repeat = |from: &Tensor, to: &mut [f32]| -> Result<()> {
        for (from, to) in from.f32()?.chunks_exact(n).zip(to.chunks_exact_mut(n * times)) {
            to.chunks_exact_mut(n).for_each(|copy| copy.copy_from_slice(from));
        }
        Ok(())
    };
    with_scratch((3 * batch + n) * channels, |memory| {
        let (x, rest) = memory.split_at_mut(batch * channels);
        let (b, rest) = rest.split_at_mut(batch * channels);
        let (u, rates) = rest.split_at_mut(batch * channels);
        repeat(o.x, x)?;
        repeat(o.b, b)?;
        for (rate, log) in rates.iter_mut().zip(o.a_log.f32()?) {
            *rate = -exp(*log);
        }
        let whole = [batch, 1, channels];
        let u = over(u, &whole);
        convolve(call, &over(x, &whole), &o.windows, o.lens, true, &u)?;
        let (b, c) = (over(b, &[batch, 1, groups, n]), shaped(o.c, &[batch, 1, groups, n]));
        let rates = over(rates, &[channels, n]);
        let (dt, z, y) = (shaped(o.dt, &whole), shaped(o.z, &whole), shaped(o.y, &whole));
        in_float32(call, o.state, |state| {
            let mut tensors = vec![u, dt, rates, b, c, *o.skip, z, *o.dt_bias, *state];
            tensors.extend(o.lens);
            tensors.extend([y, *state]);
            let attrs = [1.0, 1.0, 1.0, 1.0, f64::from(u8::from(o.lens.is_some())), 0.0, 1.0];
            selective::selective_scan(&Call { cpu: call.cpu, tensors: &tensors, attrs: &attrs })
        })
    })
}
