import type * as tf from '@tensorflow/tfjs-core';
import type { Model } from './build.js';
import { halfRopeRows } from './files/rope-rows.js';
import { Llama } from './llama.js';

/** A parameter's numbers as float32, its rows in the order that Hugging Face's files have. */
export function valuesOf(model: Model, path: string, tensor: tf.Tensor): Float32Array {
  const values = tensor.dataSync() as Float32Array;
  const rotates = /\.attention\.[qk]$/.test(path);
  if (!rotates || !(model instanceof Llama) || !model.interleavedRope) return values;
  return halfRopeRows(values, model.config.headDim, tensor.shape[1] as number);
}
