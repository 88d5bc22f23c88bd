//! The device's operations: what the CPU's kernels of the same names compute, with the same operands.

mod attention;
mod attention_backward;
mod conv_backward;
mod elementwise;
mod flash;
mod linear;
mod mamba;
mod matrix;
mod mixer_step;
mod model;
mod movement;
mod reduce;
mod selective_backward;
mod ssd;
mod ssd_backward;
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
        conv_backward::OPS,
        selective_backward::OPS,
        ssd::OPS,
        ssd_backward::OPS,
        matrix::OPS,
        mixer_step::OPS,
        train::OPS,
    ]
    .concat()
}
