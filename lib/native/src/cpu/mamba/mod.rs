//! The kernels of state-space layers: the recurrences of Mamba-1 and Mamba-2 and the short
//! convolution before them, along sequences and by single tokens.
//!
//! A token's result is computed in one order whatever the batch, the split of the sequence and the
//! number of threads: a step is a scan of length 1.

mod conv;
mod conv_backward;
mod functions;
mod matrix;
pub(crate) mod mixer_step;
pub(super) mod operands;
mod selective;
mod selective_backward;
mod selective_step;
mod sequence;
mod small;
mod ssd;
mod ssd_backward;
mod ssd_step;
mod transpose;
pub(super) mod vectors;

use super::Kernel;

pub static KERNELS: &[Kernel] = &[
    Kernel { name: "causalConv1d", run: conv::causal_conv1d },
    Kernel { name: "causalConv1dBackward", run: conv_backward::causal_conv1d_backward },
    Kernel { name: "discreteSsdMatrix", run: matrix::discrete_ssd_matrix },
    Kernel { name: "discreteSsdMatrixBackward", run: matrix::discrete_ssd_matrix_backward },
    Kernel { name: "selectiveMixerStep", run: mixer_step::selective_mixer_step },
    Kernel { name: "selectiveScan", run: selective::selective_scan },
    Kernel { name: "selectiveScanBackward", run: selective_backward::selective_scan_backward },
    Kernel { name: "ssdMixerStep", run: mixer_step::ssd_mixer_step },
    Kernel { name: "ssdScan", run: ssd::ssd_scan },
    Kernel { name: "ssdBackward", run: ssd_backward::ssd_backward },
];
