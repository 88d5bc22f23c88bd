//! The fused kernels of the models: norms, rotary embedding, attention over a cache, SwiGLU,
//! log-softmax, sampling.
//!
//! `b` rows of `l` new tokens; row r's tokens sit at positions `starts[r]...`, and only its first
//! `lens[r]` are real: the rest are padding, and a row of length 0 is idle.

pub mod attention;
mod cache;
pub(super) mod log_softmax;
mod norm;
mod philox;
mod rotary;
pub(crate) mod rows;
mod sample;
mod swiglu;
#[cfg(test)]
pub(super) mod testing;

use super::Kernel;

pub static KERNELS: &[Kernel] = &[
    Kernel { name: "rmsNorm", run: norm::rms_norm },
    Kernel { name: "rmsNormResidual", run: norm::rms_norm_residual },
    Kernel { name: "rotary", run: rotary::rotary },
    Kernel { name: "cacheWrite", run: cache::write },
    Kernel { name: "cacheCopy", run: cache::copy },
    Kernel { name: "cacheGather", run: cache::gather },
    Kernel { name: "addPositions", run: cache::add_positions },
    Kernel { name: "causalAttention", run: attention::causal_attention },
    Kernel { name: "causalAttentionBackward", run: attention::causal_attention_backward },
    Kernel { name: "attentionWeights", run: attention::attention_weights },
    Kernel { name: "swiGlu", run: swiglu::swiglu },
    Kernel { name: "logSoftmax", run: log_softmax::log_softmax },
    Kernel { name: "sampleTokens", run: sample::sample_tokens },
];
