import * as tf from '@tensorflow/tfjs-core';
import { isPlain, kernel, size } from './kernel.js';
import { gathered, steps } from './strided.js';

export const reverse = kernel<{ dims: number | number[] }>('Reverse', (call, { x }, { dims }) => {
  if (!x || !isPlain(x)) return undefined;
  if (size(x.shape) === 0) return call.output(x.shape, x.dtype);
  const turned = tf.util.parseAxisParam(dims, x.shape);
  const from = steps(x.shape);
  const start = turned.reduce((sum, i) => sum + ((x.shape[i] ?? 1) - 1) * (from[i] ?? 0), 0);
  return gathered(
    call,
    x,
    x.shape,
    start,
    from.map((step, i) => (turned.includes(i) ? -step : step)),
  );
});
