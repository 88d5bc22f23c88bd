import type * as tf from '@tensorflow/tfjs-core';
import { isPlain, kernel } from './kernel.js';

/** Conversion between float32, int32 and bool. */
export const cast = kernel<{ dtype: tf.DataType }>('Cast', (call, { x }, { dtype }) => {
  if (!x || !isPlain(x) || dtype === 'complex64' || dtype === 'string') return undefined;
  if (x.dtype === dtype) return call.backend.alias(x);
  const y = call.output(x.shape, dtype);
  call.run('cast', [call.dense(x), y]);
  return y;
});
