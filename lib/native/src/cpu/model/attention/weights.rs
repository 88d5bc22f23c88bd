//! The matrices of causal attention, materialised: what MOHAWK's first stage matches.

use super::backward::{Heads, Workspace, weigh};
use super::documents;
use crate::cpu::Call;
use crate::cpu::mamba::operands::Floats;
use crate::cpu::model::rows::{Span, dims, expect_shape};
use crate::ensure;
use crate::error::Result;

/// Queries that share one pass over the keys.
const QUERIES: usize = 64;

/// `[q [b, l, h, d], k [b, l, hKv, d], (resets i32 [b, l]), y [b, h, l, l]]`, attributes
/// `[scale, hasResets]`: y = softmax(scale * q k) over the positions that `causalAttention` sees, 0
/// elsewhere.
pub fn attention_weights(call: &Call) -> Result<()> {
    let (scale, has_resets) = (call.attr(0)? as f32, call.attr(1)? != 0.0);
    let want = 3 + usize::from(has_resets);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (q, k, y) = (&call.tensors[0], &call.tensors[1], &call.tensors[want - 1]);
    let [batch, length, heads, d] = dims("q", q)?;
    let [_, _, kv_heads, _] = dims("k", k)?;
    expect_shape("k", k, &[batch, length, kv_heads, d])?;
    expect_shape("y", y, &[batch, heads, length, length])?;
    ensure!(
        kv_heads > 0 && heads % kv_heads == 0,
        "{heads} query heads cannot share {kv_heads} key-value heads evenly"
    );
    let spans = vec![Span { start: 0, len: length }; batch];
    let since = documents(has_resets.then(|| &call.tensors[2]), &spans, length)?;
    let shape = Heads { length, capacity: length, heads, kv_heads, d, scale, isa: call.cpu.isa };
    let (q, k, y) = (Floats::of(q)?, Floats::of(k)?, Floats::of(y)?);
    call.cpu.threads.run(batch * heads, |task| {
        let (row, head) = (task / heads, task % heads);
        Workspace::with(|w| unsafe {
            w.keys(&shape, k.at(shape.key(row, head)), length);
            for from in (0..length).step_by(QUERIES) {
                let n = QUERIES.min(length - from);
                let first = weigh(w, &shape, q.at(shape.query(row, from, head)), n, (row, from, 0), &since);
                for t in 0..n {
                    let to = y.slice_mut((task * length + from + t) * length, length);
                    to.fill(0.0);
                    let seen = first..from + t + 1;
                    to[seen.clone()].copy_from_slice(&w.weights(t)[seen]);
                }
            }
        });
    });
    Ok(())
}
