/**
 * What the three families share: embedding, residual blocks, norm, head, and reading whole sequences
 * or going on from a decode state.
 *
 * `h = E[tokens]; h = block_i(h) for each i; logits = norm(h) W^T`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { isTaped } from '../backend/custom/tape.js';
import { makeAll } from '../backend/make-all.js';
import {
  type BlockContext,
  Linear,
  ModelState,
  type ResidualBlock,
  RMSNorm,
  type RotaryEmbedding,
  TokenEmbedding,
  type WeightSource,
} from '../layers/index.js';
import { type StatePrecision, statePrecisionOf } from '../layers/state-precision.js';
import type { CausalModel, ExtendOptions, StateOptions } from './causal-model.js';
import { checkpointed } from './checkpointed.js';
import { fingerprintOf } from './fingerprint.js';
import type { ModelConfig } from './model-config.js';
import { stateSizes } from './state-sizes.js';

/** Positions of a new state, before it has to grow. */
const FIRST_CAPACITY = 64;

/** What a checkpoint says beside the configuration. */
export interface DecoderOptions {
  /** Bytes of the weights as stored; default 4 a parameter. */
  bytes?: number;
  /** The name or path that the model was loaded by: its tokenizer is found there. */
  ref?: string;
}

/** How whole sequences are read to train on them. */
export interface ReadOptions {
  /** Not 0 where a packed document starts, int32 `[batch, length]`: nothing before it is seen. */
  resets?: tf.Tensor2D;
  /**
   * Keeps only the blocks' inputs for the gradient and computes a block's insides again in the backward
   * pass: a third more arithmetic, a small part of the memory. Default false.
   */
  checkpoint?: boolean;
}

/** A stack of residual blocks between an embedding and a head. */
export abstract class Decoder<Config extends ModelConfig> implements CausalModel {
  private readonly embedding: TokenEmbedding;
  private readonly norm: RMSNorm;
  private readonly head: Linear | undefined;
  readonly bytes: number;
  readonly ref: string | undefined;
  private disposed = false;

  /**
   * @param weights supplies the parameters by path (`layers.0.mixer.z`); those that it does not give
   *   start at random.
   * @param rope shared by the attention layers, if there are any; the model takes it over.
   */
  protected constructor(
    readonly config: Config,
    /** From the first to the last. */
    readonly blocks: readonly ResidualBlock[],
    weights: WeightSource | undefined,
    options: DecoderOptions,
    private readonly rope?: RotaryEmbedding,
  ) {
    const { vocabSize, dModel, normEps, tieEmbeddings } = config;
    this.embedding = new TokenEmbedding({ vocabSize, dModel });
    this.norm = new RMSNorm({ epsilon: normEps });
    this.head = tieEmbeddings ? undefined : new Linear({ units: vocabSize });
    try {
      for (const [path, part] of this.parts) part.buildWith(dModel, weights, path);
    } catch (error) {
      this.dispose();
      throw error;
    }
    this.ref = options.ref;
    this.bytes = options.bytes ?? 4 * this.parameterCount();
  }

  forward(tokens: tf.Tensor): tf.Tensor3D {
    this.checkTokens('forward', tokens);
    this.checkContext('forward', tokens.shape[1] as number);
    return tf.tidy(() => {
      const hidden = this.hidden(tokens, () => (this.rope ? { rope: this.rope } : {}));
      return this.logits(hidden) as tf.Tensor3D;
    });
  }

  /**
   * Hidden states of whole sequences after the last norm: times {@link headWeight} they are the logits.
   *
   * @param tokens int32 `[batch, length]`.
   * @returns float32 `[batch, length, dModel]`.
   */
  read(tokens: tf.Tensor2D, options: ReadOptions = {}): tf.Tensor3D {
    this.checkTokens('read', tokens);
    this.checkContext('read', tokens.shape[1]);
    return tf.tidy(() => {
      const context = this.sequence(options);
      const through = options.checkpoint && isTaped() ? checkpointed : undefined;
      return this.norm.call(this.hidden(tokens, () => context, through)) as tf.Tensor3D;
    });
  }

