//! y = f(a, b) with broadcasting: `[a, b, y]`, y of the broadcast shape. `y` may be `a` or `b` itself
//! where their shapes are equal.

use super::elements::{Elem, Elements, GRAIN, Loop, to_int32, vectorised};
use crate::cpu::{Call, Kernel};
use crate::error::Result;
use crate::{ensure, fail};

/// The common index space: merged axes from outer to inner, with each side's steps.
struct Broadcast {
    dims: Vec<usize>,
    a: Vec<usize>,
    b: Vec<usize>,
}

impl Broadcast {
    fn new(a: &[usize], b: &[usize], out: &[usize]) -> Result<Broadcast> {
        let (sa, sb) = (steps(a, out), steps(b, out));
        let (Some(sa), Some(sb)) = (sa, sb) else { fail!("cannot broadcast {a:?} and {b:?} to {out:?}") };
        let mut merged = Broadcast { dims: vec![], a: vec![], b: vec![] };
        for axis in 0..out.len() {
            let (n, sa, sb) = (out[axis], sa[axis], sb[axis]);
            if n == 1 {
                continue;
            }
            match merged.dims.len() {
                0 => merged.push(n, sa, sb),
                m if merged.a[m - 1] == sa * n && merged.b[m - 1] == sb * n => {
                    merged.dims[m - 1] *= n;
                    (merged.a[m - 1], merged.b[m - 1]) = (sa, sb);
                }
                _ => merged.push(n, sa, sb),
            }
        }
        if merged.dims.is_empty() {
            merged.push(1, 0, 0);
        }
        Ok(merged)
    }

    fn push(&mut self, n: usize, a: usize, b: usize) {
        self.dims.push(n);
        self.a.push(a);
        self.b.push(b);
    }
}

/// Steps in elements along each axis of `out`, 0 where the side is repeated.
fn steps(side: &[usize], out: &[usize]) -> Option<Vec<usize>> {
    let lead = out.len().checked_sub(side.len())?;
    let mut steps = vec![0; out.len()];
    let mut step = 1;
    for axis in (lead..out.len()).rev() {
        let n = side[axis - lead];
        if n != 1 {
            if n != out[axis] {
                return None;
            }
            steps[axis] = step;
        }
        step *= n;
    }
    Some(steps)
}

trait Zip<T> {
    type Out: Elem;
    fn zip(a: T, b: T) -> Self::Out;
}

/// One run along the inner axis; a side's step is 0 or 1.
struct ZipLoop<Z: Zip<T>, T> {
    a: *const T,
    b: *const T,
    y: *mut Z::Out,
    n: usize,
    steps: (usize, usize),
}

impl<Z: Zip<T>, T: Copy> Loop for ZipLoop<Z, T> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        let ZipLoop { a, b, y, n, steps } = self;
        unsafe {
            match steps {
                (0, 0) => {
                    let v = Z::zip(*a, *b);
                    (0..n).for_each(|i| *y.add(i) = v);
                }
                (0, _) => {
                    let a = *a;
                    (0..n).for_each(|i| *y.add(i) = Z::zip(a, *b.add(i)));
                }
                (_, 0) => {
                    let b = *b;
                    (0..n).for_each(|i| *y.add(i) = Z::zip(*a.add(i), b));
                }
                _ => (0..n).for_each(|i| *y.add(i) = Z::zip(*a.add(i), *b.add(i))),
            }
        }
    }
}

fn run<Z: Zip<T>, T: Elem>(call: &Call) -> Result<()> {
    let [a, b, y] = call.args()?;
    let space = Broadcast::new(a.shape(), b.shape(), y.shape())?;
    let (a, b, y) = (Elements::<T>::of(a)?, Elements::<T>::of(b)?, Elements::<Z::Out>::of(y)?);
    let outer = space.dims.len() - 1;
    let inner = space.dims[outer];
    let steps = (space.a[outer], space.b[outer]);
    call.cpu.threads.ranges(y.len(), GRAIN, |range| {
        let mut at = range.start;
        while at < range.end {
            let (mut row, column) = (at / inner, at % inner);
            let (mut ia, mut ib) = (column * steps.0, column * steps.1);
            for axis in (0..outer).rev() {
                let i = row % space.dims[axis];
                row /= space.dims[axis];
                ia += i * space.a[axis];
                ib += i * space.b[axis];
            }
            let n = (inner - column).min(range.end - at);
            let body: ZipLoop<Z, T> = ZipLoop { a: a.at(ia), b: b.at(ib), y: y.at(at), n, steps };
            vectorised(call.cpu.isa, body);
            at += n;
        }
    });
    Ok(())
}

