/** The gradient of products `x W_i^T` by `x`: `sum_i dy_i W_i`, added up in place. */
import * as tf from '@tensorflow/tfjs-core';
import { registerCustom } from '../custom.js';
import type { NativeBackend } from '../native-backend.js';

const NAME = 'MambalabLinearInputGradient';

registerCustom({
  name: NAME,
  native(backend, inputs) {
    const { dys, weights } = paired(Object.values(inputs) as tf.TensorInfo[]);
    const [rows] = (dys[0] as tf.TensorInfo).shape as [number];
    const dx = backend.makeOutput([rows, (weights[0] as tf.TensorInfo).shape[1] as number]);
    dys.forEach((dy, i) => {
      withDense(backend, weights[i] as tf.TensorInfo, (weight) => {
        addProduct(backend, dy, weight, dx, { accumulate: i > 0 });
      });
    });
    return dx;
  },
  composition(inputs) {
    const { dys, weights } = paired(Object.values(inputs) as tf.Tensor[]);
    return tf.addN(dys.map((dy, i) => tf.matMul(dy as tf.Tensor2D, weights[i] as tf.Tensor2D)));
  },
});

function paired<T>(list: readonly T[]): { dys: T[]; weights: T[] } {
  const half = list.length / 2;
  return { dys: list.slice(0, half), weights: list.slice(half) };
}

/** `out = a b`, or `out += a b`, of float32 matrices; `a` comes as `[k, m]` where it is transposed. */
export function addProduct(
  backend: NativeBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  out: tf.TensorInfo,
  { transposeA = false, accumulate = false }: { transposeA?: boolean; accumulate?: boolean } = {},
): void {
  const operands = [a, b, out].map((t) => backend.operand(t));
  backend.engine.run('gemm', operands, [Number(transposeA), 0, 0, 0, 0, Number(accumulate)]);
}

/** Hands `body` a weight as float32: itself, or unpacked for the call. */
export function withDense(
  backend: NativeBackend,
  weight: tf.TensorInfo,
  body: (weight: tf.TensorInfo) => void,
): void {
  if (backend.storageOf(weight) === 'F32') {
    body(weight);
    return;
  }
  const dense = backend.makeOutput([...weight.shape]);
  try {
    backend.engine.run(
      'dequantize',
      [weight, dense].map((t) => backend.operand(t)),
    );
    body(dense);
  } finally {
    backend.disposeData(dense.dataId);
  }
}

/**
 * `sum_i dys_i weights_i`.
 *
 * @param dys float32 `[rows, n_i]`; @param weights `[n_i, k]`, in any storage.
 * @returns float32 `[rows, k]`.
 */
export function linearInputGradient(
  dys: readonly tf.Tensor2D[],
  weights: readonly tf.Tensor2D[],
): tf.Tensor2D {
  const list = [...dys, ...weights] as unknown as tf.NamedTensorMap;
  return tf.engine().runKernel(NAME, list, {}) as tf.Tensor2D;
}
