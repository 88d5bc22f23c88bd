//! `[x [outer, n, inner], y I32 [outer, inner]]`, attributes `[outer, n, inner, sign]`: where the
//! largest (sign 1) or smallest (sign -1) element is, the first of equals. A NaN wins only at 0.

use super::elements::{Elem, Elements, GRAIN};
use crate::cpu::Call;
use crate::error::Result;
use crate::tensor::Storage;
use crate::{ensure, fail};

fn run<T: Elem + PartialOrd>(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    let [outer, n, inner] = super::reduce::sizes(call, x, y)?;
    let largest = call.attr(3)? > 0.0;
    ensure!(n > 0, "an empty axis has no largest element");
    let (x, y) = (Elements::<T>::of(x)?, Elements::<i32>::of(y)?);
    let x = unsafe { x.part(0..x.len()) };
    call.cpu.threads.ranges(outer * inner, (GRAIN / n).max(1), |places| {
        let out = unsafe { y.part_mut(places.clone()) };
        for (out, place) in out.iter_mut().zip(places) {
            let base = place / inner * n * inner + place % inner;
            let (mut best, mut at) = (x[base], 0);
            for i in 1..n {
                let v = x[base + i * inner];
                if if largest { v > best } else { v < best } {
                    (best, at) = (v, i);
                }
            }
            *out = at as i32;
        }
    });
    Ok(())
}

pub fn arg_extreme(call: &Call) -> Result<()> {
    let [x, _] = call.args()?;
    match x.storage {
        Storage::F32 => run::<f32>(call),
        Storage::I32 => run::<i32>(call),
        Storage::U8 => run::<u8>(call),
        storage => fail!("no order of {storage} elements"),
    }
}
