//! Matrix products: float32 GEMM, and float32 activations against stored weights.

use super::Kernel;

pub static KERNELS: &[Kernel] = &[];
