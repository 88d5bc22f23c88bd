//! The mambalab engine: buffers, threads, kernels and captured programs behind one N-API addon.
//!
//! JavaScript encodes an operation as a flat command (see `command`), the engine checks every
//! shape against its buffer and runs it on a device. Nothing here knows of tfjs or of models.

pub mod command;
pub mod cpu;
pub mod cuda;
pub mod engine;
pub mod error;
pub mod memory;
pub mod profile;
pub mod program;
pub mod tensor;
pub mod threads;

// napi registers nothing in a test build.
#[cfg(not(test))]
mod bindings;
