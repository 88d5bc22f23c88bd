import { STATE_BYTES, type StatePrecision } from '../layers/state-precision.js';
import type { ModelConfig } from './model-config.js';

/** Bytes that decoding remembers of one sequence. */
export interface StateSizes {
  /** Whatever the length: recurrent states and convolution windows. */
  readonly fixed: number;
  /** For each token: keys and values. */
  readonly perToken: number;
  /** Beside them while a layer runs: its recurrent state as float32, where it is kept narrower. */
  readonly scratch: number;
}

/** The size of a sequence's decode state. Windows are float32 in any precision. */
export function stateSizes(config: ModelConfig, precision: StatePrecision = 'f32'): StateSizes {
  const { mixers, window, recurrent, perToken } = stateNumbers(config);
  const bytes = STATE_BYTES[precision];
  return {
    fixed: mixers * (STATE_BYTES.f32 * window + bytes * recurrent),
    perToken: bytes * perToken,
    scratch: precision === 'f32' ? 0 : STATE_BYTES.f32 * recurrent,
  };
}

/**
 * Recurrent mixers, the numbers of a mixer's convolution window and recurrent state, and those of all
 * layers' keys and values of a token.
 */
function stateNumbers(config: ModelConfig) {
  if (config.family === 'llamba') {
    const { nLayers, nHeads, nQkHeads, headDim, stateDim, convWidth } = config;
    const convolved = nHeads * headDim + 2 * nQkHeads * stateDim;
    return {
      mixers: nLayers,
      window: (convWidth - 1) * convolved,
      recurrent: nHeads * headDim * stateDim,
      perToken: 0,
    };
  }
  const attention = 2 * config.nKvHeads * config.headDim;
  if (config.family !== 'mamba-in-llama') {
    return { mixers: 0, window: 0, recurrent: 0, perToken: config.nLayers * attention };
  }
  const { mixer, attentionLayers, nLayers } = config;
  const { dInner, dXb, convWidth } = mixer;
  const [convolved, stateDim] =
    mixer.type === 'mamba' ? [dInner, mixer.stateDim] : [dInner + 2 * dXb, dInner / mixer.nHeads];
  return {
    mixers: nLayers - attentionLayers.length,
    window: (convWidth - 1) * convolved,
    recurrent: dInner * stateDim,
    perToken: attentionLayers.length * attention,
  };
}
