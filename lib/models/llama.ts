/**
 * Llama 3.x and SmolLM2: embedding, blocks of attention and gated feed-forward, norm, head.
 *
 * `h = E[tokens]; h += attention(norm h); h += mlp(norm h); logits = norm(h) W^T`.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  AttentionCache,
  type AttentionContext,
  Linear,
  ModelState,
  RMSNorm,
  RotaryEmbedding,
  TokenEmbedding,
  TransformerBlock,
  type WeightSource,
} from '../layers/index.js';
import type { CausalModel, ExtendOptions } from './causal-model.js';
import type { LlamaConfig } from './llama-config.js';

/** Positions of a new state, before it has to grow. */
const FIRST_CAPACITY = 64;

/** What a checkpoint says beside the configuration. */
export interface LlamaOptions {
  /** The rows of the query and key projections are in GGUF's order. */
  interleavedRope?: boolean;
  /** Bytes of the weights as stored; default 4 a parameter. */
  bytes?: number;
  /** The name or path that the model was loaded by: its tokenizer is found there. */
  ref?: string;
}

/** A Llama with its weights. Made by `models.load` or, with random weights, by `new`. */
export class Llama implements CausalModel {
  private readonly embedding: TokenEmbedding;
  private readonly blocks: TransformerBlock[];
  private readonly norm: RMSNorm;
  private readonly head: Linear | undefined;
  private readonly rope: RotaryEmbedding;
  readonly bytes: number;
  readonly ref: string | undefined;
  private disposed = false;

  /**
   * @param weights supplies the parameters by path (`layers.0.attention.q`); random where missing.
   */
  constructor(
    readonly config: LlamaConfig,
    weights?: WeightSource,
    options: LlamaOptions = {},
  ) {
    const { dModel, nHeads, nKvHeads, headDim, ropeTheta, ropeScaling, normEps } = config;
    const rope = {
      theta: ropeTheta,
      interleaved: options.interleavedRope ?? false,
      ...(ropeScaling && { scaling: ropeScaling }),
    };
    const attention = { nHeads, nKvHeads, headDim, rope };
    this.rope = new RotaryEmbedding({ ...rope, headDim });
    this.embedding = new TokenEmbedding({ vocabSize: config.vocabSize, dModel });
    this.embedding.buildWith(dModel, weights, 'embedding');
    this.blocks = Array.from({ length: config.nLayers }, (_, i) => {
      const block = new TransformerBlock({ attention, hiddenDim: config.dMlp, epsilon: normEps });
      block.buildWith(dModel, weights, `layers.${i}`);
      return block;
    });
    this.norm = new RMSNorm({ epsilon: normEps });
    this.norm.buildWith(dModel, weights, 'norm');
    if (!config.tieEmbeddings) {
      this.head = new Linear({ units: config.vocabSize });
      this.head.buildWith(dModel, weights, 'head');
    }
    this.ref = options.ref;
    this.bytes = options.bytes ?? 4 * this.parameterCount();
  }

  forward(tokens: tf.Tensor): tf.Tensor3D {
    this.checkTokens('forward', tokens);
    const length = tokens.shape[1] as number;
    this.checkContext('forward', length);
    return tf.tidy(() => {
      const hidden = this.hidden(tokens, () => ({ rope: this.rope }));
      return this.logits(hidden) as tf.Tensor3D;
    });
  }

  newState(batch: number, capacity = FIRST_CAPACITY): ModelState {
    this.check();
    for (const [name, n] of Object.entries({ batch, capacity })) {
      if (!Number.isSafeInteger(n) || n < 1) {
        throw new Error(`newState: ${name} must be a positive integer, got ${n}`);
      }
    }
    const { nKvHeads, headDim } = this.config;
    const layers = this.blocks.map(() => AttentionCache.create(batch, capacity, nKvHeads, headDim));
    return ModelState.create(layers, batch, capacity);
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

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const part of [this.embedding, ...this.blocks, this.norm, this.rope]) part.dispose();
    this.head?.dispose();
  }

  private context(state: ModelState, lens: tf.Tensor1D): (layer: number) => AttentionContext {
    const starts = state.positions;
    return (i) => ({ starts, lens, cache: state.layer(i) as AttentionCache, rope: this.rope });
  }

  private hidden(tokens: tf.Tensor, context: (layer: number) => AttentionContext): tf.Tensor {
    let h = this.embedding.call(tokens);
    this.blocks.forEach((block, i) => {
      const next = block.call(h, context(i));
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
    const layers = [this.embedding, ...this.blocks, this.norm, ...(this.head ? [this.head] : [])];
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
