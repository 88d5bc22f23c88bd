import type { LlamaConfig } from '../llama-config.js';
import type { Fields } from './fields.js';

/** What a Llama's sizes may be: far beyond any real one, and small enough to multiply safely. */
export const limits = {
  vocabulary: { least: 1, most: 2 ** 24 },
  width: { least: 1, most: 2 ** 20 },
  heads: { least: 1, most: 2 ** 12 },
  headDim: { least: 2, most: 2 ** 12 },
  layers: { least: 1, most: 2 ** 12 },
  context: { least: 1, most: 2 ** 30 },
  eps: { least: 0, most: 1 },
  theta: { least: 1, most: 1e12 },
  ropeFactor: { least: 1e-3, most: 1e6 },
} as const;

/**
 * Checks what holds between fields and ends the reading of a configuration.
 *
 * @throws CheckpointError listing every field that was missing or wrong.
 */
export function checkLlama(config: LlamaConfig, fields: Fields, path: string): LlamaConfig {
  const { nHeads, nKvHeads, headDim } = config;
  if (nHeads % nKvHeads !== 0) {
    fields.problem('key-value heads', `a divisor of the ${nHeads} heads`, nKvHeads);
  }
  if (headDim % 2 !== 0) fields.problem('head width', 'an even integer', headDim);
  fields.check(path, 'Llama configuration');
  return config;
}
