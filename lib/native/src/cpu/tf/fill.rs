//! One value everywhere: `[y]`, attribute `[value]`.

use super::elements::{Elem, Elements, GRAIN, to_int32};
use crate::cpu::Call;
use crate::error::Result;
use crate::fail;
use crate::tensor::Storage;

fn run<T: Elem>(call: &Call, value: T) -> Result<()> {
    let [y] = call.args()?;
    let y = Elements::<T>::of(y)?;
    call.cpu.threads.ranges(y.len(), 4 * GRAIN, |r| unsafe { y.part_mut(r) }.fill(value));
    Ok(())
}

pub fn fill(call: &Call) -> Result<()> {
    let ([y], value) = (call.args()?, call.attr(0)?);
    match y.storage {
        Storage::F32 => run(call, value as f32),
        Storage::I32 => run(call, to_int32(value)),
        Storage::U8 => run(call, to_int32(value) as u8),
        storage => fail!("cannot fill {storage} elements"),
    }
}
