//! tfjs' unary and binary functions: one kernel for each function and type.

use crate::cuda::launch::{Grid, Words};
use crate::cuda::{Call, Run};
use crate::error::Result;
use crate::tensor::Storage;
use crate::{arguments, ensure, fail};

macro_rules! named {
    ($run:ident: $($name:literal)*) => {
        &[$(($name, |call| $run(call, $name))),*]
    };
}

const UNARY: &[(&str, Run)] = named!(unary:
    "abs" "ceil" "clip" "cos" "elu" "erf" "exp" "expm1" "floor" "isFinite" "isInf" "isNan" "leakyRelu" "log"
    "log1p" "logicalNot" "neg" "reciprocal" "relu" "relu6" "round" "rsqrt" "selu" "sigmoid" "sign" "sin"
    "softplus" "sqrt" "square" "step" "tan" "tanh");

const BINARY: &[(&str, Run)] = named!(binary:
    "add" "sub" "multiply" "realDiv" "floorDiv" "mod" "maximum" "minimum" "squaredDifference" "pow" "prelu"
    "eluGrad" "equal" "notEqual" "greater" "greaterEqual" "less" "lessEqual" "logicalAnd" "logicalOr");

const OPS_LEN: usize = UNARY.len() + BINARY.len() + 1;

pub const OPS: &[(&str, Run)] = &{
    let mut all: [(&str, Run); OPS_LEN] = [("cast", cast); OPS_LEN];
    let mut i = 0;
    while i < UNARY.len() {
        all[i] = UNARY[i];
        i += 1;
    }
    while i < UNARY.len() + BINARY.len() {
        all[i] = BINARY[i - UNARY.len()];
        i += 1;
    }
    all
};

fn suffix(storage: Storage) -> Result<&'static str> {
    Ok(match storage {
        Storage::F32 => "f32",
        Storage::I32 => "i32",
        Storage::U8 => "u8",
        other => fail!("no elementwise function of {other} elements"),
    })
}

/// What each function takes and gives; an output of another storage than its kernel's is an error.
fn result_of(name: &str, input: Storage) -> Storage {
    match name {
        "isFinite" | "isInf" | "isNan" | "equal" | "notEqual" | "greater" | "greaterEqual" | "less"
        | "lessEqual" => Storage::U8,
        _ => input,
    }
}

fn takes(name: &str, input: Storage) -> bool {
    let all = matches!(name, "equal" | "notEqual" | "greater" | "greaterEqual" | "less" | "lessEqual");
    match input {
        Storage::F32 => !matches!(name, "logicalNot" | "logicalAnd" | "logicalOr" | "floorDiv"),
        Storage::I32 => {
            all || matches!(
                name,
                "abs"
                    | "neg"
                    | "relu"
                    | "sign"
                    | "square"
                    | "add"
                    | "sub"
                    | "multiply"
                    | "floorDiv"
                    | "mod"
                    | "maximum"
                    | "minimum"
                    | "squaredDifference"
                    | "pow"
            )
        }
        Storage::U8 => all || matches!(name, "logicalNot" | "logicalAnd" | "logicalOr"),
        _ => false,
    }
}

fn unary(call: &Call, name: &str) -> Result<()> {
    let [x, y] = call.args()?;
    ensure!(takes(name, x.storage), "no {name} of {} elements", x.storage);
    let want = result_of(name, x.storage);
    ensure!(y.storage == want, "y should be {want}, got {}", y.storage);
    ensure!(x.len() == y.len(), "x has {} elements, y {}", x.len(), y.len());
    let attr = |i: usize| call.attrs.get(i).copied().unwrap_or(0.0) as f32;
    let needed = match name {
        "clip" => 2,
        "leakyRelu" | "step" => 1,
        _ => 0,
    };
    ensure!(call.attrs.len() >= needed, "expected {needed} attributes, got {}", call.attrs.len());
    let kernel = format!("{name}_{}", suffix(x.storage)?);
    let n = x.len();
    if n == 0 {
        return Ok(());
    }
    call.launch("unary", &kernel, Grid::over(n), arguments![x.ptr(), y.ptr(), n, attr(0), attr(1)])
}

fn cast(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    ensure!(x.len() == y.len(), "x has {} elements, y {}", x.len(), y.len());
    ensure!(x.storage != y.storage, "cannot cast {} to {}", x.storage, y.storage);
    let kernel = format!("cast_{}_{}", suffix(x.storage)?, suffix(y.storage)?);
    let n = x.len();
    if n == 0 {
        return Ok(());
    }
    call.launch("unary", &kernel, Grid::over(n), arguments![x.ptr(), y.ptr(), n, 0f32, 0f32])
}

/// Steps in elements along each axis of `out`, 0 where the side is repeated.
fn steps(side: &[usize], out: &[usize]) -> Option<Vec<i64>> {
    let lead = out.len().checked_sub(side.len())?;
    let mut steps = vec![0; out.len()];
    let mut step = 1;
    for axis in (lead..out.len()).rev() {
        let n = side[axis - lead];
        if n != 1 {
            if n != out[axis] {
                return None;
            }
            steps[axis] = step as i64;
        }
        step *= n;
    }
    Some(steps)
}

fn binary(call: &Call, name: &str) -> Result<()> {
    let [a, b, y] = call.args()?;
    ensure!(a.storage == b.storage, "a is {}, b {}", a.storage, b.storage);
    ensure!(takes(name, a.storage), "no {name} for {} elements", a.storage);
    let want = result_of(name, a.storage);
    ensure!(y.storage == want, "y should be {want}, got {}", y.storage);
    let (Some(sa), Some(sb)) = (steps(a.shape(), y.shape()), steps(b.shape(), y.shape())) else {
        fail!("cannot broadcast {:?} and {:?} to {:?}", a.shape(), b.shape(), y.shape())
    };
    let n = y.len();
    if n == 0 {
        return Ok(());
    }
    // Axes that run on in both sides are one.
    let mut axes: Vec<(i64, i64, i64)> = vec![];
    for ((&n, &sa), &sb) in y.shape().iter().zip(&sa).zip(&sb) {
        let n = n as i64;
        if n == 1 {
            continue;
        }
        match axes.last_mut() {
            Some(outer) if outer.1 == sa * n && outer.2 == sb * n => *outer = (outer.0 * n, sa, sb),
            _ => axes.push((n, sa, sb)),
        }
    }
    if axes.is_empty() {
        axes.push((1, 0, 0));
    }
    let mut space = [0i64; 25];
    space[0] = axes.len() as i64;
    for (i, &(n, a, b)) in axes.iter().enumerate() {
        (space[1 + i], space[9 + i], space[17 + i]) = (n, a, b);
    }
    let kernel = format!("{name}_{}", suffix(a.storage)?);
    call.launch("binary", &kernel, Grid::over(n), arguments![a.ptr(), b.ptr(), y.ptr(), n, Words(&space)])
}
