//! Matrix products: float32 GEMM, and float32 activations against stored weights.
//!
//! From the inside out: `micro` multiplies tiles in registers, `panel` decodes strips of weights
//! (`formats`) for it, `product` blocks a strip for the caches, and `linear` and `gemm` cut an
//! operation into strips for the threads. `embedding` and `convert` read and write stored weights.

mod activation;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod convert;
mod embedding;
mod formats;
mod gemm;
mod left;
#[allow(clippy::module_inception)]
mod linear;
mod micro;
mod panel;
mod product;
mod scratch;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;
mod weight;

use super::Kernel;

pub static KERNELS: &[Kernel] = &[
    Kernel { name: "gemm", run: gemm::gemm },
    Kernel { name: "linear", run: linear::linear },
    Kernel { name: "linearMulti", run: linear::linear_multi },
    Kernel { name: "linearSwiGlu", run: linear::linear_swi_glu },
    Kernel { name: "embedding", run: embedding::embedding },
    Kernel { name: "dequantize", run: embedding::dequantize },
    Kernel { name: "convert", run: convert::convert },
];