  /**
   * The input of every block and, last, the output of the last one: `nLayers + 1` of
   * `[batch, length, dModel]`.
   */
  layerStates(tokens: tf.Tensor2D, { resets }: Pick<ReadOptions, 'resets'> = {}): tf.Tensor3D[] {
    this.checkTokens('layerStates', tokens);
    this.checkContext('layerStates', tokens.shape[1]);
    return tf.tidy(() => {
      const context = this.sequence(resets ? { resets } : {});
      const states = [this.embedding.call(tokens)];
      for (const block of this.blocks) {
        states.push(block.call(states[states.length - 1] as tf.Tensor, context));
      }
      return states as tf.Tensor3D[];
    });
  }

  /** What the blocks are called with for whole sequences. */
  sequence({ resets }: Pick<ReadOptions, 'resets'> = {}): BlockContext {
    return { ...(this.rope && { rope: this.rope }), ...(resets && { resets }) };
  }

  /** The output matrix `[vocab, dModel]`; the embedding's where they are tied. */
  get headWeight(): tf.Tensor2D {
    const weights = (this.head ?? this.embedding).parametersByPath('');
    return weights.get('.weight') as tf.Tensor2D;
  }

  /** Gives every parameter float32 memory of its own, to be trained: what was mapped or packed is copied. */
  ownParameters(): void {
    this.check();
    for (const [, part] of this.parts) part.ownParameters();
  }

  newState(batch: number, capacity = FIRST_CAPACITY, options: StateOptions = {}): ModelState {
    this.check();
    for (const [name, n] of Object.entries({ batch, capacity })) {
      if (!Number.isSafeInteger(n) || n < 1) {
        throw new Error(`newState: ${name} must be a positive integer, got ${n}`);
      }
    }
    // Without attention nothing grows, so that there is room for every sequence from the start.
    const room = this.rope ? capacity : this.config.contextLength;
    const precision = statePrecisionOf('newState: precision', options.precision ?? 'f32');
    const layers = () => makeAll(this.blocks, (block) => block.newState(batch, room, precision));
    return ModelState.create(layers, batch, room);
  }

  extend(tokens: tf.Tensor, state: ModelState, options: ExtendOptions = {}): tf.Tensor {
    this.checkTokens('extend', tokens);
    const [batch, length] = tokens.shape as [number, number];
    this.checkState('extend', state, batch);
    const counts = options.lengths ?? new Array<number>(batch).fill(length);
    if (
      counts.length !== batch ||
      counts.some((n) => !Number.isInteger(n) || n < 0 || n > length)
    ) {
      throw new Error(
        `extend: lengths must be ${batch} integers from 0 to ${length}, got [${counts}]`,
      );
    }
    const last = Math.max(...counts.map((n, row) => n + (state.lengths[row] as number)));
    this.checkContext('extend', last);
    if (last > state.capacity) {
      state.reserve(Math.min(this.config.contextLength, Math.max(last, 2 * state.capacity)));
    }
    return tf.tidy(() => {
      const lens = tf.tensor1d([...counts], 'int32');
      const hidden = this.hidden(tokens, this.context(state, lens));
      state.advance(lens, counts);
      if (options.logits !== 'last') return this.logits(hidden);
      const rows = counts.map((n, row) => row * length + Math.max(0, n - 1));
      const flat = tf.reshape(hidden, [batch * length, this.config.dModel]);
      return this.logits(tf.gather(flat, tf.tensor1d(rows, 'int32')));
    });
  }

