/** Selective recall: a text in which a reader has to remember the right token for as long as it takes. */
import * as tf from '@tensorflow/tfjs';

/** Sizes of {@link recallBatch}. */
export interface RecallOptions {
  readonly rows: number;
  readonly length: number;
  /** Symbols; each can come marked, so that there are twice as many tokens. */
  readonly symbols: number;
  /** A non-negative integer: the same seed gives the same batch. */
  readonly seed: number;
}

/**
 * Rows of random symbols, of which one in four is marked (token `symbol + symbols`), the first always. The
 * target at each place is the symbol that was marked last.
 *
 * @returns tokens, float32 `[rows, length]`, and targets, float32 `[rows, length, 1]`, as tf.layers takes
 *   the indices of classes.
 */
export function recallBatch({ rows, length, symbols, seed }: RecallOptions): {
  tokens: tf.Tensor2D;
  targets: tf.Tensor3D;
} {
  return tf.tidy(() => {
    const shape: [number, number] = [rows, length];
    const draws = tf.randomUniform(shape, 0, symbols, 'float32', `symbols ${seed}`).dataSync();
    const marks = tf.randomUniform(shape, 0, 1, 'float32', `marks ${seed}`).dataSync();
    const tokens = new Float32Array(rows * length);
    const targets = new Float32Array(rows * length);
    for (let i = 0; i < tokens.length; i++) {
      const symbol = Math.floor(draws[i] as number);
      const isFirst = i % length === 0;
      const isMarked = isFirst || (marks[i] as number) < 0.25;
      tokens[i] = isMarked ? symbol + symbols : symbol;
      targets[i] = isMarked ? symbol : (targets[i - 1] as number);
    }
    return {
      tokens: tf.tensor2d(tokens, shape),
      targets: tf.tensor3d(targets, [rows, length, 1]),
    };
  });
}
