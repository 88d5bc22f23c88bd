/** A small Llama with random weights, for tests that need no checkpoint. */
import { Llama, type LlamaConfig } from '../../lib/models/index.js';

export const tinyConfig: LlamaConfig = {
  vocabSize: 97,
  dModel: 48,
  nLayers: 3,
  nHeads: 6,
  nKvHeads: 2,
  headDim: 8,
  dMlp: 80,
  normEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: undefined,
  contextLength: 200,
  tieEmbeddings: true,
  bosId: undefined,
  eosIds: [],
};

export function tinyLlama(changes: Partial<LlamaConfig> = {}): Llama {
  return new Llama({ ...tinyConfig, ...changes });
}

/** Token ids that look random, the same for the same seed. */
export function tokensOf(seed: number, length: number, vocab = tinyConfig.vocabSize): number[] {
  let x = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x >>> 8) % vocab;
  });
}
