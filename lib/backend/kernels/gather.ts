/** Reading and setting by index: GatherV2, OneHot. */
import * as tf from '@tensorflow/tfjs-core';
import { isPlain, kernel, size } from './kernel.js';
import { axisOf } from './strided.js';

export const gatherV2 = kernel<{ axis: number; batchDims?: number }>(
  'GatherV2',
  (call, { x, indices }, { axis, batchDims = 0 }) => {
    if (!x || !indices || !isPlain(x, indices)) return undefined;
    const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
      x as tf.Tensor,
      indices as tf.Tensor,
      axisOf(axis, x.shape),
      batchDims,
    );
    const y = call.output(info.outputShape, x.dtype);
    const { batchSize, outerSize, dimSize, sliceSize } = info;
    const places = size(indices.shape) / (batchSize || 1);
    call.run(
      'GatherV2',
      [call.dense(x), call.as(indices, 'int32'), y],
      [batchSize, outerSize, dimSize, sliceSize, places],
    );
    return y;
  },
);

interface OneHotAttrs {
  depth: number;
  onValue: number;
  offValue: number;
  dtype: tf.DataType;
}

export const oneHot = kernel<OneHotAttrs>(
  'OneHot',
  (call, { indices }, { depth, onValue, offValue, dtype }) => {
    if (!indices || !isPlain(indices) || dtype === 'complex64' || dtype === 'string') {
      return undefined;
    }
    const y = call.output([...indices.shape, depth], dtype);
    if (size(y.shape) > 0) {
      call.run('oneHot', [call.as(indices, 'int32'), y], [depth, onValue, offValue]);
    }
    return y;
  },
);
