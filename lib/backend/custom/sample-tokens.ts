/**
 * Drawing tokens: temperature, then the k likeliest, then the likeliest that reach topP together,
 * then those not far below the likeliest; one uniform number a row, by inverse distribution.
 *
 * The number is Philox4x32-10 (Salmon et al. 2011) of the row's key, so a draw depends on its seed,
 * prompt, sample and position and on nothing else.
 */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { drawToken } from './draw-token.js';
import { expectShape } from './shapes.js';

const NAME = 'MambalabSampleTokens';

/** Operands of {@link sampleTokens}. */
export interface SampleTokensInputs {
  /** float32 `[batch, vocab]`. */
  logits: tf.Tensor2D;
  /** float32 `[batch, 4]`: temperature (0: the likeliest), topP (1: off), minP (0: off), topK (0: off). */
  params: tf.Tensor2D;
  /** int32 `[batch, 4]`: seed, prompt, sample, position. */
  keys: tf.Tensor2D;
  /** int32 `[batch]`: 0 skips a row. */
  lens: tf.Tensor1D;
}

registerCustom({
  name: NAME,
  native(backend, { logits, params, keys, lens }) {
    const shape = [(logits as tf.TensorInfo).shape[0] as number];
    const ids = backend.makeOutput(shape, 'int32');
    const logProb = backend.makeOutput(shape);
    const operands = [logits, params, keys, lens, ids, logProb];
    backend.engine.run(
      'sampleTokens',
      operands.map((t) => backend.operand(t as tf.TensorInfo)),
    );
    return [ids, logProb];
  },
  // No tfjs operation draws by key: the reference is plain arithmetic on the values.
  composition({ logits, params, keys, lens }) {
    const [batch, vocab] = (logits as tf.Tensor2D).shape as [number, number];
    const [all, settings, key, len] = [logits, params, keys, lens].map((t) => t?.dataSync());
    const ids = new Int32Array(batch);
    const logProb = new Float32Array(batch);
    for (let row = 0; row < batch; row++) {
      if (!len?.[row]) continue;
      const cut = <T extends { subarray(a: number, b: number): T }>(t: unknown, n: number) =>
        (t as T).subarray(row * n, (row + 1) * n);
      const draw = drawToken(
        cut<Float32Array>(all, vocab),
        cut<Float32Array>(settings, 4),
        cut<Int32Array>(key, 4),
        row,
      );
      ids[row] = draw.id;
      logProb[row] = draw.logProb;
    }
    return [tf.tensor1d(ids, 'int32'), tf.tensor1d(logProb)];
  },
});

/**
 * Draws one token a row.
 *
 * @returns ids int32 `[batch]`, and their log-probabilities under the model itself (temperature 1,
 *   nothing cut off), float32 `[batch]`.
 * @throws Error naming a row whose logits are not numbers.
 */
export function sampleTokens(inputs: SampleTokensInputs): [tf.Tensor1D, tf.Tensor1D] {
  const { logits, params, keys, lens } = inputs;
  const [batch] = logits.shape;
  expectShape('sampleTokens', 'params', params, [batch, 4]);
  expectShape('sampleTokens', 'keys', keys, [batch, 4], 'int32');
  expectShape('sampleTokens', 'lens', lens, [batch], 'int32');
  return runCustom(NAME, { logits, params, keys, lens }) as never;
}
