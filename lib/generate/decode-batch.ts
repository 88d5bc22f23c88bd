/**
 * Rows that decode together: one state, one token a row and step, drawn on the device and read by the
 * next step where it was drawn.
 *
 * Rows in use stay at the front, so that a shrinking batch runs a smaller program on the same memory.
 * Everything is queued in order: rows may be filled and moved while the draws of earlier steps are
 * still on their way, and those draws stay what they were.
 */
import * as tf from '@tensorflow/tfjs-core';
import { isNative } from '../backend/init.js';
import type { ModelState, StatePrecision } from '../layers/index.js';
import type { CausalModel } from '../models/index.js';
import { CapturedSteps, type Steps } from './captured-steps.js';
import { type DrawKey, Draws, type DrawTokens, drawBy, KEY_WIDTH, putKey } from './draws.js';
import { EagerSteps } from './eager-steps.js';
import type { SamplingOptions } from './options.js';

/** Tokens drawn from one prompt's logits, for rows that are filled with them. */
export interface FirstTokens {
  /** int32 `[draws]`. */
  readonly tokens: tf.Tensor1D;
  readonly draws: Draws;
}

/** Rows to be filled. */
export interface Filling {
  /** One row: what the rows have read so far. */
  readonly state: ModelState;
  /** The tokens that they read next: row `toRows[i]` the one at `fromTokens[i]`. */
  readonly tokens: tf.Tensor1D;
  readonly fromTokens: readonly number[];
  readonly toRows: readonly number[];
  /** The keys of their next draws. */
  readonly keys: readonly DrawKey[];
}

/** The rows of a run. */
export class DecodeBatch {
  readonly state: ModelState;
  private readonly steps: Steps;
  private readonly draw: DrawTokens;
  private keys: Int32Array;
  private lens: Int32Array;
  private used = 0;
  private isChanged = true;
  private isTorn = false;

  /**
   * @param rows of the batch.
   * @param capacity tokens that a row has room for at first.
   * @param precision of the rows' states.
   * @param longest tokens that a row has at most, to which the room grows; default the model's context.
   */
  constructor(
    model: CausalModel,
    rows: number,
    sampling: Required<SamplingOptions>,
    capacity: number,
    precision: StatePrecision = 'f32',
    private readonly longest = model.config.contextLength,
  ) {
    this.state = model.newState(rows, capacity, { precision });
    this.draw = drawBy(sampling);
    const Kind = isNative() ? CapturedSteps : EagerSteps;
    try {
      this.steps = new Kind(model, this.state, this.draw);
    } catch (error) {
      this.state.dispose();
      throw error;
    }
    this.keys = new Int32Array(rows * KEY_WIDTH);
    this.lens = new Int32Array(rows);
  }

  /** Whether the rows are what was asked of them: not where a step or a move failed half-way. */
  get isWhole(): boolean {
    return !this.isTorn;
  }

  /**
   * Draws the first tokens of completions of one prompt, all from the same logits. The caller disposes
   * of `tokens`.
   *
   * @param logits `[1, vocab]`.
   */
  first(logits: tf.Tensor2D, keys: readonly DrawKey[]): FirstTokens {
    const rows = keys.length;
    const values = new Int32Array(rows * KEY_WIDTH);
    for (const [row, key] of keys.entries()) putKey(values, row, key);
    const [tokens, logProbs] = tf.tidy(() => {
      const lens = tf.ones([rows], 'int32') as tf.Tensor1D;
      const all = tf.tile(logits, [rows, 1]);
      return this.draw(all, tf.tensor2d(values, [rows, KEY_WIDTH], 'int32'), lens);
    });
    try {
      return { tokens: tf.keep(tokens), draws: Draws.of([tokens, logProbs], rows) };
    } catch (error) {
      tokens.dispose();
      throw error;
    } finally {
      logProbs.dispose();
    }
  }

  /** Puts a prompt's state, tokens and keys into rows. */
  fill({ state, tokens, fromTokens, toRows, keys }: Filling): void {
    if (toRows.length === 0) return;
    this.reserve(state.lengths[0] as number);
    this.state.copyRows(state, new Array<number>(toRows.length).fill(0), toRows);
    this.steps.place(tokens, fromTokens, toRows);
    toRows.forEach((row, i) => {
      putKey(this.keys, row, keys[i] as DrawKey);
    });
    this.isChanged = true;
  }

  /** Moves rows to other places, none of which is moved itself. */
  move(fromRows: readonly number[], toRows: readonly number[]): void {
    if (fromRows.length === 0) return;
    this.wholly(() => {
      this.state.copyRows(this.state, fromRows, toRows);
      this.steps.move(fromRows, toRows);
    });
    fromRows.forEach((from, i) => {
      const start = from * KEY_WIDTH;
      this.keys.copyWithin((toRows[i] as number) * KEY_WIDTH, start, start + KEY_WIDTH);
    });
    this.isChanged = true;
  }

  /** Moves the first `used` rows one token forward; the draws may be taken when they are needed. */
  step(used: number): Draws {
    let longest = 0;
    const { lengths } = this.state;
    for (let row = 0; row < used; row++) longest = Math.max(longest, lengths[row] as number);
    if (longest + 1 > this.state.capacity) {
      this.reserve(Math.max(longest + 1, Math.min(this.longest, 2 * this.state.capacity)));
    }
    if (used !== this.used) {
      this.lens.fill(1, 0, used).fill(0, used);
      this.used = used;
      this.isChanged = true;
    }
    const draws = this.wholly(() => this.steps.step(used, this.keys, this.lens, this.isChanged));
    this.isChanged = false;
    this.state.advanceHost(this.lens);
    const position = KEY_WIDTH - 1;
    for (let row = 0; row < used; row++) {
      const at = row * KEY_WIDTH + position;
      this.keys[at] = (this.keys[at] as number) + 1;
    }
    return draws;
  }

  /** Gives up all rows but the first `rows`, and their memory. */
  truncate(rows: number): void {
    this.wholly(() => {
      this.steps.truncate(rows);
      this.state.truncate(rows);
    });
    this.keys = this.keys.slice(0, rows * KEY_WIDTH);
    this.lens = new Int32Array(rows);
    this.used = 0;
  }

  /** Makes room in the caches; the programs go first, which know the old ones, so that theirs is free. */
  private reserve(positions: number): void {
    if (positions <= this.state.capacity) return;
    this.steps.forgetCaches();
    this.state.reserve(positions);
  }

  private wholly<T>(body: () => T): T {
    this.isTorn = true;
    const result = body();
    this.isTorn = false;
    return result;
  }

  dispose(): void {
    this.steps.dispose();
    this.state.dispose();
  }
}
