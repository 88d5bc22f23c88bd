//! Captured programs: the commands of one traced call with their addresses fixed, replayed without
//! JavaScript, allocation or checks per operation.

use crate::cpu::Kernel;
use crate::memory::{Handle, Owner};
use crate::tensor::Tensor;

pub enum Step {
    Run {
        kernel: &'static Kernel,
        tensors: Vec<Tensor>,
        attrs: Vec<f64>,
    },
    /// A constant made while tracing: its block may serve another tensor later in the program.
    Write {
        target: Tensor,
        bytes: Vec<u8>,
    },
}

#[derive(Default)]
pub struct Program {
    pub owner: Owner,
    pub steps: Vec<Step>,
    /// Buffers from outside (weights, inputs, states): a replay checks that they still live.
    pub externals: Vec<Handle>,
}
