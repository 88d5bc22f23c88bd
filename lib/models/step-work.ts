/** The least that a decode step has to compute and to move: what its time is held against. */
import type { StatePrecision } from '../layers/state-precision.js';
import { sizeOf } from './files/layout.js';
import { layoutOf } from './layouts.js';
import type { ModelConfig } from './model-config.js';
import { stateSizes } from './state-sizes.js';

/** The work of one decode step of a batch. */
export interface StepWork {
  /** Floating-point operations, a multiply-add as two: products, attention over the context, recurrences. */
  readonly flopsPerToken: number;
  /**
   * Weights as they are stored, read once; of every row the keys and values so far, read, and its
   * recurrent states, read and written.
   */
  readonly bytesPerStep: number;
}

/**
 * Work of a decode step.
 *
 * @param weightBytes those of all weights as stored.
 * @param context tokens that each row has seen.
 * @param statePrecision how keys, values and recurrent states are kept.
 */
export function stepWork(
  config: ModelConfig,
  weightBytes: number,
  batch: number,
  context: number,
  statePrecision: StatePrecision = 'f32',
): StepWork {
  const parts = layoutOf(config).flatMap((tensor) => tensor.parts);
  const sizeOfParts = (some: typeof parts) => some.reduce((sum, p) => sum + sizeOf(p.shape), 0);
  const embedding = parts.filter(({ path }) => path === 'embedding.weight');
  // Without a head of its own the embedding is the matrix of the last product.
  const looked = config.tieEmbeddings ? 0 : sizeOfParts(embedding);
  const products = sizeOfParts(parts.filter(({ dense }) => !dense)) - looked;
  const unread = looked * (weightBytes / sizeOfParts(parts));
  const { fixed, perToken } = stateSizes(config, statePrecision);
  const row = 2 * fixed + perToken * context;
  return {
    flopsPerToken: 2 * products + attentionFlops(config, context) + recurrenceFlops(config),
    bytesPerStep: weightBytes - unread + batch * row,
  };
}

/** Queries by keys, and weights by values. */
function attentionFlops(config: ModelConfig, context: number): number {
  if (config.family === 'llamba') return 0;
  const layers =
    config.family === 'mamba-in-llama' ? config.attentionLayers.length : config.nLayers;
  return 4 * layers * config.nHeads * config.headDim * context;
}

/** `S = d S + x B; y = S C`: five a number of state; with Mamba-1's decay, `exp(delta A)`, seven. */
function recurrenceFlops(config: ModelConfig): number {
  if (config.family === 'llamba') {
    const { nLayers, nHeads, headDim, stateDim } = config;
    return 5 * nLayers * nHeads * headDim * stateDim;
  }
  if (config.family !== 'mamba-in-llama') return 0;
  const { mixer, nLayers, attentionLayers } = config;
  const perChannel =
    mixer.type === 'mamba' ? 7 * mixer.stateDim : (5 * mixer.dInner) / mixer.nHeads;
  return (nLayers - attentionLayers.length) * mixer.dInner * perChannel;
}
