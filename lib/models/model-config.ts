import type { LlamaConfig } from './llama-config.js';
import type { LlambaConfig } from './llamba-config.js';
import type { MambaInLlamaConfig } from './mamba-in-llama-config.js';

/** The kinds of model. */
export type Family = 'llama' | 'llamba' | 'mamba-in-llama';

/** The configuration of any model; without a `family` it is a Llama's. */
export type ModelConfig = LlamaConfig | LlambaConfig | MambaInLlamaConfig;

/** The kind of model that a configuration describes. */
export function familyOf(config: ModelConfig): Family {
  return config.family ?? 'llama';
}
