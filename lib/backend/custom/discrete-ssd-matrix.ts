/** The mixer matrix of the discrete-time Mamba-2, materialised: what MOHAWK's first stage matches. */
import * as tf from '@tensorflow/tfjs-core';
import {
  type Given,
  registerDifferentiable,
  runCommand,
  runDifferentiable,
  runGradientCommand,
} from './differentiable.js';
import { documents } from './sequence.js';
import { expect, expectShape, shapeText } from './shapes.js';
import { seen, segmentSums, spreadGroups } from './ssd-kernel.js';

const NAME = 'MambalabDiscreteSSDMatrix';

/** Operands of {@link discreteSSDMatrix}. */
export interface DiscreteSSDMatrixInputs {
  /** `[batch, length, heads]`, before the softplus. */
  a: tf.Tensor3D;
  /** `[batch, length, groups, N]`. */
  B: tf.Tensor4D;
  /** As B. */
  C: tf.Tensor4D;
  /** Added to the diagonal, `[heads]`. */
  D?: tf.Tensor1D;
  /** Not 0 where a document starts, int32 `[batch, length]`. */
  resets?: tf.Tensor2D;
}

function composition({ a, B, C, D, resets }: Given<tf.Tensor>): tf.Tensor[] {
  const [, l, h] = (a as tf.Tensor).shape as [number, number, number];
  const g = tf.transpose(tf.neg(tf.softplus(a as tf.Tensor)), [0, 2, 1]);
  const keys = spreadGroups(B as tf.Tensor, h);
  const queries = spreadGroups(C as tf.Tensor, h);
  const all = tf.mul(tf.matMul(queries, keys, false, true), tf.exp(segmentSums(g)));
  const visible = tf.broadcastTo(seen(l, documents(resets)), all.shape);
  const matrix = tf.where(visible, all, tf.zerosLike(all));
  return [D ? tf.add(matrix, tf.mul(tf.eye(l), tf.reshape(D, [h, 1, 1]))) : matrix];
}

const INPUTS = { required: ['a', 'B', 'C'], optional: ['D', 'resets'] };

registerDifferentiable({
  name: NAME,
  composition,
  native(backend, inputs) {
    const [b, l, h] = (inputs.a as tf.TensorInfo).shape as [number, number, number];
    const matrix = backend.makeOutput([b, h, l, l]);
    runCommand(backend, 'discreteSsdMatrix', INPUTS, inputs, [matrix], []);
    return [matrix];
  },
  nativeGradient: (backend, inputs, dys) =>
    runGradientCommand(backend, 'discreteSsdMatrixBackward', INPUTS, inputs, dys, []),
});

/**
 * The matrix `M` of every head with `y = M x` for {@link discreteSSD} from a state of 0:
 * `M[t, s] = (C_t . B_s) exp(-sum_{r = s+1..t} softplus(a_r)) + [t = s] D` for `s <= t`, else 0
 * (Bick et al. 2024, "Transformers to SSMs", section 4.1).
 *
 * @returns float32 `[batch, heads, length, length]`.
 * @throws Error naming the argument whose shape does not fit.
 */
export function discreteSSDMatrix({ a, B, C, D, resets }: DiscreteSSDMatrixInputs): tf.Tensor4D {
  const kernel = 'discreteSSDMatrix';
  expectShape(kernel, 'a', a, [undefined, undefined, undefined]);
  const [b, l, h] = a.shape;
  expect(l > 0, kernel, () => 'the sequence is empty: axis 1 (length) is 0');
  expectShape(kernel, 'B', B, [b, l, undefined, undefined]);
  expectShape(kernel, 'C', C, B.shape);
  const groups = B.shape[2];
  expect(
    groups > 0 && h % groups === 0,
    kernel,
    () =>
      `the groups of B (axis 2) must divide the heads of a (axis 2), got B ${shapeText(B)} and ` +
      `a ${shapeText(a)}`,
  );
  if (D) expectShape(kernel, 'D', D, [h]);
  if (resets) expectShape(kernel, 'resets', resets, [b, l], 'int32');
  const [matrix] = runDifferentiable(NAME, { a, B, C, D, resets });
  return matrix as tf.Tensor4D;
}
