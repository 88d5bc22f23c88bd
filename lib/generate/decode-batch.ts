/**
 * Rows that decode together: one state, one token a row and step, drawn on the device.
 *
 * On `native` a step is a captured program, one for each of a few batch sizes; between two steps
 * JavaScript writes the last tokens and reads the new ones. Rows in use stay at the front, so that
 * a shrinking batch runs a smaller program on the same memory.
 */
import * as tf from '@tensorflow/tfjs-core';
import { assign, Program } from '../backend/capture.js';
import { sampleTokens } from '../backend/custom/sample-tokens.js';
import { isNative } from '../backend/init.js';
import type { ModelState, StatePrecision } from '../layers/index.js';
import type { CausalModel } from '../models/index.js';
import type { SamplingOptions } from './options.js';

/** Names a draw: the same key draws the same number whatever the batch. */
export interface DrawKey {
  seed: number;
  prompt: number;
  sample: number;
  /** Index of the token in its completion. */
  position: number;
}

/** What one row feeds to a step. */
export interface RowInput extends DrawKey {
  token: number;
}

/** A token and its log-probability under the model. */
export interface Draw {
  token: number;
  logProb: number;
}

interface Compiled {
  program: Program<tf.Tensor[]>;
  inputs: tf.Tensor[];
}

/** The rows of a run. */
export class DecodeBatch {
  readonly state: ModelState;
  private readonly programs = new Map<number, Compiled>();
  private programCapacity = 0;

  constructor(
    private readonly model: CausalModel,
    private readonly rows: number,
    private readonly sampling: Required<SamplingOptions>,
    capacity: number,
    precision: StatePrecision = 'f32',
  ) {
    this.state = model.newState(rows, capacity, { precision });
  }

  /**
   * Draws from logits that are there already: the first tokens of completions of one prompt, in one go
   * since each would wait for the device.
   *
   * @param logits `[1, vocab]`.
   */
  first(logits: tf.Tensor2D, keys: readonly DrawKey[]): Draw[] {
    const rows = keys.length;
    const outputs = tf.tidy(() => {
      const lens = tf.ones([rows], 'int32') as tf.Tensor1D;
      return this.draw(tf.tile(logits, [rows, 1]), keysTensor(keys, rows), lens);
    });
    const draws = readDraws(outputs, rows);
    tf.dispose(outputs);
    return draws;
  }

  /** Moves the first `inputs.length` rows one token forward. */
  step(inputs: readonly RowInput[]): Draw[] {
    const used = inputs.length;
    const longest = Math.max(...this.state.lengths.slice(0, used)) + 1;
    if (longest > this.state.capacity) {
      this.state.reserve(Math.min(this.model.config.contextLength, 2 * this.state.capacity));
    }
    const draws = isNative() ? this.replay(inputs) : this.eager(inputs);
    this.state.advanceHost(inputs.map(() => 1));
    return draws;
  }

  /** Puts a prompt's state into a row. */
  fill(row: number, from: ModelState): void {
    this.state.copyRow(from, 0, row);
  }

  /** Moves a row's state to another place. */
  move(fromRow: number, toRow: number): void {
    if (fromRow !== toRow) this.state.copyRow(this.state, fromRow, toRow);
  }

  dispose(): void {
    this.dropPrograms();
    this.state.dispose();
  }

  private draw(logits: tf.Tensor2D, keys: tf.Tensor2D, lens: tf.Tensor1D): tf.Tensor[] {
    const { temperature, topP, minP, topK } = this.sampling;
    return tf.tidy(() => {
      const row = [temperature, topP, minP, topK];
      const params = tf.tensor2d(Array.from({ length: logits.shape[0] }, () => row));
      return sampleTokens({ logits, params, keys, lens });
    });
  }

  private replay(inputs: readonly RowInput[]): Draw[] {
    if (this.programCapacity !== this.state.capacity) this.dropPrograms();
    const size = Math.min(this.rows, programSize(inputs.length));
    const compiled = this.programs.get(size);
    if (!compiled) return this.trace(inputs, size);
    hostInputs(inputs, size).forEach((values, i) => {
      assign(compiled.inputs[i] as tf.Tensor, values);
    });
    compiled.program.replay();
    return readDraws(compiled.program.outputs, inputs.length);
  }

  /** A trace is the first run, so it happens with the step's own inputs. */
  private trace(inputs: readonly RowInput[], size: number): Draw[] {
    const [tokens, keys, lens] = deviceInputs(inputs, size).map((t) => tf.keep(t));
    const part = this.state.prefix(size);
    try {
      const program = Program.trace(() => {
        const logits = this.model.stepOnDevice(tokens as tf.Tensor1D, part, lens as tf.Tensor1D);
        return this.draw(logits, keys as tf.Tensor2D, lens as tf.Tensor1D);
      });
      this.programs.set(size, { program, inputs: [tokens, keys, lens] as tf.Tensor[] });
      this.programCapacity = this.state.capacity;
      return readDraws(program.outputs, inputs.length);
    } finally {
      part.dispose();
    }
  }

  private eager(inputs: readonly RowInput[]): Draw[] {
    const outputs = tf.tidy(() => {
      const [tokens, keys, lens] = deviceInputs(inputs, this.rows);
      const logits = this.model.stepOnDevice(
        tokens as tf.Tensor1D,
        this.state,
        lens as tf.Tensor1D,
      );
      return this.draw(logits, keys as tf.Tensor2D, lens as tf.Tensor1D);
    });
    const draws = readDraws(outputs, inputs.length);
    tf.dispose(outputs);
    return draws;
  }

  private dropPrograms(): void {
    for (const { program, inputs } of this.programs.values()) {
      program.dispose();
      tf.dispose(inputs);
    }
    this.programs.clear();
  }
}

/** The smallest size of the ladder 1, 2, 3, 4, 6, 8, 12, 16, 24, ... that holds the rows. */
function programSize(rows: number): number {
  const power = 2 ** Math.floor(Math.log2(rows));
  if (power === rows) return rows;
  return rows <= power * 1.5 && power > 1 ? power * 1.5 : power * 2;
}

function keysOf(keys: readonly DrawKey[], size: number): Int32Array {
  const values = new Int32Array(size * 4);
  keys.forEach((k, row) => {
    values.set([k.seed | 0, k.prompt, k.sample, k.position], row * 4);
  });
  return values;
}

function keysTensor(keys: readonly DrawKey[], size: number): tf.Tensor2D {
  return tf.tensor2d(keysOf(keys, size), [size, 4], 'int32');
}

function hostInputs(inputs: readonly RowInput[], size: number): Int32Array[] {
  const tokens = new Int32Array(size);
  const lens = new Int32Array(size);
  inputs.forEach((input, row) => {
    tokens[row] = input.token;
    lens[row] = 1;
  });
  return [tokens, keysOf(inputs, size), lens];
}

function deviceInputs(inputs: readonly RowInput[], size: number): tf.Tensor[] {
  const [tokens, keys, lens] = hostInputs(inputs, size) as [Int32Array, Int32Array, Int32Array];
  return [
    tf.tensor1d(tokens, 'int32'),
    tf.tensor2d(keys, [size, 4], 'int32'),
    tf.tensor1d(lens, 'int32'),
  ];
}

function readDraws(outputs: readonly tf.Tensor[], rows: number): Draw[] {
  const [ids, logProbs] = outputs.map((t) => t.dataSync());
  return Array.from({ length: rows }, (_, row) => ({
    token: ids?.[row] as number,
    logProb: logProbs?.[row] as number,
  }));
}
