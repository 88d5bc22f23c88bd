/** What a recurrent mixer remembers: tensors whose size does not grow with the text. */
import * as tf from '@tensorflow/tfjs-core';
import { cacheCopy, cacheGather } from '../backend/custom/cache.js';
import { bytesOf, concatRows, storedZeros, storeValues } from '../backend/custom/stored.js';
import { isNative } from '../backend/init.js';
import { makeAll } from '../backend/make-all.js';
import type { LayerState } from './state.js';
import { precisionOf, STORAGE, type StatePrecision } from './state-precision.js';

/** A convolution window and a recurrence's state, batch first. */
export class RecurrentState implements LayerState {
  private constructor(
    private window: tf.Tensor,
    private hidden: tf.Tensor,
  ) {}

  private static of([window, hidden]: readonly tf.Tensor[]): RecurrentState {
    return new RecurrentState(window as tf.Tensor, hidden as tf.Tensor);
  }

  /**
   * The state before the first token.
   *
   * @param window shape of a row's convolution window `[width - 1, channels]`.
   * @param hidden shape of a row's recurrent state.
   * @param precision of the recurrent state; the window, which is small, is float32 always.
   */
  static create(
    batch: number,
    window: readonly number[],
    hidden: readonly number[],
    precision: StatePrecision = 'f32',
  ): RecurrentState {
    const makers = [
      () => tf.zeros([batch, ...window]),
      () => storedZeros([batch, ...hidden], STORAGE[precision]),
    ];
    return RecurrentState.of(makeAll(makers, (make) => tf.keep(make())));
  }

  /** `[batch, width - 1, channels]`, the newest token last, float32. */
  get conv(): tf.Tensor3D {
    return this.window as tf.Tensor3D;
  }

  /** The recurrence's state, in the state's precision. */
  get ssm(): tf.Tensor {
    return this.hidden;
  }

  /** How the recurrence's state is kept. */
  get precision(): StatePrecision {
    return precisionOf(this.hidden);
  }

  /** Bytes of both tensors. */
  get bytes(): number {
    return bytesOf(this.window) + bytesOf(this.hidden);
  }

  /**
   * Takes what the kernels made of both: the state's own tensors or their data, where they wrote in place,
   * or float32 tensors, which are rounded where the state is kept so.
   */
  update(conv: tf.Tensor, ssm: tf.Tensor): void {
    this.window = replaced(this.window, conv);
    this.hidden = replaced(this.hidden, ssm);
  }

  select(rows: readonly number[]): RecurrentState {
    return RecurrentState.of(makeAll(this.tensors(), (t) => picked(t, rows)));
  }

  copyRow(from: LayerState, fromRow: number, toRow: number): void {
    if (!(from instanceof RecurrentState)) {
      throw new Error('a recurrent state takes rows of another');
    }
    this.update(
      copied(from.window, fromRow, this.window, toRow),
      copied(from.hidden, fromRow, this.hidden, toRow),
    );
  }

  concat(others: readonly LayerState[]): RecurrentState {
    const all = [this, ...others].map((state) => {
      if (state instanceof RecurrentState) return state;
      throw new Error('a recurrent state is joined with others of its kind');
    });
    const parts = [all.map((s) => s.window), all.map((s) => s.hidden)];
    const join = (part: tf.Tensor[]) => tf.keep(concatRows(part as [tf.Tensor, ...tf.Tensor[]]));
    return RecurrentState.of(makeAll(parts, join));
  }

  rowSizes(): number[] {
    return this.tensors().map((t) => tf.util.sizeFromShape(t.shape.slice(1)));
  }

  tensors(): tf.Tensor[] {
    return [this.window, this.hidden];
  }

  with(tensors: readonly tf.Tensor[]): RecurrentState {
    return RecurrentState.of(tensors);
  }

  dispose(): void {
    tf.dispose([this.window, this.hidden]);
  }
}

/** `next` in the place of `old`: on `native` on the same memory, whose address programs hold. */
function replaced(old: tf.Tensor, next: tf.Tensor): tf.Tensor {
  if (next === old) return old;
  if (isNative() && next.dataId !== old.dataId) {
    storeValues(next, old);
    next.dispose();
    return old;
  }
  old.dispose();
  return tf.keep(next);
}

/** A copy of one row over another, whatever the row's shape. */
function copied(from: tf.Tensor, fromRow: number, to: tf.Tensor, toRow: number): tf.Tensor {
  if (!tf.util.arraysEqual(from.shape.slice(1), to.shape.slice(1))) {
    throw new Error(
      `copyRow: rows of shape [${from.shape.slice(1)}] do not fit a state of [${to.shape.slice(1)}]`,
    );
  }
  return tf.tidy(() =>
    tf.reshape(cacheCopy(asCache(from), fromRow, asCache(to), toRow, 1), to.shape),
  );
}

/** Copies of rows, whatever their shape. */
function picked(t: tf.Tensor, rows: readonly number[]): tf.Tensor {
  const shape = [rows.length, ...t.shape.slice(1)];
  return tf.keep(tf.tidy(() => tf.reshape(cacheGather(asCache(t), rows, 1), shape)));
}

/** A row as the one position of a cache. */
function asCache(t: tf.Tensor): tf.Tensor4D {
  const [batch, ...row] = t.shape as [number, ...number[]];
  return tf.reshape(t, [batch, 1, 1, tf.util.sizeFromShape(row)]);
}
