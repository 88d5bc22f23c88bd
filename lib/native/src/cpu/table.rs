//! Every native operation by name. JavaScript asks for this list, so the order is free.

use super::{Kernel, copy, limits, linear, mamba, model, tf, train};
use std::sync::LazyLock;

pub static KERNELS: LazyLock<Vec<&'static Kernel>> = LazyLock::new(|| {
    let rooms: [&'static [Kernel]; 7] = [
        copy::KERNELS,
        limits::KERNELS,
        &tf::KERNELS,
        linear::KERNELS,
        mamba::KERNELS,
        model::KERNELS,
        train::KERNELS,
    ];
    rooms.into_iter().flatten().collect()
});
