//! The CPU device: its kernels by name, its threads and its instruction set.

pub(crate) mod copy;
pub mod isa;
mod lanes;
mod limits;
mod linear;
pub(crate) mod mamba;
mod math;
pub(crate) mod model;
mod table;
mod tf;
mod train;

use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::threads::Threads;
pub use isa::Isa;
pub use table::KERNELS;

pub struct Cpu {
    pub threads: Threads,
    pub isa: Isa,
}

impl Cpu {
    pub fn new(threads: usize) -> Cpu {
        Cpu { threads: Threads::new(threads), isa: Isa::detect() }
    }
}

/// One operation being run: tensors and attributes in the order the kernel states.
pub struct Call<'a> {
    pub cpu: &'a Cpu,
    pub tensors: &'a [Tensor],
    pub attrs: &'a [f64],
}

impl Call<'_> {
    /// The tensors, when there are exactly `N`.
    pub fn args<const N: usize>(&self) -> Result<&[Tensor; N]> {
        match self.tensors.try_into() {
            Ok(t) => Ok(t),
            Err(_) => Err(crate::error::Error(format!("expected {N} tensors, got {}", self.tensors.len()))),
        }
    }

    pub fn attr(&self, i: usize) -> Result<f64> {
        ensure!(i < self.attrs.len(), "expected attribute {i}, got {}", self.attrs.len());
        Ok(self.attrs[i])
    }
}

pub struct Kernel {
    pub name: &'static str,
    pub run: fn(&Call) -> Result<()>,
}
