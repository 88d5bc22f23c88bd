//! What training adds to the models' kernels: gradients of norms, gates and embeddings, losses over
//! rows with their gradients, and the optimizer.
//!
//! Sums over tokens are taken in pieces of a fixed size and those are added in order, so that a
//! gradient is the same to the last bit whatever the number of threads.

mod adam;
mod cross_entropy;
mod distance;
mod divergence;
mod embedding;
mod norm;
mod rows;
mod swiglu;
#[cfg(test)]
mod tests;
mod top_k;

use super::Kernel;

pub static KERNELS: &[Kernel] = &[
    Kernel { name: "rmsNormBackward", run: norm::rms_norm_backward },
    Kernel { name: "swiGluBackward", run: swiglu::swiglu_backward },
    Kernel { name: "embeddingBackward", run: embedding::embedding_backward },
    Kernel { name: "crossEntropy", run: cross_entropy::cross_entropy },
    Kernel { name: "divergence", run: divergence::divergence },
    Kernel { name: "topKLogProbs", run: top_k::top_k_log_probs },
    Kernel { name: "topKDivergence", run: top_k::top_k_divergence },
    Kernel { name: "rowDistance", run: distance::row_distance },
    Kernel { name: "globalNorm", run: adam::global_norm },
    Kernel { name: "adamW", run: adam::adam_w },
];
