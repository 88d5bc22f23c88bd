/**
 * What decoding remembers, as a value that the caller owns: caches of attention layers, states of
 * recurrent ones, and how many tokens each row has seen.
 *
 * `extend` and `step` of a model move a state forward in place. To keep an earlier point, clone it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { assign, firstRows } from '../backend/capture.js';
import { addPositions } from '../backend/custom/add-positions.js';
import { copyRows, type RowPair } from '../backend/custom/in-place.js';
import { isNative } from '../backend/init.js';
import { makeAll } from '../backend/make-all.js';
import type { StatePrecision } from './state-precision.js';

/** The part of a state that belongs to one layer. */
export interface LayerState {
  /** How its keys and values, or its recurrent state, are kept. */
  readonly precision: StatePrecision;
  /** Bytes of its tensors. */
  readonly bytes: number;
  /** Copies of these rows, in this order, with room for `capacity` positions. */
  select(rows: readonly number[], capacity?: number): LayerState;
  /** This state's rows followed by the others'. */
  concat(others: readonly LayerState[]): LayerState;
  /** Overwrites a row with the first `positions` positions of another state's row. */
  copyRow(from: LayerState, fromRow: number, toRow: number, positions: number): void;
  /** Of each tensor, in the order of `tensors`, the numbers at a row's start that `positions` positions fill. */
  rowSizes(positions: number): number[];
  /** The tensors, batch first; they stay the state's. */
  tensors(): tf.Tensor[];
  /** The same kind of state over other tensors, in the order of `tensors`; it takes them over. */
  with(tensors: readonly tf.Tensor[]): LayerState;
  /** Frees the tensors. */
  dispose(): void;
}

/** The decode state of a model: one {@link LayerState} a layer, and each row's position. */
export class ModelState {
  private disposed = false;

  private constructor(
    private readonly layerStates: LayerState[],
    private positionTensor: tf.Tensor1D,
    private readonly rowLengths: number[],
    private room: number,
  ) {}

  /** An empty state: `layers` makes the parts of all layers for `batch` rows of `capacity`. */
  static create(layers: () => LayerState[], batch: number, capacity: number): ModelState {
    return ModelState.of(layers, new Array<number>(batch).fill(0), capacity);
  }

  private static of(layers: () => LayerState[], lengths: number[], room: number): ModelState {
    const positions = positionsOf(lengths);
    try {
      return new ModelState(layers(), positions, lengths, room);
    } catch (error) {
      positions.dispose();
      throw error;
    }
  }

  /** Rows. */
  get batch(): number {
    return this.rowLengths.length;
  }

  /** Positions that fit before the caches have to grow. */
  get capacity(): number {
    return this.room;
  }

  /** Tokens that each row has seen. */
  get lengths(): readonly number[] {
    return this.rowLengths;
  }

  /** The same on the device, int32 `[batch]`. */
  get positions(): tf.Tensor1D {
    this.check();
    return this.positionTensor;
  }

  /** How keys, values and recurrent states are kept. */
  get precision(): StatePrecision {
    return this.layerStates[0]?.precision ?? 'f32';
  }

  /** Bytes of all caches and states. */
  get bytes(): number {
    return this.layerStates.reduce((sum, l) => sum + l.bytes, 0);
  }

  /** The part of one layer. */
  layer(i: number): LayerState {
    this.check();
    const layer = this.layerStates[i];
    if (!layer) throw new Error(`the state has ${this.layerStates.length} layers, not ${i + 1}`);
    return layer;
  }

  /** An independent copy. */
  clone(): ModelState {
    return this.select(this.rowLengths.map((_, i) => i));
  }

  /** Copies of these rows, in this order; a row may be named more than once. */
  select(rows: readonly number[], capacity = this.room): ModelState {
    this.check();
    this.checkRows(rows);
    const lengths = rows.map((r) => this.rowLengths[r] as number);
    const longest = Math.max(0, ...lengths);
    if (capacity < longest) {
      throw new Error(`select: capacity ${capacity} is less than the longest row's ${longest}`);
    }
    const layers = () => makeAll(this.layerStates, (l) => l.select(rows, capacity));
    return ModelState.of(layers, lengths, capacity);
  }

  /** The rows of all states, one after the other; they are of one precision. */
  static concat(states: readonly ModelState[]): ModelState {
    const [first, ...rest] = states;
    if (!first) throw new Error('concat: at least one state expected, got none');
    for (const s of states) s.check();
    for (const s of rest) first.checkPrecision('concat', s);
    const layers = () =>
      makeAll([...first.layerStates.keys()], (i) =>
        first.layer(i).concat(rest.map((s) => s.layer(i))),
      );
    const lengths = states.flatMap((s) => [...s.rowLengths]);
    const capacity = Math.max(...states.map((s) => s.room));
    return ModelState.of(layers, lengths, capacity);
  }

  /** Overwrites a row with a row of another state of the same model and precision. */
  copyRow(from: ModelState, fromRow: number, toRow: number): void {
    this.check();
    from.check();
    this.checkPrecision('copyRow', from);
    from.checkRows([fromRow]);
    this.checkRows([toRow]);
    const length = from.rowLengths[fromRow] as number;
    this.reserve(length);
    this.layerStates.forEach((l, i) => {
      l.copyRow(from.layer(i), fromRow, toRow, length);
    });
    this.rowLengths[toRow] = length;
    this.setPositions();
  }

