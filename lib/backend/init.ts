/** Starting the backend: which device, how many threads, how much memory. */
import * as tf from '@tensorflow/tfjs-core';
import type { EngineInfo } from '../native/addon.js';
import { Engine, type EngineOptions } from './engine.js';
import { registerKernels } from './kernels/register.js';
import { NativeBackend } from './native-backend.js';

/** The name under which tfjs knows the backend. */
export const BACKEND = 'native';

/** Where tensors live. `cuda` is not built yet: asking for it is an error. */
export type Device = 'auto' | 'cpu' | 'cuda';

/** Options of {@link init}. */
export interface InitOptions extends EngineOptions {
  /** Default `MAMBALAB_DEVICE`, else `auto`. */
  device?: Device;
}

let backend: NativeBackend | undefined;

function checkDevice(device: string): void {
  if (!['auto', 'cpu', 'cuda'].includes(device)) {
    throw new Error(`device must be 'auto', 'cpu' or 'cuda', got ${JSON.stringify(device)}`);
  }
  if (device === 'cuda') {
    throw new Error("device 'cuda': this version runs on the CPU only; use 'cpu' or 'auto'");
  }
}

/**
 * Makes `native` tfjs' current backend and returns what it runs on. Calling it again changes the
 * threads or the memory limit; tensors stay.
 *
 * @throws Error where the addon is not built, or an option is out of range.
 */
export function init(options: InitOptions = {}): EngineInfo & { device: 'cpu' } {
  checkDevice(options.device ?? process.env.MAMBALAB_DEVICE ?? 'auto');
  if (backend) {
    if (options.threads !== undefined || options.memoryLimit !== undefined) {
      backend.engine.configure(options);
    }
  } else {
    const created = new NativeBackend(new Engine(options));
    backend = created;
    registerKernels(created);
    tf.registerBackend(BACKEND, () => created, 10);
  }
  if (tf.getBackend() !== BACKEND) void tf.setBackend(BACKEND);
  return { ...backend.engine.info, device: 'cpu' };
}

/** The running backend; started with defaults if need be. */
export function nativeBackend(): NativeBackend {
  if (!backend) init();
  return backend as NativeBackend;
}

/** Whether tfjs' current backend is `native`. */
export function isNative(): boolean {
  return tf.getBackend() === BACKEND;
}
