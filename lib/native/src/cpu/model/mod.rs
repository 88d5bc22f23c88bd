//! The fused kernels of the models: norms, rotary embedding, attention, SwiGLU, sampling.

use super::Kernel;

pub static KERNELS: &[Kernel] = &[];
