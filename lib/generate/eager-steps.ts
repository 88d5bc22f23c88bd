/** Decode steps on tfjs' other backends: operation by operation, tokens through JavaScript. */
import * as tf from '@tensorflow/tfjs-core';
import type { ModelState } from '../layers/index.js';
import type { CausalModel } from '../models/index.js';
import type { Steps } from './captured-steps.js';
import { Draws, type DrawTokens, KEY_WIDTH } from './draws.js';

/** Steps of one state. */
export class EagerSteps implements Steps {
  private tokens: Int32Array;

  constructor(
    private readonly model: CausalModel,
    private readonly state: ModelState,
    private readonly draw: DrawTokens,
  ) {
    this.tokens = new Int32Array(state.batch);
  }

  place(tokens: tf.Tensor1D, fromRows: readonly number[], toRows: readonly number[]): void {
    this.put(tokens.dataSync<'int32'>(), fromRows, toRows);
  }

  move(fromRows: readonly number[], toRows: readonly number[]): void {
    this.put(this.tokens, fromRows, toRows);
  }

  step(used: number, keys: Int32Array, lens: Int32Array): Draws {
    const outputs = tf.tidy(() => {
      const length = tf.tensor1d(lens, 'int32');
      const tokens = tf.tensor1d(this.tokens, 'int32');
      const logits = this.model.stepOnDevice(tokens, this.state, length);
      return this.draw(logits, tf.tensor2d(keys, [this.state.batch, KEY_WIDTH], 'int32'), length);
    });
    const draws = Draws.of(outputs, used);
    tf.dispose(outputs);
    this.tokens.set(draws.ids());
    return draws;
  }

  forgetCaches(): void {}

  truncate(rows: number): void {
    this.tokens = this.tokens.slice(0, rows);
  }

  dispose(): void {}

  private put(tokens: Int32Array, fromRows: readonly number[], toRows: readonly number[]): void {
    toRows.forEach((row, i) => {
      this.tokens[row] = tokens[fromRows[i] as number] as number;
    });
  }
}
