/** Keys and values of one attention layer: `[batch, capacity, kv heads, head dim]` each. */
import * as tf from '@tensorflow/tfjs-core';
import { cacheConcat, cacheCopy, cacheGather, cacheWrite } from '../backend/custom/cache.js';
import { bytesOf, storedZeros } from '../backend/custom/stored.js';
import { makeAll } from '../backend/make-all.js';
import type { LayerState } from './state.js';
import { precisionOf, STORAGE, type StatePrecision } from './state-precision.js';

/** The decode state of a {@link GroupedQueryAttention}. */
export class AttentionCache implements LayerState {
  private constructor(
    private keys: tf.Tensor4D,
    private vals: tf.Tensor4D,
  ) {}

  private static of([keys, vals]: readonly tf.Tensor[]): AttentionCache {
    return new AttentionCache(keys as tf.Tensor4D, vals as tf.Tensor4D);
  }

  /** An empty cache. */
  static create(
    batch: number,
    capacity: number,
    nKvHeads: number,
    headDim: number,
    precision: StatePrecision = 'f32',
  ): AttentionCache {
    const shape = [batch, capacity, nKvHeads, headDim];
    const zeros = () => tf.keep(storedZeros(shape, STORAGE[precision]) as tf.Tensor4D);
    return AttentionCache.of(makeAll([zeros, zeros], (make) => make()));
  }

  /** The keys, `[batch, capacity, kv heads, head dim]` in the cache's precision; they stay the cache's. */
  get k(): tf.Tensor4D {
    return this.keys;
  }

  /** The values, of the same shape. */
  get v(): tf.Tensor4D {
    return this.vals;
  }

  /** Rows. */
  get batch(): number {
    return this.keys.shape[0];
  }

  /** Positions that fit in a row. */
  get capacity(): number {
    return this.keys.shape[1];
  }

  /** How keys and values are kept. */
  get precision(): StatePrecision {
    return precisionOf(this.keys);
  }

  /** Bytes of keys and values together. */
  get bytes(): number {
    return bytesOf(this.keys) + bytesOf(this.vals);
  }

  /** Writes new keys and values, float32 `[batch, length, kv heads, head dim]`, at each row's position. */
  append(k: tf.Tensor4D, v: tf.Tensor4D, starts: tf.Tensor1D, lens: tf.Tensor1D): void {
    this.replace(cacheWrite(k, starts, lens, this.keys), cacheWrite(v, starts, lens, this.vals));
  }

  select(rows: readonly number[], capacity = this.capacity): AttentionCache {
    const pick = (t: tf.Tensor4D) => tf.keep(cacheGather(t, rows, capacity));
    return AttentionCache.of(makeAll([this.keys, this.vals], pick));
  }

  copyRow(from: LayerState, fromRow: number, toRow: number, positions: number): void {
    if (!(from instanceof AttentionCache))
      throw new Error('an attention cache takes rows of another');
    const copy = (source: tf.Tensor4D, target: tf.Tensor4D) =>
      cacheCopy(source, fromRow, target, toRow, positions);
    this.replace(copy(from.keys, this.keys), copy(from.vals, this.vals));
  }

  concat(others: readonly LayerState[]): AttentionCache {
    const all = [this, ...(others as AttentionCache[])];
    const parts = [all.map((c) => c.keys), all.map((c) => c.vals)];
    const join = (part: tf.Tensor4D[]) =>
      tf.keep(cacheConcat(part as [tf.Tensor4D, ...tf.Tensor4D[]]));
    return AttentionCache.of(makeAll(parts, join));
  }

  rowSizes(positions: number): number[] {
    const [, , heads, d] = this.keys.shape;
    return [positions * heads * d, positions * heads * d];
  }

  tensors(): tf.Tensor[] {
    return [this.keys, this.vals];
  }

  with(tensors: readonly tf.Tensor[]): AttentionCache {
    return AttentionCache.of(tensors);
  }

  dispose(): void {
    tf.dispose([this.keys, this.vals]);
  }

  private replace(k: tf.Tensor4D, v: tf.Tensor4D): void {
    // In place on `native` the result is the same data; elsewhere it is a new tensor.
    if (k !== this.keys) {
      this.keys.dispose();
      this.keys = tf.keep(k);
    }
    if (v !== this.vals) {
      this.vals.dispose();
      this.vals = tf.keep(v);
    }
  }
}
