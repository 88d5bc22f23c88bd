/** Drawing tokens from logits, and the tokens that were asked for but have not come yet. */
import * as tf from '@tensorflow/tfjs-core';
import { sampleTokens } from '../backend/custom/sample-tokens.js';
import { type LaterValues, readLater } from '../backend/later.js';
import type { SamplingOptions } from './options.js';

/** Names a draw: the same key draws the same number whatever the batch. */
export interface DrawKey {
  seed: number;
  prompt: number;
  sample: number;
  /** Index of the token in its completion. */
  position: number;
}

/** Numbers of a {@link DrawKey} on the device. */
export const KEY_WIDTH = 4;

/** Writes a key where row `row` of `values` has it. */
export function putKey(values: Int32Array, row: number, key: DrawKey): void {
  const at = row * KEY_WIDTH;
  values[at] = key.seed | 0;
  values[at + 1] = key.prompt;
  values[at + 2] = key.sample;
  values[at + 3] = key.position;
}

/** Draws a token in each row whose length is 1: ids and log-probabilities, `[batch]` both. */
export type DrawTokens = (
  logits: tf.Tensor2D,
  keys: tf.Tensor2D,
  lens: tf.Tensor1D,
) => [ids: tf.Tensor1D, logProbs: tf.Tensor1D];

/** Draws as the options say. */
export function drawBy(sampling: Required<SamplingOptions>): DrawTokens {
  const { temperature, topP, minP, topK } = sampling;
  const row = [temperature, topP, minP, topK];
  return (logits, keys, lens) =>
    tf.tidy(() => {
      const params = tf.tensor2d(Array.from({ length: logits.shape[0] }, () => row));
      return sampleTokens({ logits, params, keys, lens });
    });
}

/** Draws of some rows on their way from the device. */
export class Draws {
  private constructor(
    private readonly idValues: LaterValues,
    private readonly logProbValues: LaterValues,
  ) {}

  /** Asks for the first `rows` rows of what was drawn. End it with both values, or with `drop`. */
  static of([ids, logProbs]: readonly tf.Tensor[], rows: number): Draws {
    const idValues = readLater(ids as tf.Tensor, rows);
    try {
      return new Draws(idValues, readLater(logProbs as tf.Tensor, rows));
    } catch (error) {
      idValues.drop();
      throw error;
    }
  }

  /** The tokens; waits for them. */
  ids(): Int32Array {
    return this.idValues.get() as Int32Array;
  }

  /** Their log-probabilities under the model; waits for them. */
  logProbs(): Float32Array {
    return this.logProbValues.get() as Float32Array;
  }

  /** Gives up what was not taken. */
  drop(): void {
    this.idValues.drop();
    this.logProbValues.drop();
  }
}
