//! y = f(x), element by element: `[x, y]` of the same length, the function's own attributes.

use super::elements::{Elem, Elements, GRAIN, Loop, vectorised};
use super::functions::{erf, log, sigmoid, softplus, tanh};
use crate::cpu::{Call, Kernel, math};
use crate::error::Result;
use crate::{ensure, fail};

/// A function of one element; the value holds its attributes.
trait Map<T>: Copy + Send + Sync {
    type Out: Elem;
    fn map(self, x: T) -> Self::Out;
}

struct MapLoop<'a, M: Map<T>, T> {
    f: M,
    x: &'a [T],
    y: &'a mut [M::Out],
}

impl<M: Map<T>, T: Copy> Loop for MapLoop<'_, M, T> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = self.f.map(*x);
        }
    }
}

fn run<M: Map<T>, T: Elem>(call: &Call, f: M) -> Result<()> {
    let [x, y] = call.args()?;
    let (x, y) = (Elements::<T>::of(x)?, Elements::<M::Out>::of(y)?);
    ensure!(x.len() == y.len(), "x has {} elements, y {}", x.len(), y.len());
    call.cpu.threads.ranges(x.len(), GRAIN, |r| {
        let (x, y) = unsafe { (x.part(r.clone()), y.part_mut(r)) };
        vectorised(call.cpu.isa, MapLoop { f, x, y });
    });
    Ok(())
}

/// Each function: its name, how many attributes it has, and its body for the types it takes.
macro_rules! functions {
    ($($Name:ident $name:literal $attrs:literal {
        $($in:ident => $out:ty: |$x:ident $(, $p:ident)?| $body:expr;)*
    })*) => {
        $(
            #[derive(Clone, Copy)]
            struct $Name([f32; 2]);
            $(
                impl Map<$in> for $Name {
                    type Out = $out;
                    #[inline(always)]
                    fn map(self, $x: $in) -> $out {
                        $(let $p = self.0;)?
                        $body
                    }
                }
            )*
            impl $Name {
                fn kernel(call: &Call) -> Result<()> {
                    let mut f = $Name([0.0; 2]);
                    for (i, p) in f.0.iter_mut().enumerate().take($attrs) {
                        *p = call.attr(i)? as f32;
                    }
                    ensure!(!call.tensors.is_empty(), "expected 2 tensors, got none");
                    match call.tensors[0].storage {
                        $(<$in as Elem>::STORAGE => run::<$Name, $in>(call, f),)*
                        storage => fail!("no {} of {} elements", $name, storage),
                    }
                }
            }
        )*
        pub fn kernels() -> Vec<Kernel> {
            vec![$(Kernel { name: $name, run: $Name::kernel }),*]
        }
    };
}

functions! {
    Abs "abs" 0 { f32 => f32: |x| x.abs(); i32 => i32: |x| x.wrapping_abs(); }
    Ceil "ceil" 0 { f32 => f32: |x| x.ceil(); }
    Clip "clip" 2 { f32 => f32: |x, p| if x > p[1] { p[1] } else if x < p[0] { p[0] } else { x }; }
    Cos "cos" 0 { f32 => f32: |x| f64::from(x).cos() as f32; }
    Elu "elu" 0 { f32 => f32: |x| if x >= 0.0 { x } else { x.exp_m1() }; }
    Erf "erf" 0 { f32 => f32: |x| erf(x); }
    Exp "exp" 0 { f32 => f32: |x| math::exp(x); }
    Expm1 "expm1" 0 { f32 => f32: |x| x.exp_m1(); }
    Floor "floor" 0 { f32 => f32: |x| x.floor(); }
    IsFinite "isFinite" 0 { f32 => u8: |x| u8::from(x.abs() < f32::INFINITY); }
    IsInf "isInf" 0 { f32 => u8: |x| u8::from(x.abs() == f32::INFINITY); }
    IsNan "isNan" 0 { f32 => u8: |x| u8::from(x.is_nan()); }
    LeakyRelu "leakyRelu" 1 { f32 => f32: |x, p| if x < 0.0 { p[0] * x } else { x }; }
    Log "log" 0 { f32 => f32: |x| log(x); }
    Log1p "log1p" 0 { f32 => f32: |x| x.ln_1p(); }
    LogicalNot "logicalNot" 0 { u8 => u8: |x| u8::from(x == 0); }
    Neg "neg" 0 { f32 => f32: |x| -x; i32 => i32: |x| x.wrapping_neg(); }
    Reciprocal "reciprocal" 0 { f32 => f32: |x| 1.0 / x; }
    Relu "relu" 0 { f32 => f32: |x| if x <= 0.0 { 0.0 } else { x }; i32 => i32: |x| x.max(0); }
    Relu6 "relu6" 0 { f32 => f32: |x| x.clamp(0.0, 6.0); }
    Round "round" 0 { f32 => f32: |x| x.round_ties_even(); }
    Rsqrt "rsqrt" 0 { f32 => f32: |x| 1.0 / x.sqrt(); }
    Selu "selu" 0 {
        f32 => f32: |x| if x >= 0.0 { 1.050_701 * x } else { 1.050_701 * 1.673_263_2 * x.exp_m1() };
    }
    Sigmoid "sigmoid" 0 { f32 => f32: |x| sigmoid(x); }
    Sign "sign" 0 { f32 => f32: |x| f32::from(x > 0.0) - f32::from(x < 0.0); i32 => i32: |x| x.signum(); }
    Sin "sin" 0 { f32 => f32: |x| f64::from(x).sin() as f32; }
    Softplus "softplus" 0 { f32 => f32: |x| softplus(x); }
    Sqrt "sqrt" 0 { f32 => f32: |x| x.sqrt(); }
    Square "square" 0 { f32 => f32: |x| x * x; i32 => i32: |x| x.wrapping_mul(x); }
    Step "step" 1 { f32 => f32: |x, p| if x > 0.0 { 1.0 } else if x.is_nan() { x } else { p[0] }; }
    Tan "tan" 0 { f32 => f32: |x| f64::from(x).tan() as f32; }
    Tanh "tanh" 0 { f32 => f32: |x| tanh(x); }
}
