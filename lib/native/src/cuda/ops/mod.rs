//! The device's operations: what the CPU's kernels of the same names compute, with the same operands.

mod attention;
mod elementwise;
mod linear;
mod mamba;
mod model;
mod movement;
mod reduce;

use super::Run;

/// Every operation that has a kernel here.
pub fn table() -> Vec<(&'static str, Run)> {
    [elementwise::OPS, reduce::OPS, movement::OPS, linear::OPS, model::OPS, attention::OPS, mamba::OPS]
        .concat()
}
