//! The device's operations: what the CPU's kernels of the same names compute, with the same operands.

mod attention;
mod attention_backward;
mod elementwise;
mod flash;
mod linear;
mod mamba;
mod mamba_backward;
mod matrix;
mod model;
mod movement;
mod reduce;
mod train;

use super::Run;

/// Every operation that has a kernel here.
pub fn table() -> Vec<(&'static str, Run)> {
    [
        elementwise::OPS,
        reduce::OPS,
        movement::OPS,
        linear::OPS,
        model::OPS,
        attention::OPS,
        attention_backward::OPS,
        mamba::OPS,
        mamba_backward::OPS,
        matrix::OPS,
        train::OPS,
    ]
    .concat()
}
