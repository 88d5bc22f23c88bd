//! Running sums and products along the middle axis: `[x, y]` of `[outer, n, inner]`, attributes
//! `[outer, n, inner, exclusive, reverse, product]`.

use super::elements::{Elem, Elements, GRAIN};
use crate::cpu::Call;
use crate::error::Result;
use crate::tensor::Storage;
use crate::{ensure, fail};

fn run<T: Elem>(call: &Call, start: T, step: impl Fn(T, T) -> T + Sync) -> Result<()> {
    let [x, y] = call.args()?;
    let [outer, n, inner] = [call.attr(0)? as usize, call.attr(1)? as usize, call.attr(2)? as usize];
    let (exclusive, reverse) = (call.attr(3)? != 0.0, call.attr(4)? != 0.0);
    let (x, y) = (Elements::<T>::of(x)?, Elements::<T>::of(y)?);
    let size = outer.checked_mul(n).and_then(|s| s.checked_mul(inner));
    ensure!(
        size == Some(x.len()) && size == Some(y.len()),
        "x has {} elements and y {}, not [{outer}, {n}, {inner}]",
        x.len(),
        y.len()
    );
    let slab = n * inner;
    call.cpu.threads.ranges(outer, (GRAIN / slab.max(1)).max(1), |slabs| {
        for s in slabs {
            let r = s * slab..(s + 1) * slab;
            let (x, y) = unsafe { (x.part(r.clone()), y.part_mut(r)) };
            for column in 0..inner {
                let mut acc = start;
                for i in 0..n {
                    let at = (if reverse { n - 1 - i } else { i }) * inner + column;
                    let next = step(acc, x[at]);
                    y[at] = if exclusive { acc } else { next };
                    acc = next;
                }
            }
        }
    });
    Ok(())
}

pub fn cumulative(call: &Call) -> Result<()> {
    let ([x, _], product) = (call.args()?, call.attr(5)? != 0.0);
    match (x.storage, product) {
        (Storage::F32, false) => run(call, 0f32, |a, x| a + x),
        (Storage::F32, true) => run(call, 1f32, |a, x| a * x),
        (Storage::I32, false) => run(call, 0i32, |a, x| a.wrapping_add(x)),
        (Storage::I32, true) => run(call, 1i32, |a, x| a.wrapping_mul(x)),
        (storage, _) => fail!("no running sum of {storage} elements"),
    }
}
