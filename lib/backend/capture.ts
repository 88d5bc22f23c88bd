/**
 * Capture and replay: a function of tensors is traced once into a native program, whose replay
 * costs no JavaScript, allocation or check per operation.
 *
 * While tracing, every operation runs as usual, so a trace is also the first execution. Buffers
 * come from the program's own pool; the reuse seen while tracing is its static memory plan.
 */
import * as tf from '@tensorflow/tfjs-core';
import { nativeBackend } from './init.js';

/** A traced function: fixed inputs, fixed outputs, one call to run it again. */
export class Program<T extends tf.Tensor | tf.Tensor[]> {
  private disposed = false;

  private constructor(
    private readonly id: number,
    /** The same tensors after every replay, holding its results. */
    readonly outputs: T,
  ) {}

  /**
   * Traces `body`. Tensors it uses from outside stay inputs: write new values into them before a
   * replay.
   *
   * @throws Error where the body reads values, or uses an operation that has no native code.
   */
  static trace<T extends tf.Tensor | tf.Tensor[]>(body: () => T): Program<T> {
    const { addon } = nativeBackend().engine;
    addon.captureBegin();
    let outputs: T | undefined;
    try {
      outputs = tf.tidy(body);
      for (const t of Array.isArray(outputs) ? outputs : [outputs]) tf.keep(t as tf.Tensor);
      return new Program(addon.captureEnd(), outputs);
    } catch (error) {
      addon.captureAbort();
      throw error;
    }
  }

  /** Runs the program again. */
  replay(): void {
    if (this.disposed) throw new Error('the captured program was disposed');
    nativeBackend().engine.addon.replay(this.id);
  }

  /** Frees the outputs and gives the program's memory back to the pool. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    tf.dispose(this.outputs as tf.Tensor[]);
    nativeBackend().engine.addon.programFree(this.id);
  }
}

/** Overwrites a tensor's values in place; captured programs see the new ones. */
export function assign(target: tf.Tensor, values: Float32Array | Int32Array | Uint8Array): void {
  const backend = nativeBackend();
  const operand = backend.operand(target);
  const want = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[
    target.dtype as 'bool'
  ];
  if (!want || !(values instanceof want) || values.length !== target.size) {
    throw new Error(
      `assign: a ${target.dtype} tensor of shape [${target.shape}] takes ${target.size} values, ` +
        `got ${values.constructor.name} of ${values.length}`,
    );
  }
  backend.engine.write(operand, values);
}

/** The first rows of a tensor on the same memory, for programs that run on part of a batch. */
export function firstRows(t: tf.Tensor, rows: number): tf.Tensor {
  if (rows < 0 || rows > (t.shape[0] ?? 0)) {
    throw new Error(`firstRows: ${rows} rows of a tensor of shape [${t.shape}]`);
  }
  const info = nativeBackend().alias(t, [rows, ...t.shape.slice(1)]);
  return tf.engine().makeTensorFromTensorInfo(info);
}

/** A captured function. */
export interface Captured<T extends tf.Tensor | tf.Tensor[]> {
  (...inputs: tf.Tensor[]): T;
  /** Frees the programs of all shapes. */
  dispose(): void;
}

interface Entry<T extends tf.Tensor | tf.Tensor[]> {
  inputs: tf.Tensor[];
  program: Program<T>;
}

/**
 * Returns a function that traces `fn` once for each combination of input shapes and dtypes and
 * replays it afterwards. Results are copies: they stay valid after the next call.
 *
 * @throws Error where `fn` reads values (`data()`, `dataSync()`): inside a capture tensors have none.
 */
export function capture<T extends tf.Tensor | tf.Tensor[]>(
  fn: (...inputs: tf.Tensor[]) => T,
): Captured<T> {
  const entries = new Map<string, Entry<T>>();
  const copy = (from: tf.Tensor, to: tf.Tensor) => {
    const backend = nativeBackend();
    backend.engine.run('copy', [backend.operand(from), backend.operand(to)]);
  };
  const fresh = (t: tf.Tensor): tf.Tensor => {
    const target = tf
      .engine()
      .makeTensorFromTensorInfo(nativeBackend().makeOutput(t.shape, t.dtype));
    copy(t, target);
    return target;
  };
  const call = (...inputs: tf.Tensor[]): T => {
    const key = inputs.map((t) => `${t.dtype}[${t.shape}]`).join();
    let entry = entries.get(key);
    if (entry) {
      inputs.forEach((t, i) => {
        copy(t, (entry as Entry<T>).inputs[i] as tf.Tensor);
      });
      entry.program.replay();
    } else {
      const own = tf.tidy(() => inputs.map((t) => tf.keep(fresh(t))));
      try {
        entry = { inputs: own, program: Program.trace(() => fn(...own)) };
      } catch (error) {
        tf.dispose(own);
        throw error;
      }
      entries.set(key, entry);
    }
    const { outputs } = entry.program;
    return (Array.isArray(outputs) ? outputs.map(fresh) : fresh(outputs as tf.Tensor)) as T;
  };
  const dispose = () => {
    for (const { inputs, program } of entries.values()) {
      tf.dispose(inputs);
      program.dispose();
    }
    entries.clear();
  };
  return Object.assign(call, { dispose });
}