  /**
   * Overwrites row `toRows[i]` with row `fromRows[i]` of another state of the same model, on `native` in
   * one operation for all rows and layers. Of one state a row is read or written, and not both.
   */
  copyRows(from: ModelState, fromRows: readonly number[], toRows: readonly number[]): void {
    this.check();
    from.check();
    from.checkRows(fromRows);
    this.checkRows(toRows);
    if (fromRows.length !== toRows.length) {
      throw new Error(`copyRows: ${fromRows.length} rows for ${toRows.length} places`);
    }
    if (fromRows.length === 0) return;
    if (!isNative()) {
      toRows.forEach((row, i) => {
        this.copyRow(from, fromRows[i] as number, row);
      });
      return;
    }
    const longest = fromRows.reduce((most, r) => Math.max(most, from.rowLengths[r] as number), 0);
    this.reserve(longest);
    copyRows(this.rowPairs(from, longest), fromRows, toRows);
    toRows.forEach((row, i) => {
      this.rowLengths[row] = from.rowLengths[fromRows[i] as number] as number;
    });
    this.setPositions();
  }

  private rowPairs(from: ModelState, positions: number): RowPair[] {
    return this.layerStates.flatMap((layer, i) => {
      const other = from.layer(i);
      const sizes = layer.rowSizes(positions);
      if (!tf.util.arraysEqual(layer.rowSizes(1), other.rowSizes(1))) {
        throw new Error(`copyRows: rows of layer ${i} differ: two states of one model expected`);
      }
      const tensors = other.tensors();
      return layer.tensors().map((to, k) => ({
        from: tensors[k] as tf.Tensor,
        to,
        size: sizes[k] as number,
      }));
    });
  }

  /**
   * Makes room for `capacity` positions; what is there stays, also where memory ends on the way. Captured
   * steps of the state are of no more use in either case.
   */
  reserve(capacity: number): void {
    this.check();
    if (capacity <= this.room) return;
    this.replaceLayers(this.batch, capacity);
    this.room = capacity;
  }

  /**
   * Gives up all rows but the first `rows`, and their memory. Where memory ends on the way the state is of
   * no more use.
   */
  truncate(rows: number): void {
    this.check();
    if (rows >= this.batch) return;
    this.replaceLayers(rows, this.room);
    const positions = positionsOf(this.rowLengths.slice(0, rows));
    this.positionTensor.dispose();
    this.positionTensor = positions;
    this.rowLengths.length = rows;
  }

  /** Layer by layer, so that no more than one is there twice. */
  private replaceLayers(rows: number, capacity: number): void {
    const first = Array.from({ length: rows }, (_, row) => row);
    this.layerStates.forEach((l, i) => {
      this.layerStates[i] = l.select(first, capacity);
      l.dispose();
    });
  }

  /**
   * The first `rows` rows on the same memory: moving the view forward moves them. Captured decode
   * steps of a smaller batch run on it.
   */
  prefix(rows: number): ModelState {
    this.check();
    const cut = (t: tf.Tensor) => tf.keep(firstRows(t, rows));
    const layers = this.layerStates.map((l) => l.with(l.tensors().map(cut)));
    const positions = cut(this.positionTensor) as tf.Tensor1D;
    return new ModelState(layers, positions, this.rowLengths.slice(0, rows), this.room);
  }

  /** Adds `counts[row]` seen tokens to each row; `lens` is the same on the device. */
  advance(lens: tf.Tensor1D, counts: readonly number[]): void {
    this.advanceDevice(lens);
    this.advanceHost(counts);
  }

  /** The device's half of {@link advance}: what a captured step does itself. */
  advanceDevice(lens: tf.Tensor1D): void {
    const next = addPositions(this.positions, lens);
    this.positionTensor.dispose();
    this.positionTensor = tf.keep(next);
  }

  /** The host's half of {@link advance}. */
  advanceHost(counts: ArrayLike<number>): void {
    for (let row = 0; row < counts.length; row++) {
      this.rowLengths[row] = (this.rowLengths[row] as number) + (counts[row] as number);
    }
  }

  /** Frees all caches and states; a second call does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const l of this.layerStates) l.dispose();
    this.positionTensor.dispose();
  }

  private setPositions(): void {
    // In place where it can be: captured steps hold the tensor's address.
    if (isNative()) {
      assign(this.positionTensor, Int32Array.from(this.rowLengths));
      return;
    }
    this.positionTensor.dispose();
    this.positionTensor = positionsOf(this.rowLengths);
  }

  private check(): void {
    if (this.disposed) throw new Error('the state was disposed');
  }

  private checkPrecision(what: string, { precision }: ModelState): void {
    if (precision !== this.precision) {
      throw new Error(`${what}: rows of a ${precision} state do not fit a ${this.precision} state`);
    }
  }

  private checkRows(rows: readonly number[]): void {
    for (const r of rows) {
      if (!Number.isInteger(r) || r < 0 || r >= this.batch) {
        throw new Error(`the state has rows 0 to ${this.batch - 1}, not ${r}`);
      }
    }
  }
}

function positionsOf(lengths: readonly number[]): tf.Tensor1D {
  return tf.keep(tf.tensor1d([...lengths], 'int32'));
}
