//! Checks that the kernels of this folder share: shapes, and where each row's tokens go.

use crate::error::Result;
use crate::tensor::Tensor;
use crate::{ensure, fail};

/// Fails unless the tensor has the shape that the others imply.
pub fn expect_shape(name: &str, tensor: &Tensor, want: &[usize]) -> Result<()> {
    ensure!(tensor.shape() == want, "{name} should have shape {want:?}, got {:?}", tensor.shape());
    Ok(())
}

/// The dimensions of a tensor that must have `N` of them.
pub fn dims<const N: usize>(name: &str, tensor: &Tensor) -> Result<[usize; N]> {
    match tensor.shape().try_into() {
        Ok(d) => Ok(d),
        Err(_) => fail!("{name} should have {N} dimensions, got shape {:?}", tensor.shape()),
    }
}

/// Where the new tokens of one row go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub start: usize,
    pub len: usize,
}

/// Reads `starts` and `lens`: every row's real tokens must fit `limit` positions, `what` says of what.
pub fn spans(
    starts: &Tensor,
    lens: &Tensor,
    batch: usize,
    length: usize,
    limit: usize,
    what: &str,
) -> Result<Vec<Span>> {
    expect_shape("starts", starts, &[batch])?;
    expect_shape("lens", lens, &[batch])?;
    let mut spans = Vec::with_capacity(batch);
    for (row, (&start, &len)) in starts.i32()?.iter().zip(lens.i32()?).enumerate() {
        ensure!(
            len >= 0 && len as usize <= length,
            "row {row} has length {len}; the batch holds {length} new tokens a row"
        );
        if len == 0 {
            spans.push(Span { start: 0, len: 0 });
            continue;
        }
        ensure!(
            start >= 0 && start as usize + len as usize <= limit,
            "row {row} holds positions {start} to {}, beyond {what} of {limit}",
            i64::from(start) + i64::from(len) - 1
        );
        spans.push(Span { start: start as usize, len: len as usize });
    }
    Ok(spans)
}
