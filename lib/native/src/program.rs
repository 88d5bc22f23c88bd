//! Captured programs: the commands of one traced call with their addresses fixed, replayed without
//! JavaScript, allocation or checks per operation.

use crate::cuda::{Graph, ScratchPlan};
use crate::memory::{Handle, Owner};
use crate::tensor::Tensor;

pub enum Step {
    Run {
        op: usize,
        tensors: Vec<Tensor>,
        attrs: Vec<f64>,
        scratch: ScratchPlan,
    },
    /// A constant made while tracing: its block may serve another tensor later in the program.
    Write {
        target: Tensor,
        bytes: Vec<u8>,
    },
    /// The same where memory is the device's: the constant lies in a buffer of its own.
    Copy {
        target: *mut u8,
        from: *const u8,
        bytes: usize,
    },
}

// The addresses are of buffers that the program owns.
unsafe impl Send for Step {}

#[derive(Default)]
pub struct Program {
    pub owner: Owner,
    pub steps: Vec<Step>,
    /// Buffers from outside (weights, inputs, states): a replay checks that they still live.
    pub externals: Vec<Handle>,
    /// Buffers that hold the device's constants.
    pub constants: Vec<Handle>,
    /// The whole program as one launch, made at the first replay where every operation allows it.
    pub graph: Option<Graph>,
}
