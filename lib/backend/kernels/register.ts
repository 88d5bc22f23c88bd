/** All kernels of `native`: one alphabetical list, then tfjs' own for what is left. */
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../native-backend.js';
import { addN } from './add-n.js';
import { binaryKernels } from './binary.js';
import { cast } from './cast.js';
import { concat, pack } from './concat.js';
import { cumprod, cumsum } from './cumulative.js';
import { Fallbacks } from './fallback.js';
import { fill, onesLike, zerosLike } from './fill.js';
import { gatherV2, oneHot } from './gather.js';
import { expandDims, identity, reshape } from './identity.js';
import { type NativeKernel, runKernel } from './kernel.js';
import { batchMatMul, fusedMatMul } from './mat-mul.js';
import { padV2 } from './pad.js';
import { argMax, argMin, reduceKernels } from './reduce.js';
import { reverse } from './reverse.js';
import { select } from './select.js';
import { slice, splitV, stridedSlice, unpack } from './slice.js';
import { softmax } from './softmax.js';
import { tile } from './tile.js';
import { transpose } from './transpose.js';
import { unaryKernels } from './unary.js';

const KERNELS: readonly NativeKernel[] = [
  addN,
  argMax,
  argMin,
  batchMatMul,
  ...binaryKernels,
  cast,
  concat,
  cumprod,
  cumsum,
  expandDims,
  fill,
  fusedMatMul,
  gatherV2,
  identity,
  oneHot,
  onesLike,
  pack,
  padV2,
  ...reduceKernels,
  reshape,
  reverse,
  select,
  slice,
  softmax,
  splitV,
  stridedSlice,
  tile,
  transpose,
  ...unaryKernels,
  unpack,
  zerosLike,
];

/** Registers every kernel of the backend. */
export function registerKernels(backend: NativeBackend): void {
  const fallbacks = new Fallbacks(backend);
  for (const kernel of KERNELS) {
    const other = fallbacks.kernel(kernel.name);
    tf.registerKernel({
      kernelName: kernel.name,
      backendName: 'native',
      kernelFunc: (params) =>
        runKernel(kernel, backend, params.inputs, params.attrs ?? {}) ?? other(params),
    });
  }
  for (const kernelName of fallbacks.names()) {
    if (tf.getKernel(kernelName, 'native')) continue;
    tf.registerKernel({
      kernelName,
      backendName: 'native',
      kernelFunc: fallbacks.kernel(kernelName),
    });
  }
}
