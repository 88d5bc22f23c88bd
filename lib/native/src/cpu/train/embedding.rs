//! The derivative of an embedding: rows added to the table's gradient.

use crate::cpu::Call;
use crate::cpu::mamba::operands::Floats;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::ensure;
use crate::error::Result;

/// Columns that a thread takes together: whole cache lines.
const COLUMNS: usize = 16;

/// `[ids i32 [n], dy [n, d], dtable [v, d]]`, attribute `[accumulate]`: dtable_id += dy_i in order, on
/// zeros unless accumulate is 1.
pub fn embedding_backward(call: &Call) -> Result<()> {
    let [ids, dy, dtable] = call.args()?;
    let [v, d] = dims("dtable", dtable)?;
    let [n] = dims("ids", ids)?;
    expect_shape("dy", dy, &[n, d])?;
    let accumulate = call.attr(0)? != 0.0;
    let ids = ids.i32()?;
    for (i, &id) in ids.iter().enumerate() {
        ensure!(
            usize::try_from(id).is_ok_and(|id| id < v),
            "id {id} at position {i} is out of range: the table has {v} rows"
        );
    }
    let (dy, table) = (Floats::of(dy)?, Floats::of(dtable)?);
    let threads = &call.cpu.threads;
    if !accumulate {
        threads.ranges(v * d, 1 << 16, |r| unsafe { table.slice_mut(r.start, r.len()).fill(0.0) });
    }
    threads.ranges(d.div_ceil(COLUMNS), 1, |stripes| {
        let from = stripes.start * COLUMNS;
        let count = (stripes.end * COLUMNS).min(d) - from;
        for (i, &id) in ids.iter().enumerate() {
            let (to, dy) =
                unsafe { (table.slice_mut(id as usize * d + from, count), dy.slice(i * d + from, count)) };
            to.iter_mut().zip(dy).for_each(|(to, dy)| *to += dy);
        }
    });
    Ok(())
}
