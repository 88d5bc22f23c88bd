/** Starting the backend: which device, how many threads, how much memory. */
import * as tf from '@tensorflow/tfjs-core';
import type { EngineInfo } from '../native/addon.js';
import { Engine, type EngineOptions, type Place } from './engine.js';
import { registerKernels } from './kernels/register.js';
import { NativeBackend } from './native-backend.js';

/** The name under which tfjs knows the backend. */
export const BACKEND = 'native';

/**
 * Where tensors live. `auto` is the processor; `cuda` is an NVIDIA GPU, the first one unless a number
 * follows (`cuda:1`).
 */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/** Options of {@link init}. */
export interface InitOptions extends EngineOptions {
  /** Default `MAMBALAB_DEVICE`, else `auto`. */
  device?: Device;
}

let backend: NativeBackend | undefined;

function placeOf(device: string): Place {
  if (device === 'auto' || device === 'cpu') return { device: 'cpu', ordinal: 0 };
  const [, ordinal] = /^cuda(?::(\d+))?$/.exec(device) ?? [];
  if (!device.startsWith('cuda') || (device !== 'cuda' && ordinal === undefined)) {
    throw new Error(
      `device must be 'auto', 'cpu', 'cuda' or 'cuda:N', got ${JSON.stringify(device)}`,
    );
  }
  return { device: 'cuda', ordinal: Number(ordinal ?? 0) };
}

/**
 * Makes `native` tfjs' current backend and returns what it runs on. Calling it again changes the
 * threads or the memory limit; tensors stay, and so does the device: a process has one.
 *
 * @throws Error where the addon is not built, an option is out of range, or the device, its driver or
 * its libraries are not there.
 */
export function init(options: InitOptions = {}): EngineInfo {
  const device = options.device ?? process.env.MAMBALAB_DEVICE ?? 'auto';
  const place = placeOf(device);
  if (backend) {
    const running = backend.engine.info.device;
    if (options.device && options.device !== 'auto' && place.device !== running) {
      throw new Error(`device '${device}': this process already runs on ${running}`);
    }
    if (options.threads !== undefined || options.memoryLimit !== undefined) {
      backend.engine.configure(options);
    }
  } else {
    const created = new NativeBackend(new Engine(options, place));
    backend = created;
    registerKernels(created);
    tf.registerBackend(BACKEND, () => created, 10);
  }
  if (tf.getBackend() !== BACKEND) void tf.setBackend(BACKEND);
  return backend.engine.info;
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
