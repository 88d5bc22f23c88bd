//! Causal attention over a cache: tiles for many tokens, else parts of the context.

use super::flash::{Flash, Sizes};
use crate::cpu::model::attention::cache_storage;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run, Scratch, address};
use crate::error::Result;
use crate::tensor::Storage;
use crate::{arguments, ensure};

pub const OPS: &[(&str, Run)] = &[("causalAttention", causal_attention)];

/// Blocks that keep a device busy.
const BLOCKS_PER_MULTIPROCESSOR: usize = 8;
/// Positions that are worth a part of their own.
const PART: usize = 64;

/// Of every token the first position that it sees.
pub fn documents<'a, 'b>(
    call: &'a Call<'b>,
    resets: u64,
    starts: u64,
    [batch, length]: [usize; 2],
) -> Result<Scratch<'a, 'b>> {
    let since = call.scratch(4 * batch * length)?;
    let arguments = arguments![resets, starts, since.ptr, batch, length];
    call.launch("attention", "documents", Grid::over(32 * batch), arguments)?;
    Ok(since)
}

/// As the CPU's: `[q, k, v, starts, lens, (resets), y]`, attributes `[scale, hasResets?]`.
fn causal_attention(call: &Call) -> Result<()> {
    let has_resets = call.attrs.get(1).is_some_and(|&r| r != 0.0);
    let want = 6 + usize::from(has_resets);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let [q, k, v, starts, lens] = call.tensors.first_chunk().expect("counted above");
    let y = &call.tensors[want - 1];
    let [batch, length, heads, d] = dims("q", q)?;
    let [_, capacity, kv_heads, _] = dims("k", k)?;
    expect_shape("k", k, &[batch, capacity, kv_heads, d])?;
    expect_shape("v", v, k.shape())?;
    expect_shape("y", y, q.shape())?;
    expect_shape("starts", starts, &[batch])?;
    expect_shape("lens", lens, &[batch])?;
    ensure!(
        kv_heads > 0 && heads % kv_heads == 0,
        "{heads} query heads cannot share {kv_heads} key-value heads evenly"
    );
    let scale = call.attr(0)?;
    ensure!(scale.is_finite(), "scale should be a finite number, got {scale}");
    let float = |name: &str, t| address(name, t, Storage::F32);
    let storage = cache_storage(k, v)?;
    let (q, k, v) = (float("q", q)?, address("k", k, storage)?, address("v", v, storage)?);
    let attend = if storage == Storage::BF16 { "attend_bf16" } else { "attend" };
    let to = float("y", y)?;
    let (start, len) = (address("starts", starts, Storage::I32)?, address("lens", lens, Storage::I32)?);
    let tokens = batch * length;
    if y.is_empty() {
        return Ok(());
    }
    let faults = call.cuda.faults();
    let since = if has_resets {
        let resets = &call.tensors[5];
        expect_shape("resets", resets, &[batch, length])?;
        Some(documents(call, address("resets", resets, Storage::I32)?, start, [batch, length])?)
    } else {
        None
    };
    let since = since.as_ref().map_or(0, |s| s.ptr as u64);
    let scale = scale as f32;
    let sizes = Sizes { batch, length, heads, kv_heads, capacity, d };
    let flash = Flash { sizes, scale, q, k, v, starts: start, lens: len, since };
    if storage == Storage::F32 && flash.forward_fits(call) {
        return flash.forward(call, to);
    }
    let shape = |splits: usize| {
        let mut words = [length, heads, kv_heads, capacity, d, splits].map(|n| n as i64).to_vec();
        words.push(i64::from(scale.to_bits()));
        words
    };
    let lanes = match d {
        32 | 64 | 128 | 256 => d / 8,
        _ => {
            let grid = Grid { blocks: (1, heads as u32, tokens as u32), threads: 256, shared: 0 };
            let arguments = arguments![q, k, v, start, len, since, to, Words(&shape(1)), faults];
            return call.launch("attention", &format!("{attend}_any"), grid, arguments);
        }
    };
    let per_kv = heads / kv_heads;
    let group = if per_kv > 4 && d > 128 { 2 } else { per_kv.min(4) };
    let units = kv_heads * per_kv.div_ceil(group);
    // Contexts are known on the device only; capacity bounds them.
    let wanted = BLOCKS_PER_MULTIPROCESSOR * call.cuda.properties.multiprocessors;
    let splits = wanted.div_ceil(units * tokens).min(capacity.div_ceil(PART)).clamp(1, 64);
    let parts = if splits > 1 { Some(call.scratch(4 * tokens * heads * splits * (d + 2))?) } else { None };
    let at = parts.as_ref().map_or(0, |p| p.ptr as u64);
    let grid = Grid { blocks: (splits as u32, units as u32, tokens as u32), threads: 128, shared: 0 };
    ensure!(tokens <= 65_535, "{tokens} tokens at a time are more than attention takes: 65535");
    let arguments = arguments![q, k, v, start, len, since, to, at, Words(&shape(splits)), faults];
    call.launch("attention", &format!("{attend}_{lanes}_{group}"), grid, arguments)?;
    if splits > 1 {
        let queries = tokens * heads;
        let arguments = arguments![at, to, queries, d, splits];
        call.launch("attention", "gather_parts", Grid::over(queries * d), arguments)?;
    }
    Ok(())
}
