import type { WeightSource } from '../layers/index.js';
import { Llama, type LlamaOptions } from './llama.js';
import { Llamba } from './llamba.js';
import { MambaInLlama } from './mamba-in-llama.js';
import type { ModelConfig } from './model-config.js';

/** A model of any family. */
export type Model = Llama | Llamba | MambaInLlama;

/** The model that a configuration describes; `interleavedRope` concerns a Llama alone. */
export function build(config: ModelConfig, weights: WeightSource, options: LlamaOptions): Model {
  switch (config.family) {
    case 'llamba':
      return new Llamba(config, weights, options);
    case 'mamba-in-llama':
      return new MambaInLlama(config, weights, options);
    default:
      return new Llama(config, weights, options);
  }
}
