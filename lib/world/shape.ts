/** The Llamas of the mini world: two sizes, as the paper has 1B and 3B. */
import type { Tokenizer } from '../data/index.js';
import type { LlamaConfig } from '../models/index.js';

/** The sizes of teachers and their students. */
export type WorldSize = 'small' | 'large';

/** Both, the small one first. */
export const worldSizes: readonly WorldSize[] = ['small', 'large'];

/** Layers whose attention the hybrids keep: two of six. */
export const ATTENTION_LAYERS: readonly number[] = [1, 4];

const shapes = {
  // 1.3 M parameters.
  small: { dModel: 128, nHeads: 4, nKvHeads: 2, dMlp: 384 },
  // 3.5 M: nearly three times as many, as the paper's 3B has over its 1B.
  large: { dModel: 256, nHeads: 8, nKvHeads: 4, dMlp: 448 },
} as const;

/** The configuration of a teacher. */
export function teacherConfig(size: WorldSize, tokenizer: Tokenizer): LlamaConfig {
  return {
    ...shapes[size],
    vocabSize: tokenizer.vocabSize,
    nLayers: 6,
    headDim: 32,
    normEps: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: undefined,
    contextLength: 1024,
    tieEmbeddings: true,
    bosId: tokenizer.bosId,
    eosIds: tokenizer.eosIds,
  };
}
