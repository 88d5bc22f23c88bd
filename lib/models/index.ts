export type { Activations } from '../backend/native-backend.js';
export type { CausalConfig, CausalModel, ExtendOptions } from './causal-model.js';
export { CheckpointError } from './files/errors.js';
export { Llama, type LlamaOptions } from './llama.js';
export type { LlamaConfig } from './llama-config.js';
export { type LoadOptions, load } from './load.js';
export { cacheFolder, resolveModel } from './resolve.js';
export type { Precision } from './weights.js';
