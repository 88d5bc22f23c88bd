//! Plain copies between buffers, whatever the storage.

use super::{Call, Kernel};
use crate::ensure;
use crate::error::Result;

pub static KERNELS: &[Kernel] = &[Kernel { name: "copy", run: copy }];

/// `[from, to]`: the same storage and number of elements.
fn copy(call: &Call) -> Result<()> {
    let [from, to] = call.args()?;
    ensure!(
        from.storage == to.storage && from.len() == to.len(),
        "cannot copy {} {:?} to {} {:?}",
        from.storage,
        from.shape(),
        to.storage,
        to.shape()
    );
    to.raw_mut().copy_from_slice(from.raw());
    Ok(())
}
