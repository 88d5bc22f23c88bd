//! The kernels of state-space layers: the recurrences of Mamba-1 and Mamba-2 and the short
//! convolution before them, along sequences and by single tokens.
//!
//! A token's result is computed in one order whatever the batch, the split of the sequence and the
//! number of threads: a step is a scan of length 1.

mod conv;
mod functions;
mod operands;
mod selective;
mod sequence;
mod ssd;
mod transpose;

use super::Kernel;

pub static KERNELS: &[Kernel] = &[
    Kernel { name: "causalConv1d", run: conv::causal_conv1d },
    Kernel { name: "selectiveScan", run: selective::selective_scan },
    Kernel { name: "ssdScan", run: ssd::ssd_scan },
];
