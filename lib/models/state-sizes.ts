import { STATE_BYTES, type StatePrecision } from '../layers/state-precision.js';
import type { ModelConfig } from './model-config.js';

/** Bytes that decoding remembers of one sequence. */
export interface StateSizes {
  /** Whatever the length: recurrent states and convolution windows. */
  readonly fixed: number;
  /** For each token: keys and values. */
  readonly perToken: number;
}

/** The size of a sequence's decode state. Windows are float32 in any precision. */
export function stateSizes(config: ModelConfig, precision: StatePrecision = 'f32'): StateSizes {
  const { windows, recurrent, perToken } = stateNumbers(config);
  const bytes = STATE_BYTES[precision];
  return { fixed: STATE_BYTES.f32 * windows + bytes * recurrent, perToken: bytes * perToken };
}

/** Numbers of convolution windows, of recurrent states, and for each token of keys and values. */
function stateNumbers(config: ModelConfig) {
  if (config.family === 'llamba') {
    const { nLayers, nHeads, nQkHeads, headDim, stateDim, convWidth } = config;
    const convolved = nHeads * headDim + 2 * nQkHeads * stateDim;
    return {
      windows: nLayers * (convWidth - 1) * convolved,
      recurrent: nLayers * nHeads * headDim * stateDim,
      perToken: 0,
    };
  }
  const attention = 2 * config.nKvHeads * config.headDim;
  if (config.family !== 'mamba-in-llama') {
    return { windows: 0, recurrent: 0, perToken: config.nLayers * attention };
  }
  const { mixer, attentionLayers, nLayers } = config;
  const { dInner, dXb, convWidth } = mixer;
  const [convolved, stateDim] =
    mixer.type === 'mamba' ? [dInner, mixer.stateDim] : [dInner + 2 * dXb, dInner / mixer.nHeads];
  const mixers = nLayers - attentionLayers.length;
  return {
    windows: mixers * (convWidth - 1) * convolved,
    recurrent: mixers * dInner * stateDim,
    perToken: attentionLayers.length * attention,
  };
}
