/** All kernels of `native`: one alphabetical list, then tfjs' own for what is left. */
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../native-backend.js';
import { registerFallbacks } from './fallback.js';

const KERNELS: readonly tf.KernelConfig[] = [];

/** Registers every kernel of the backend. */
export function registerKernels(backend: NativeBackend): void {
  for (const kernel of KERNELS) tf.registerKernel(kernel);
  registerFallbacks('native', backend);
}