  step(tokens: tf.Tensor | readonly number[], state: ModelState): tf.Tensor2D {
    return tf.tidy(() => {
      const ids = tokens instanceof tf.Tensor ? tokens : tf.tensor1d([...tokens], 'int32');
      if (ids.rank !== 1)
        throw new Error(`step: tokens [batch] expected, got shape [${ids.shape}]`);
      const logits = this.extend(tf.reshape(ids, [ids.size, 1]), state, { logits: 'last' });
      return logits as tf.Tensor2D;
    });
  }

  stepOnDevice(tokens: tf.Tensor1D, state: ModelState, lens: tf.Tensor1D): tf.Tensor2D {
    return tf.tidy(() => {
      const ids = tf.reshape(tokens, [state.batch, 1]);
      const hidden = this.hidden(ids, this.context(state, lens));
      state.advanceDevice(lens);
      return this.logits(tf.reshape(hidden, [state.batch, this.config.dModel])) as tf.Tensor2D;
    });
  }

  /** The present parameters by path (`layers.0.mixer.z`); they stay the model's. */
  parameters(): Map<string, tf.Tensor> {
    this.check();
    return new Map(this.parts.flatMap(([path, part]) => [...part.parametersByPath(path)]));
  }

  fingerprint(): string {
    return fingerprintOf(this.parameters());
  }

  stateBytes(capacity: number, precision?: StatePrecision): number {
    const { fixed, perToken } = stateSizes(this.config, precision);
    return fixed + capacity * perToken;
  }

  stateScratchBytes(precision: StatePrecision): number {
    return stateSizes(this.config, precision).scratch;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const [, part] of this.parts) part.dispose();
    this.rope?.dispose();
  }

  private get parts(): [path: string, part: TokenEmbedding | ResidualBlock | RMSNorm | Linear][] {
    return [
      ['embedding', this.embedding],
      ...this.blocks.map((block, i): [string, ResidualBlock] => [`layers.${i}`, block]),
      ['norm', this.norm],
      ...(this.head ? [['head', this.head] as [string, Linear]] : []),
    ];
  }

  private context(state: ModelState, lens: tf.Tensor1D): (layer: number) => BlockContext {
    const starts = state.positions;
    const rope = this.rope && { rope: this.rope };
    return (i) => ({ starts, lens, state: state.layer(i), ...rope });
  }

  private hidden(
    tokens: tf.Tensor,
    context: (layer: number) => BlockContext,
    through: typeof checkpointed = (block, h, context) => block.call(h, context),
  ): tf.Tensor {
    let h = this.embedding.call(tokens);
    this.blocks.forEach((block, i) => {
      const next = through(block, h, context(i));
      h.dispose();
      h = next;
    });
    return h;
  }

  private logits(hidden: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const h = this.norm.call(hidden);
      return this.head ? this.head.call(h) : this.embedding.asHead(h);
    });
  }

  private parameterCount(): number {
    const layers = this.parts.map(([, part]) => part);
    const weights = layers.flatMap((l) => [...l.trainableWeights, ...l.nonTrainableWeights]);
    return weights.reduce((sum, w) => sum + tf.util.sizeFromShape(w.shape as number[]), 0);
  }

  private check(): void {
    if (this.disposed) throw new Error('the model was disposed');
  }

  private checkTokens(what: string, tokens: tf.Tensor): void {
    this.check();
    if (tokens.rank !== 2 || tokens.dtype !== 'int32' || tokens.size === 0) {
      throw new Error(
        `${what}: int32 tokens [batch, length] expected, got ${tokens.dtype} [${tokens.shape}]`,
      );
    }
  }

  private checkContext(what: string, length: number): void {
    if (length > this.config.contextLength) {
      throw new Error(
        `${what}: ${length} tokens do not fit the model's context of ${this.config.contextLength}`,
      );
    }
  }

  private checkState(what: string, state: ModelState, batch: number): void {
    if (state.batch !== batch) {
      throw new Error(`${what}: ${batch} rows of tokens do not fit a state of ${state.batch} rows`);
    }
  }
}
