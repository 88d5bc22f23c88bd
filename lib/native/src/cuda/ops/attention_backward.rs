//! The derivative of causal attention.

use super::attention::documents;
use super::flash::{Flash, Sizes};
use super::mamba::operands;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, address};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[("causalAttentionBackward", causal_attention_backward)];

fn floats(name: &str, t: &Tensor) -> Result<u64> {
    address(name, t, Storage::F32)
}

/// As the CPU's: `[q, k, v, starts, lens, (resets), dy, dq, dk, dv]`, attributes `[hasResets, scale]`.
fn causal_attention_backward(call: &Call) -> Result<()> {
    let mut o = operands(call);
    let (q, k, v) = (o.required()?, o.required()?, o.required()?);
    let (starts, lens) = (o.required()?, o.required()?);
    let [batch, length, heads, d] = dims("q", q)?;
    let [_, capacity, kv_heads, _] = dims("k", k)?;
    expect_shape("k", k, &[batch, capacity, kv_heads, d])?;
    expect_shape("v", v, k.shape())?;
    expect_shape("starts", starts, &[batch])?;
    expect_shape("lens", lens, &[batch])?;
    ensure!(
        kv_heads > 0 && heads % kv_heads == 0,
        "{heads} query heads cannot share {kv_heads} key-value heads evenly"
    );
    let resets = o.optional("resets", &[batch, length], Storage::I32)?;
    let scale = o.attr()? as f32;
    let (dy, dq) = (o.output("dy", q.shape())?, o.output("dq", q.shape())?);
    let (dk, dv) = (o.output("dk", k.shape())?, o.output("dv", k.shape())?);
    o.end()?;
    if q.is_empty() || k.is_empty() {
        return Ok(());
    }
    let (start, len) = (address("starts", starts, Storage::I32)?, address("lens", lens, Storage::I32)?);
    let (q_at, k_at, v_at) = (floats("q", q)?, floats("k", k)?, floats("v", v)?);
    let faults = call.cuda.faults();
    let since = match resets {
        0 => None,
        _ => Some(documents(call, resets, start, [batch, length])?),
    };
    let since = since.as_ref().map_or(0, |s| s.ptr as u64);
    let sizes = Sizes { batch, length, heads, kv_heads, capacity, d };
    let flash = Flash { sizes, scale, q: q_at, k: k_at, v: v_at, starts: start, lens: len, since };
    if flash.backward_fits(call) {
        return flash.backward(call, dy, [dq, dk, dv]);
    }
    let cells = batch * heads * length * capacity;
    let (p, ds) = (call.scratch(4 * cells)?, call.scratch(4 * cells)?);
    let shape = [batch, length, heads, kv_heads, capacity, d].map(|n| n as i64);
    let grid =
        Grid { blocks: (length as u32, heads as u32, batch as u32), threads: 256, shared: (8 * d) as u32 };
    let arguments =
        arguments![q_at, k_at, v_at, start, len, since, dy, p.ptr, ds.ptr, Words(&shape), scale, faults];
    call.launch("attention_backward", "attention_scores", grid, arguments)?;
    let arguments = arguments![k_at, start, len, since, ds.ptr, dq, Words(&shape), faults];
    call.launch("attention_backward", "attention_queries", Grid::over(q.len()), arguments)?;
    let arguments = arguments![q_at, start, len, since, dy, p.ptr, ds.ptr, dk, dv, Words(&shape), faults];
    call.launch("attention_backward", "attention_keys", Grid::over(k.len()), arguments)
}
