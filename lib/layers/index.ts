export {
  type CausalConv1dInputs,
  type CausalConv1dStepInputs,
  type ConvActivation,
  causalConv1d,
  causalConv1dStep,
} from '../backend/custom/causal-conv1d.js';
export {
  type DiscreteSSDInputs,
  type DiscreteSSDStepInputs,
  discreteSSD,
  discreteSSDStep,
} from '../backend/custom/discrete-ssd.js';
export {
  type DiscreteSSDMatrixInputs,
  discreteSSDMatrix,
} from '../backend/custom/discrete-ssd-matrix.js';
export { logSoftmax } from '../backend/custom/log-softmax.js';
export { rmsNormResidual } from '../backend/custom/rms-norm-residual.js';
export {
  type SelectiveScanInputs,
  type SelectiveScanStepInputs,
  selectiveScan,
  selectiveScanStep,
} from '../backend/custom/selective-scan.js';
export type { SequenceOptions } from '../backend/custom/sequence.js';
export { type SSDInputs, type SSDStepInputs, ssd, ssdStep } from '../backend/custom/ssd.js';
export { swiGlu } from '../backend/custom/swi-glu.js';
export { AttentionCache } from './attention-cache.js';
export {
  type AttentionContext,
  GroupedQueryAttention,
  type GroupedQueryAttentionConfig,
} from './grouped-query-attention.js';
export type { InitialValue } from './initial-values.js';
export { Linear, type LinearConfig } from './linear.js';
export { LlambaBlock, type LlambaBlockConfig } from './llamba-block.js';
export { type LlambaHeads, LlambaMixer, type LlambaMixerConfig } from './llamba-mixer.js';
export { MambaBlock, type MambaBlockConfig } from './mamba-block.js';
export { MambaMixer, type MambaMixerConfig } from './mamba-mixer.js';
export { Mamba2Mixer, type Mamba2MixerConfig } from './mamba2-mixer.js';
export { ParameterLayer, type ParameterSpec, type WeightSource } from './parameter-layer.js';
export type { Before, Mixed, RecurrentContext } from './recurrent-mixer.js';
export { RecurrentState } from './recurrent-state.js';
export { type BlockContext, type Mixer, ResidualBlock } from './residual-block.js';
export { RMSNorm, type RMSNormConfig } from './rms-norm.js';
export {
  type RopeScaling,
  RotaryEmbedding,
  type RotaryEmbeddingConfig,
  ropeFrequencies,
} from './rotary-embedding.js';
export { type LayerState, ModelState } from './state.js';
export { type StatePrecision, statePrecisions } from './state-precision.js';
export { SwiGLU, type SwiGLUConfig } from './swi-glu.js';
export { TokenEmbedding, type TokenEmbeddingConfig } from './token-embedding.js';
export { TransformerBlock, type TransformerBlockConfig } from './transformer-block.js';
