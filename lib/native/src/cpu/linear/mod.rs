//! Matrix products: float32 GEMM, and float32 activations against stored weights.
//!
//! From the inside out: `micro` multiplies tiles in registers, `panel` decodes strips of weights
//! (`formats`) for it, `product` blocks a strip for the caches, and `linear` and `gemm` cut an
//! operation into strips for the threads. `vector` takes over for very few rows, `int8` for rounded
//! activations. `embedding` and `convert` read and write stored weights.

mod activation;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod convert;
mod embedding;
mod formats;
mod gemm;
mod int8;
#[cfg(target_arch = "x86_64")]
mod int8_avx2;
mod left;
#[allow(clippy::module_inception)]
mod linear;
pub(super) mod micro;
mod panel;
mod product;
pub(super) mod scratch;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;
mod weight;

use super::{Call, Cpu, Kernel};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};

/// Writes the numbers of one tensor into another of its shape: from F32 into what is stored, or back.
pub fn convert_values(cpu: &Cpu, from: &Tensor, to: &Tensor) -> Result<()> {
    let call = Call { cpu, tensors: &[*from, *to], attrs: &[] };
    if from.storage == Storage::F32 { convert::convert(&call) } else { embedding::dequantize(&call) }
}

pub static KERNELS: &[Kernel] = &[
    Kernel { name: "gemm", run: gemm::gemm },
    Kernel { name: "linear", run: linear::linear },
    Kernel { name: "linearMulti", run: linear::linear_multi },
    Kernel { name: "linearSwiGlu", run: linear::linear_swi_glu },
    Kernel { name: "linearInt8", run: linear::linear_int8 },
    Kernel { name: "linearMultiInt8", run: linear::linear_multi_int8 },
    Kernel { name: "linearSwiGluInt8", run: linear::linear_swi_glu_int8 },
    Kernel { name: "embedding", run: embedding::embedding },
    Kernel { name: "dequantize", run: embedding::dequantize },
    Kernel { name: "convert", run: convert::convert },
];
