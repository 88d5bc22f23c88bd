//! Reading and setting by index.

use super::elements::{Elem, Elements, GRAIN, to_int32};
use crate::cpu::Call;
use crate::error::Result;
use crate::tensor::Storage;
use crate::{ensure, fail};

/// `[x [batch, outer, axis, inner], indices I32 [batch, n], y [batch, outer, n, inner]]`, attributes
/// `[batch, outer, axis, inner, n]`.
pub fn gather(call: &Call) -> Result<()> {
    let [x, indices, y] = call.args()?;
    let sizes: Vec<usize> = (0..5).map(|i| call.attr(i).map(|v| v as usize)).collect::<Result<_>>()?;
    let [batch, outer, axis, inner, n] = sizes[..] else { fail!("expected 5 sizes") };
    let indices = indices.i32()?;
    ensure!(
        x.storage == y.storage && matches!(x.storage, Storage::F32 | Storage::I32 | Storage::U8),
        "cannot gather {} elements into {}",
        x.storage,
        y.storage
    );
    ensure!(
        Some(x.len()) == product(&[batch, outer, axis, inner])
            && Some(y.len()) == product(&[batch, outer, n, inner])
            && Some(indices.len()) == product(&[batch, n]),
        "x {:?}, {} indices and y {:?} are not [{batch}, {outer}, {axis}, {inner}] at {n} places",
        x.shape(),
        indices.len(),
        y.shape()
    );
    if let Some(bad) = indices.iter().find(|&&i| i < 0 || i as usize >= axis) {
        fail!("the index value {bad} is not in [0, {}]", axis as i64 - 1);
    }
    let bytes = inner * x.storage.block().1;
    let (from, to) = (x.raw(), Elements::<u8>::bytes(y));
    call.cpu.threads.ranges(batch * outer * n, (4 * GRAIN / bytes.max(1)).max(1), |rows| {
        for row in rows {
            let (slab, i) = (row / n, row % n);
            let index = indices[slab / outer * n + i] as usize;
            let source = (slab * axis + index) * bytes;
            unsafe { to.part_mut(row * bytes..(row + 1) * bytes) }
                .copy_from_slice(&from[source..source + bytes]);
        }
    });
    Ok(())
}

fn product(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

fn set<T: Elem>(y: Elements<T>, indices: &[i32], depth: usize, on: T, off: T) {
    let y = unsafe { y.part_mut(0..y.len()) };
    y.fill(off);
    for (row, &i) in y.chunks_exact_mut(depth).zip(indices) {
        if let Some(place) = usize::try_from(i).ok().and_then(|i| row.get_mut(i)) {
            *place = on;
        }
    }
}

/// `[indices I32, y [..., depth]]`, attributes `[depth, on, off]`; an index outside sets nothing.
pub fn one_hot(call: &Call) -> Result<()> {
    let [indices, y] = call.args()?;
    let (depth, on, off) = (call.attr(0)? as usize, call.attr(1)?, call.attr(2)?);
    let indices = indices.i32()?;
    ensure!(
        depth > 0 && product(&[indices.len(), depth]) == Some(y.len()),
        "{} indices of depth {depth} do not fill y {:?}",
        indices.len(),
        y.shape()
    );
    match y.storage {
        Storage::F32 => set(Elements::<f32>::of(y)?, indices, depth, on as f32, off as f32),
        Storage::I32 => set(Elements::<i32>::of(y)?, indices, depth, to_int32(on), to_int32(off)),
        Storage::U8 => set(Elements::<u8>::of(y)?, indices, depth, on as u8, off as u8),
        storage => fail!("no one-hot of {storage} elements"),
    }
    Ok(())
}
