//! Conversion between tfjs' dtypes: `[x, y]`, by their storages.

use super::elements::{Elem, Elements, GRAIN, Loop, to_int32, vectorised};
use crate::cpu::Call;
use crate::error::Result;
use crate::tensor::Storage;
use crate::{ensure, fail};

trait Convert<T> {
    fn convert(self) -> T;
}

macro_rules! conversions {
    ($($from:ident => $to:ident: |$x:ident| $body:expr;)*) => {
        $(impl Convert<$to> for $from {
            #[inline(always)]
            fn convert(self) -> $to {
                let $x = self;
                $body
            }
        })*
    };
}

conversions! {
    f32 => i32: |x| to_int32(f64::from(x));
    f32 => u8: |x| u8::from(x != 0.0);
    i32 => f32: |x| x as f32;
    i32 => u8: |x| u8::from(x != 0);
    u8 => f32: |x| f32::from(x);
    u8 => i32: |x| i32::from(x);
}

struct CastLoop<'a, A, B> {
    x: &'a [A],
    y: &'a mut [B],
}

impl<A: Copy + Convert<B>, B> Loop for CastLoop<'_, A, B> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = x.convert();
        }
    }
}

fn run<A: Elem + Convert<B>, B: Elem>(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    let (x, y) = (Elements::<A>::of(x)?, Elements::<B>::of(y)?);
    ensure!(x.len() == y.len(), "x has {} elements, y {}", x.len(), y.len());
    call.cpu.threads.ranges(x.len(), GRAIN, |r| {
        let (x, y) = unsafe { (x.part(r.clone()), y.part_mut(r)) };
        vectorised(call.cpu.isa, CastLoop { x, y });
    });
    Ok(())
}

pub fn cast(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    use Storage::{F32, I32, U8};
    match (x.storage, y.storage) {
        (F32, I32) => run::<f32, i32>(call),
        (F32, U8) => run::<f32, u8>(call),
        (I32, F32) => run::<i32, f32>(call),
        (I32, U8) => run::<i32, u8>(call),
        (U8, F32) => run::<u8, f32>(call),
        (U8, I32) => run::<u8, i32>(call),
        (from, to) => fail!("no conversion from {from} to {to}"),
    }
}
