export type { Activations } from '../backend/native-backend.js';
export type { Model } from './build.js';
export type { CausalConfig, CausalModel, ExtendOptions, StateOptions } from './causal-model.js';
export { convert, type LlambaSpec, type MambaInLlamaSpec, studentConfig } from './convert.js';
export type { DecoderOptions, ReadOptions } from './decoder.js';
export { CheckpointError } from './files/errors.js';
export { Llama, type LlamaOptions } from './llama.js';
export type { LlamaConfig } from './llama-config.js';
export { Llamba } from './llamba.js';
export type { LlambaConfig } from './llamba-config.js';
export { type LoadOptions, load } from './load.js';
export { MambaInLlama } from './mamba-in-llama.js';
export type {
  GroupedMamba2Config,
  GroupedMambaConfig,
  MambaInLlamaConfig,
  MambaInLlamaLayout,
} from './mamba-in-llama-config.js';
export type { Family, ModelConfig } from './model-config.js';
export { type Plan, type PlannedTensor, type PlanOptions, plan } from './plan.js';
export { type PublishedName, published } from './published.js';
export { type RandomOptions, random } from './random.js';
export { cacheFolder, resolveModel } from './resolve.js';
export { type Saved, type SaveOptions, save } from './save.js';
export { type StepWork, stepWork } from './step-work.js';
export type { Precision } from './weights.js';
