//! Rows of a stored table as float32: by id, or all of them.

use super::formats::decode;
use super::weight::{Out, Weight};
use crate::cpu::Call;
use crate::ensure;
use crate::error::Result;

/// `[table [v, d], ids i32 [..], y f32 [.., d]]`: y_i = table[ids_i].
pub fn embedding(call: &Call) -> Result<()> {
    let [table, ids, y] = call.args()?;
    let table = Weight::of("table", table)?;
    let ids = ids.i32()?;
    let (v, d) = (table.rows, table.cols);
    ensure!(
        y.len() == ids.len() * d && (y.is_empty() || y.dim(-1) == d),
        "y must hold {} rows of {d}, got {:?}",
        ids.len(),
        y.shape()
    );
    for (i, &id) in ids.iter().enumerate() {
        ensure!(
            usize::try_from(id).is_ok_and(|id| id < v),
            "id {id} at position {i} is out of range: the table has {v} rows"
        );
    }
    let y = Out { ptr: y.f32_mut()?.as_mut_ptr(), ld: d };
    call.cpu.threads.ranges(ids.len(), 16, |range| {
        for i in range {
            unsafe { decode(table.storage, table.row(ids[i] as usize), 0, y.run(i, 0, d)) };
        }
    });
    Ok(())
}

/// `[w [.., k] of any storage, y f32 of the same shape]`: y = w.
pub fn dequantize(call: &Call) -> Result<()> {
    let [w, y] = call.args()?;
    ensure!(w.shape() == y.shape(), "w {:?} and y {:?} must have one shape", w.shape(), y.shape());
    let cols = w.shape().last().copied().unwrap_or(1);
    let rows = w.len().checked_div(cols).unwrap_or(0);
    ensure!(
        !matches!(w.storage, crate::tensor::Storage::I32 | crate::tensor::Storage::U8),
        "w is {}, which is not a weight's storage",
        w.storage
    );
    let w = Weight::new(w.ptr(), w.storage, rows, cols);
    let y = Out { ptr: y.f32_mut()?.as_mut_ptr(), ld: cols };
    call.cpu.threads.ranges(rows, (1 << 14) / cols.max(1), |range| {
        for i in range {
            unsafe { decode(w.storage, w.row(i), 0, y.run(i, 0, cols)) };
        }
    });
    Ok(())
}
