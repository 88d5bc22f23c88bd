//! tfjs' own kernels: elementwise, reductions, shape and data movement.

mod arg_extreme;
mod binary;
mod cast;
mod cumulative;
mod elements;
mod fill;
mod functions;
mod gather;
mod reduce;
mod select;
mod softmax;
mod strided;
mod unary;

use super::Kernel;
use std::sync::LazyLock;

pub static KERNELS: LazyLock<Vec<Kernel>> = LazyLock::new(|| {
    let single = [
        Kernel { name: "argExtreme", run: arg_extreme::arg_extreme },
        Kernel { name: "cast", run: cast::cast },
        Kernel { name: "cumulative", run: cumulative::cumulative },
        Kernel { name: "fill", run: fill::fill },
        Kernel { name: "GatherV2", run: gather::gather },
        Kernel { name: "oneHot", run: gather::one_hot },
        Kernel { name: "select", run: select::select },
        Kernel { name: "softmax", run: softmax::softmax },
        Kernel { name: "stridedCopy", run: strided::strided_copy },
    ];
    single.into_iter().chain(binary::kernels()).chain(reduce::kernels()).chain(unary::kernels()).collect()
});
