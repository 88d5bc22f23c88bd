/** What a recurrent mixer remembers: tensors whose size does not grow with the text. */
import * as tf from '@tensorflow/tfjs-core';
import { cacheCopy } from '../backend/custom/cache.js';
import { isNative, nativeBackend } from '../backend/init.js';
import type { LayerState } from './state.js';

/** A convolution window and a recurrence's state, batch first. */
export class RecurrentState implements LayerState {
  private constructor(
    private window: tf.Tensor,
    private hidden: tf.Tensor,
  ) {}

  /**
   * The state before the first token.
   *
   * @param window shape of a row's convolution window `[width - 1, channels]`.
   * @param hidden shape of a row's recurrent state.
   */
  static create(
    batch: number,
    window: readonly number[],
    hidden: readonly number[],
  ): RecurrentState {
    const zeros = (shape: readonly number[]) => tf.keep(tf.zeros([batch, ...shape]));
    return new RecurrentState(zeros(window), zeros(hidden));
  }

  /** `[batch, width - 1, channels]`, the newest token last. */
  get conv(): tf.Tensor3D {
    return this.window as tf.Tensor3D;
  }

  /** The recurrence's state. */
  get ssm(): tf.Tensor {
    return this.hidden;
  }

  /** Bytes of both tensors. */
  get bytes(): number {
    return 4 * (this.window.size + this.hidden.size);
  }

  /** Takes what the kernels made of both. */
  update(conv: tf.Tensor, ssm: tf.Tensor): void {
    this.window = replaced(this.window, conv);
    this.hidden = replaced(this.hidden, ssm);
  }

  select(rows: readonly number[]): RecurrentState {
    const pick = (t: tf.Tensor) =>
      tf.keep(tf.tidy(() => tf.gather(t, tf.tensor1d([...rows], 'int32'))));
    return new RecurrentState(pick(this.window), pick(this.hidden));
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
    const join = (of: (s: RecurrentState) => tf.Tensor) => tf.keep(tf.concat(all.map(of), 0));
    return new RecurrentState(
      join((s) => s.window),
      join((s) => s.hidden),
    );
  }

  rowSizes(): number[] {
    return this.tensors().map((t) => tf.util.sizeFromShape(t.shape.slice(1)));
  }

  tensors(): tf.Tensor[] {
    return [this.window, this.hidden];
  }

  with(tensors: readonly tf.Tensor[]): RecurrentState {
    const [window, hidden] = tensors as [tf.Tensor, tf.Tensor];
    return new RecurrentState(window, hidden);
  }

  dispose(): void {
    tf.dispose([this.window, this.hidden]);
  }
}

/** `next` in the place of `old`: on `native` on the same memory, whose address programs hold. */
function replaced(old: tf.Tensor, next: tf.Tensor): tf.Tensor {
  if (next === old) return old;
  if (isNative() && next.dataId !== old.dataId) {
    const backend = nativeBackend();
    backend.engine.run('copy', [backend.operand(next), backend.operand(old)]);
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
  return tf.tidy(() => {
    const flat = (t: tf.Tensor) => tf.reshape(t, [t.shape[0] as number, 1, 1, -1]) as tf.Tensor4D;
    return tf.reshape(cacheCopy(flat(from), fromRow, flat(to), toRow, 1), to.shape);
  });
}
