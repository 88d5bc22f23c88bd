/**
 * Decode steps on `native`: captured programs, one for each of a few batch sizes, on the same memory.
 *
 * A program reads each row's token where the step before it left it and moves positions and keys forward
 * itself. JavaScript writes only what it changes, in the stream's order, so that a step can be asked for
 * before anybody has looked at the draws of the last one.
 */
import * as tf from '@tensorflow/tfjs-core';
import { assign, firstRows, Program } from '../backend/capture.js';
import { addToLast, copyRows, copyValues } from '../backend/custom/in-place.js';
import { makeAll } from '../backend/make-all.js';
import type { ModelState } from '../layers/index.js';
import type { CausalModel } from '../models/index.js';
import { Draws, type DrawTokens, KEY_WIDTH } from './draws.js';

/** What a step goes by beside the state. */
export interface Steps {
  /** Gives rows the tokens that they read next: `tokens[fromRows[i]]` to row `toRows[i]`. */
  place(tokens: tf.Tensor1D, fromRows: readonly number[], toRows: readonly number[]): void;
  /** Moves rows' tokens to other places. */
  move(fromRows: readonly number[], toRows: readonly number[]): void;
  /**
   * Reads a token in each of the first `used` rows and draws the next.
   *
   * @param keys of every row, {@link KEY_WIDTH} numbers each, as they are for this draw.
   * @param lens 1 for the rows in use, 0 for others.
   * @param isChanged keys or lens are not those of the last step moved on.
   */
  step(used: number, keys: Int32Array, lens: Int32Array, isChanged: boolean): Draws;
  /** The state's caches will be others: what was made for those that it has is freed. */
  forgetCaches(): void;
  /** The state has only its first `rows` rows left. */
  truncate(rows: number): void;
  dispose(): void;
}

/** Steps of one state. */
export class CapturedSteps implements Steps {
  private readonly programs = new Map<number, Program<tf.Tensor[]>>();
  private tokens: tf.Tensor1D;
  private keys: tf.Tensor2D;
  private lens: tf.Tensor1D;

  constructor(
    private readonly model: CausalModel,
    private readonly state: ModelState,
    private readonly draw: DrawTokens,
  ) {
    const { batch } = state;
    const shapes = [[batch], [batch, KEY_WIDTH], [batch]];
    const zeros = makeAll(shapes, (shape) => tf.keep(tf.zeros(shape, 'int32')));
    [this.tokens, this.keys, this.lens] = zeros as [tf.Tensor1D, tf.Tensor2D, tf.Tensor1D];
  }

  place(tokens: tf.Tensor1D, fromRows: readonly number[], toRows: readonly number[]): void {
    copyRows([{ from: tokens, to: this.tokens, size: 1 }], fromRows, toRows);
  }

  move(fromRows: readonly number[], toRows: readonly number[]): void {
    this.place(this.tokens, fromRows, toRows);
  }

  step(used: number, keys: Int32Array, lens: Int32Array, isChanged: boolean): Draws {
    if (isChanged) {
      assign(this.keys, keys);
      assign(this.lens, lens);
    }
    const size = Math.min(this.state.batch, programSize(used));
    let program = this.programs.get(size);
    if (program) program.replay();
    else {
      // A trace is the first run too.
      program = this.trace(size);
      this.programs.set(size, program);
    }
    return Draws.of(program.outputs, used);
  }

  forgetCaches(): void {
    for (const program of this.programs.values()) program.dispose();
    this.programs.clear();
  }

  truncate(rows: number): void {
    this.forgetCaches();
    const old = [this.tokens, this.keys, this.lens];
    [this.tokens, this.keys, this.lens] = this.firstOf(rows);
    tf.dispose(old);
  }

  dispose(): void {
    this.forgetCaches();
    tf.dispose([this.tokens, this.keys, this.lens]);
  }

  private trace(size: number): Program<tf.Tensor[]> {
    const part = this.state.prefix(size);
    const [tokens, keys, lens] = this.firstOf(size);
    try {
      return Program.trace(() => {
        const logits = this.model.stepOnDevice(tokens, part, lens);
        const drawn = this.draw(logits, keys, lens);
        copyValues(drawn[0], tokens);
        addToLast(keys, lens);
        return drawn;
      });
    } finally {
      part.dispose();
      tf.dispose([tokens, keys, lens]);
    }
  }

  /** Tokens, keys and lens of the first rows, on the same memory. */
  private firstOf(rows: number) {
    const cut = (t: tf.Tensor) => tf.keep(firstRows(t, rows));
    const parts = [this.tokens, this.keys, this.lens].map(cut);
    return parts as [tf.Tensor1D, tf.Tensor2D, tf.Tensor1D];
  }
}

/** The smallest size of the ladder 1, 2, 3, 4, 6, 8, 12, 16, 24, ... that holds the rows. */
function programSize(rows: number): number {
  const power = 2 ** Math.floor(Math.log2(rows));
  if (power === rows) return rows;
  return rows <= power * 1.5 && power > 1 ? power * 1.5 : power * 2;
}
