/** What a training step minimises. */
import type * as tf from '@tensorflow/tfjs-core';
import type { BatchTensors } from './batch.js';

/** A loss and the parameters that it trains. */
export interface ObjectivePart {
  /** Of the part's loss in metrics, such as `layer 3`. */
  readonly name: string;
  /** By path; a parameter belongs to one part only. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  /** A mean over what `mean` says. */
  loss(): tf.Scalar;
  /** Micro-batches count by their unmasked tokens, or all alike. Default `tokens`. */
  readonly mean?: 'tokens' | 'rows';
}

/**
 * Parts whose losses are minimised at once; their sum is the step's loss. The gradients of a part are
 * taken before the next one's loss is computed, so that only one part's activations are in memory.
 */
export interface Objective {
  /** Every trained parameter by path. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>;
  /** @returns the parts for a micro-batch; what is computed here, such as a teacher's states, has no gradient. */
  parts(batch: BatchTensors): Iterable<ObjectivePart>;
}
