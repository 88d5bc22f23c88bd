//! `[condition U8, t, e, y]`: y = condition ? t : e. A condition with fewer elements decides over
//! equal runs of y.

use super::elements::{Elem, Elements, GRAIN, Loop, vectorised};
use crate::cpu::Call;
use crate::error::Result;
use crate::tensor::Storage;
use crate::{ensure, fail};

struct SelectLoop<'a, T> {
    condition: &'a [u8],
    t: &'a [T],
    e: &'a [T],
    y: &'a mut [T],
}

impl<T: Copy> Loop for SelectLoop<'_, T> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        for (((y, c), t), e) in self.y.iter_mut().zip(self.condition).zip(self.t).zip(self.e) {
            *y = if *c != 0 { *t } else { *e };
        }
    }
}

fn run<T: Elem>(call: &Call) -> Result<()> {
    let [c, t, e, y] = call.args()?;
    let (t, e, y) = (Elements::<T>::of(t)?, Elements::<T>::of(e)?, Elements::<T>::of(y)?);
    let c = Elements::<u8>::of(c)?;
    let n = y.len();
    ensure!(t.len() == n && e.len() == n, "t has {} elements, e {}, y {n}", t.len(), e.len());
    if n == 0 {
        return Ok(());
    }
    ensure!(c.len() > 0 && n.is_multiple_of(c.len()), "a condition of {} for {n} elements", c.len());
    let inner = n / c.len();
    if inner == 1 {
        call.cpu.threads.ranges(n, GRAIN, |r| unsafe {
            let (condition, t, e) = (c.part(r.clone()), t.part(r.clone()), e.part(r.clone()));
            vectorised(call.cpu.isa, SelectLoop { condition, t, e, y: y.part_mut(r) });
        });
    } else {
        call.cpu.threads.ranges(c.len(), (GRAIN / inner).max(1), |rows| {
            for row in rows {
                let r = row * inner..(row + 1) * inner;
                unsafe {
                    let from = if c.part(row..row + 1)[0] != 0 { &t } else { &e };
                    y.part_mut(r.clone()).copy_from_slice(from.part(r));
                }
            }
        });
    }
    Ok(())
}

pub fn select(call: &Call) -> Result<()> {
    let [_, _, _, y] = call.args()?;
    match y.storage {
        Storage::F32 => run::<f32>(call),
        Storage::I32 => run::<i32>(call),
        Storage::U8 => run::<u8>(call),
        storage => fail!("cannot select {storage} elements"),
    }
}