macro_rules! functions {
    ($($Name:ident $name:literal { $($in:ident => $out:ty: |$a:ident, $b:ident| $body:expr;)* })*) => {
        $(
            struct $Name;
            $(
                impl Zip<$in> for $Name {
                    type Out = $out;
                    #[inline(always)]
                    fn zip($a: $in, $b: $in) -> $out {
                        $body
                    }
                }
            )*
            impl $Name {
                fn kernel(call: &Call) -> Result<()> {
                    ensure!(!call.tensors.is_empty(), "expected 3 tensors, got none");
                    match call.tensors[0].storage {
                        $(<$in as Elem>::STORAGE => run::<$Name, $in>(call),)*
                        storage => fail!("no {} for {} elements", $name, storage),
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
    Add "add" { f32 => f32: |a, b| a + b; i32 => i32: |a, b| a.wrapping_add(b); }
    Sub "sub" { f32 => f32: |a, b| a - b; i32 => i32: |a, b| a.wrapping_sub(b); }
    Multiply "multiply" { f32 => f32: |a, b| a * b; i32 => i32: |a, b| a.wrapping_mul(b); }
    RealDiv "realDiv" { f32 => f32: |a, b| a / b; }
    FloorDiv "floorDiv" { i32 => i32: |a, b| floor_div(a, b); }
    Mod "mod" { f32 => f32: |a, b| modulo(a, b); i32 => i32: |a, b| modulo_int(a, b); }
    Maximum "maximum" {
        f32 => f32: |a, b| if a > b || a.is_nan() { a } else { b };
        i32 => i32: |a, b| a.max(b);
    }
    Minimum "minimum" {
        f32 => f32: |a, b| if a < b || a.is_nan() { a } else { b };
        i32 => i32: |a, b| a.min(b);
    }
    SquaredDifference "squaredDifference" {
        f32 => f32: |a, b| (a - b) * (a - b);
        i32 => i32: |a, b| { let d = a.wrapping_sub(b); d.wrapping_mul(d) };
    }
    Pow "pow" {
        f32 => f32: |a, b| pow(f64::from(a), f64::from(b)) as f32;
        i32 => i32: |a, b| to_int32(pow(f64::from(a), f64::from(b)));
    }
    Prelu "prelu" { f32 => f32: |a, b| if a < 0.0 { a * b } else { a }; }
    EluGrad "eluGrad" { f32 => f32: |dy, y| if y >= 0.0 { dy } else { dy * (y + 1.0) }; }
    Equal "equal" { f32 => u8: |a, b| u8::from(a == b); i32 => u8: |a, b| u8::from(a == b); u8 => u8: |a, b| u8::from(a == b); }
    NotEqual "notEqual" { f32 => u8: |a, b| u8::from(a != b); i32 => u8: |a, b| u8::from(a != b); u8 => u8: |a, b| u8::from(a != b); }
    Greater "greater" { f32 => u8: |a, b| u8::from(a > b); i32 => u8: |a, b| u8::from(a > b); u8 => u8: |a, b| u8::from(a > b); }
    GreaterEqual "greaterEqual" { f32 => u8: |a, b| u8::from(a >= b); i32 => u8: |a, b| u8::from(a >= b); u8 => u8: |a, b| u8::from(a >= b); }
    Less "less" { f32 => u8: |a, b| u8::from(a < b); i32 => u8: |a, b| u8::from(a < b); u8 => u8: |a, b| u8::from(a < b); }
    LessEqual "lessEqual" { f32 => u8: |a, b| u8::from(a <= b); i32 => u8: |a, b| u8::from(a <= b); u8 => u8: |a, b| u8::from(a <= b); }
    LogicalAnd "logicalAnd" { u8 => u8: |a, b| u8::from(a != 0) & u8::from(b != 0); }
    LogicalOr "logicalOr" { u8 => u8: |a, b| u8::from(a != 0) | u8::from(b != 0); }
}

/// floor(a / b), 0 where b is 0, as an Int32Array stores JavaScript's infinities.
#[inline(always)]
fn floor_div(a: i32, b: i32) -> i32 {
    if b == 0 {
        return 0;
    }
    let q = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q }
}

/// The remainder with the divisor's sign.
#[inline(always)]
fn modulo(a: f32, b: f32) -> f32 {
    let r = a % b;
    if (a < 0.0 && b < 0.0) || (a >= 0.0 && b >= 0.0) { r } else { (r + b) % b }
}

#[inline(always)]
fn modulo_int(a: i32, b: i32) -> i32 {
    if b == 0 {
        return 0;
    }
    let r = a.wrapping_rem(b);
    if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
}

/// JavaScript's power, which unlike C's is NaN for a NaN exponent and for |a| = 1 to the infinity.
#[inline(always)]
fn pow(a: f64, b: f64) -> f64 {
    if b.is_nan() || (a.abs() == 1.0 && b.is_infinite()) { f64::NAN } else { a.powf(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_merge_where_both_sides_run_on() {
        let merged = |a: &[usize], b: &[usize], out: &[usize]| {
            let m = Broadcast::new(a, b, out).unwrap();
            (m.dims, m.a, m.b)
        };
        assert_eq!(merged(&[2, 3, 4], &[2, 3, 4], &[2, 3, 4]), (vec![24], vec![1], vec![1]));
        assert_eq!(merged(&[2, 3, 4], &[4], &[2, 3, 4]), (vec![6, 4], vec![4, 1], vec![0, 1]));
        assert_eq!(merged(&[2, 3, 4], &[], &[2, 3, 4]), (vec![24], vec![1], vec![0]));
        assert_eq!(merged(&[5, 1], &[1, 6], &[5, 6]), (vec![5, 6], vec![1, 0], vec![0, 1]));
        assert_eq!(merged(&[1, 1], &[], &[1, 1]), (vec![1], vec![0], vec![0]));
        assert!(Broadcast::new(&[2], &[3], &[3]).is_err());
        assert!(Broadcast::new(&[2, 3], &[3], &[3]).is_err());
    }

    #[test]
    fn integer_division_follows_javascript() {
        for (a, b, want) in
            [(7, 2, 3), (-7, 2, -4), (7, -2, -4), (-7, -2, 3), (1, 0, 0), (i32::MIN, -1, i32::MIN)]
        {
            assert_eq!(floor_div(a, b), want);
        }
        for (a, b, want) in [(7, 3, 1), (-7, 3, 2), (7, -3, -2), (-7, -3, -1), (5, 0, 0)] {
            assert_eq!(modulo_int(a, b), want);
        }
        assert!(pow(1.0, f64::NAN).is_nan() && pow(-1.0, f64::INFINITY).is_nan());
        assert_eq!(pow(f64::NAN, 0.0), 1.0);
    }
}
