import type { ModelConfig } from './model-config.js';

/** Numbers that decoding remembers of one sequence. */
export interface StateSizes {
  /** Whatever the length: recurrent states and convolution windows. */
  readonly fixed: number;
  /** For each token: keys and values. */
  readonly perToken: number;
}

/** The size of a sequence's decode state. */
export function stateSizes(config: ModelConfig): StateSizes {
  if (config.family === 'llamba') {
    const { nLayers, nHeads, nQkHeads, headDim, stateDim, convWidth } = config;
    const convolved = nHeads * headDim + 2 * nQkHeads * stateDim;
    const layer = nHeads * headDim * stateDim + (convWidth - 1) * convolved;
    return { fixed: nLayers * layer, perToken: 0 };
  }
  const attention = 2 * config.nKvHeads * config.headDim;
  if (config.family !== 'mamba-in-llama') {
    return { fixed: 0, perToken: config.nLayers * attention };
  }
  const { mixer, attentionLayers, nLayers } = config;
  const { dInner, dXb, convWidth } = mixer;
  const [convolved, stateDim] =
    mixer.type === 'mamba' ? [dInner, mixer.stateDim] : [dInner + 2 * dXb, dInner / mixer.nHeads];
  const layer = dInner * stateDim + (convWidth - 1) * convolved;
  return {
    fixed: (nLayers - attentionLayers.length) * layer,
    perToken: attentionLayers.length * attention,
  };
}
