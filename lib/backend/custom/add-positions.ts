/** Moves each row's position forward by the tokens it has read; in place on `native`. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom, runCustom } from '../custom.js';
import { expectShape } from './shapes.js';

const NAME = 'MambalabAddPositions';

registerCustom({
  name: NAME,
  native(backend, { starts, lens }) {
    const operands = [starts, lens].map((t) => backend.operand(t as tf.TensorInfo));
    backend.engine.run('addPositions', operands);
    return backend.alias(starts as tf.TensorInfo);
  },
  composition({ starts, lens }) {
    return tf.add(starts as tf.Tensor, lens as tf.Tensor);
  },
});

/**
 * `starts + lens`. On `native` the result is another tensor on the data of `starts`.
 *
 * @param starts int32 `[batch]`; @param lens int32 `[batch]`.
 */
export function addPositions(starts: tf.Tensor1D, lens: tf.Tensor1D): tf.Tensor1D {
  expectShape('addPositions', 'lens', lens, starts.shape, 'int32');
  return runCustom(NAME, { starts, lens });
}
