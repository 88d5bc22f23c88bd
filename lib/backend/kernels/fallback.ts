/**
 * Operations without native code run the kernels of tfjs-backend-cpu on the native backend's
 * memory. They read `values` in place and their results are written back.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

/** Registers every kernel of tfjs' `cpu` backend that `native` does not have itself. */
export function registerFallbacks(backendName: string): void {
  for (const kernel of tf.getKernelsForBackend('cpu')) {
    if (tf.getKernel(kernel.kernelName, backendName)) continue;
    tf.registerKernel({ ...kernel, backendName });
  }
}
