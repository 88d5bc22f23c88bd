//! tfjs' own kernels: elementwise, reductions, shape and data movement.

use super::Kernel;

pub static KERNELS: &[Kernel] = &[];
