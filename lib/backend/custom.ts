/**
 * One way to register a custom kernel: native code for `native`, a composition of ordinary tfjs
 * operations for every other backend, and the gradient for all.
 */
import * as tf from '@tensorflow/tfjs-core';
import { BACKEND } from './init.js';
import type { NativeBackend } from './native-backend.js';

type Inputs = tf.NamedTensorInfoMap;
type Attrs = tf.NamedAttrMap;

/** A custom kernel in its three forms. */
export interface CustomKernel {
  name: string;
  /** Encodes the native command and returns the outputs. */
  native(backend: NativeBackend, inputs: Inputs, attrs: Attrs): tf.TensorInfo | tf.TensorInfo[];
  /** The reference: ordinary tfjs operations on tensors. */
  composition(inputs: Record<string, tf.Tensor>, attrs: Attrs): tf.Tensor | tf.Tensor[];
  /** As tfjs' `GradConfig`: saved inputs and outputs are named there. */
  gradient?: Omit<tf.GradConfig, 'kernelName'>;
}

const OTHERS = ['cpu', 'wasm', 'webgl', 'webgpu', 'tensorflow'];

/** Registers the kernel everywhere. Called once, where the kernel's file is loaded. */
export function registerCustom(kernel: CustomKernel): void {
  tf.registerKernel({
    kernelName: kernel.name,
    backendName: BACKEND,
    kernelFunc: (params) => {
      const backend = params.backend as unknown as NativeBackend;
      return backend.wholly(() => kernel.native(backend, params.inputs, params.attrs ?? {}));
    },
  });
  for (const backendName of OTHERS) {
    tf.registerKernel({
      kernelName: kernel.name,
      backendName,
      kernelFunc: ({ inputs, attrs }) => compose(kernel, inputs, attrs ?? {}),
    });
  }
  if (kernel.gradient) tf.registerGradient({ kernelName: kernel.name, ...kernel.gradient });
}

/** Runs the composition on the kernel's inputs, which tfjs hands over as tensors. */
function compose(kernel: CustomKernel, inputs: Inputs, attrs: Attrs): tf.Tensor | tf.Tensor[] {
  const tensors = inputs as unknown as Record<string, tf.Tensor>;
  // A kernel owns what it returns: an input passed through needs a reference of its own.
  const own = (t: tf.Tensor) => (Object.values(tensors).includes(t) ? t.clone() : t);
  return tf.tidy(() => {
    const out = kernel.composition(tensors, attrs);
    return Array.isArray(out) ? out.map(own) : own(out);
  });
}

/** Runs a registered kernel; undefined inputs are left out. */
export function runCustom<T extends tf.Tensor | tf.Tensor[]>(
  name: string,
  inputs: Record<string, tf.Tensor | undefined>,
  attrs: Attrs = {},
): T {
  const given = Object.fromEntries(Object.entries(inputs).filter(([, t]) => t !== undefined));
  return tf.engine().runKernel(name, given as tf.NamedTensorMap, attrs) as T;
}
