/**
 * Causal self-attention with fewer key and value heads than query heads (Ainslie et al. 2023).
 *
 * Without a cache it attends within its input; with one it appends to the cache and attends to all
 * that is there.
 */
import * as tf from '@tensorflow/tfjs-core';
import { causalAttention } from '../backend/custom/causal-attention.js';
import { causalAttentionWeights } from '../backend/custom/causal-attention-weights.js';
import { linear } from '../backend/custom/linear.js';
import { linearMulti } from '../backend/custom/linear-multi.js';
import { AttentionCache } from './attention-cache.js';
import type { Disposed } from './owned-layer.js';
import { ParameterLayer, type ParameterSpec, positive, single } from './parameter-layer.js';
import type { BlockContext } from './residual-block.js';
import { RotaryEmbedding, type RotaryEmbeddingConfig } from './rotary-embedding.js';
import type { LayerState } from './state.js';
import type { StatePrecision } from './state-precision.js';

/** Configuration of {@link GroupedQueryAttention}. */
export interface GroupedQueryAttentionConfig {
  name?: string;
  nHeads: number;
  /** Divides `nHeads`. */
  nKvHeads: number;
  headDim: number;
  rope: Omit<RotaryEmbeddingConfig, 'headDim' | 'name'>;
}

/** Where the input's tokens stand, and the cache that they extend. */
export interface AttentionContext extends BlockContext {
  /** An {@link AttentionCache}. */
  state?: LayerState;
  /** Added to the output. */
  residual?: tf.Tensor;
}

/** `[batch, length, d]` to `[batch, length, d]`. */
export class GroupedQueryAttention extends ParameterLayer {
  static readonly className = 'MambalabGroupedQueryAttention';
  private readonly config: GroupedQueryAttentionConfig;
  private ownRope: RotaryEmbedding | undefined;

  constructor(config: GroupedQueryAttentionConfig) {
    super(config as never);
    const { nHeads, nKvHeads } = config;
    for (const name of ['nHeads', 'nKvHeads', 'headDim'] as const) {
      positive('GroupedQueryAttention', name, config[name]);
    }
    if (nHeads % nKvHeads) {
      throw new Error(
        `GroupedQueryAttention: nKvHeads must divide nHeads, got ${nKvHeads} and ${nHeads}`,
      );
    }
    this.config = config;
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    const { nHeads, nKvHeads, headDim } = this.config;
    const weight = (rows: number, columns: number): ParameterSpec => ({
      shape: [rows, columns],
      initializer: 'glorotUniform',
    });
    return {
      q: weight(nHeads * headDim, inputDim),
      k: weight(nKvHeads * headDim, inputDim),
      v: weight(nKvHeads * headDim, inputDim),
      o: weight(inputDim, nHeads * headDim),
    };
  }

  private rope(): RotaryEmbedding {
    const { rope, headDim } = this.config;
    this.ownRope ??= new RotaryEmbedding({ ...rope, headDim, name: `${this.name}_rope` });
    return this.ownRope;
  }

  /** An empty cache of `batch` rows with room for `capacity` positions. */
  newState(batch: number, capacity: number, precision?: StatePrecision): AttentionCache {
    const { nKvHeads, headDim } = this.config;
    return AttentionCache.create(batch, capacity, nKvHeads, headDim, precision);
  }

  private heads(t: tf.Tensor, n: number): tf.Tensor4D {
    const [batch, length] = t.shape as [number, number];
    return tf.reshape(t, [batch, length, n, this.config.headDim]);
  }

  /** The weights of each head's sums over tokens: `[batch, heads, length, length]`. No gradient. */
  mixerMatrix(x: tf.Tensor3D, { rope = this.rope(), resets }: BlockContext = {}): tf.Tensor4D {
    return tf.tidy(() => {
      const { nHeads, nKvHeads, headDim } = this.config;
      const weights = ['q', 'k'].map((name) => this.parameter(name) as tf.Tensor2D);
      const [q, k] = linearMulti(x, weights) as [tf.Tensor, tf.Tensor];
      return causalAttentionWeights({
        q: rope.call(this.heads(q, nHeads)) as tf.Tensor4D,
        k: rope.call(this.heads(k, nKvHeads)) as tf.Tensor4D,
        ...(resets && { resets }),
        scale: 1 / Math.sqrt(headDim),
      });
    });
  }

  override call(inputs: tf.Tensor | tf.Tensor[], context: AttentionContext = {}): tf.Tensor {
    return tf.tidy(() => {
      const x = single(inputs) as tf.Tensor3D;
      const [batch, length] = x.shape;
      const { nHeads, nKvHeads, headDim } = this.config;
      const weights = ['q', 'k', 'v'].map((name) => this.parameter(name) as tf.Tensor2D);
      const [q, k, v] = linearMulti(x, weights) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const starts = context.starts ?? (tf.zeros([batch], 'int32') as tf.Tensor1D);
      const lens = context.lens ?? (tf.fill([batch], length, 'int32') as tf.Tensor1D);
      const rope = context.rope ?? this.rope();
      const cache = this.cacheOf(context);
      const at = { starts, lens, positions: cache?.capacity ?? length };
      const qr = rope.call(this.heads(q, nHeads), at) as tf.Tensor4D;
      const kr = rope.call(this.heads(k, nKvHeads), at) as tf.Tensor4D;
      let keys = kr;
      let values = this.heads(v, nKvHeads);
      if (cache) {
        cache.append(kr, values, starts, lens);
        keys = cache.k;
        values = cache.v;
      }
      const scale = 1 / Math.sqrt(headDim);
      const packed = context.resets && { resets: context.resets };
      const y = causalAttention({ q: qr, k: keys, v: values, starts, lens, ...packed, scale });
      const flat = tf.reshape(y, [batch, length, nHeads * headDim]);
      const residual = context.residual ? { residual: context.residual } : {};
      return linear(flat, this.parameter('o') as tf.Tensor2D, residual);
    });
  }

  private cacheOf({ state }: AttentionContext): AttentionCache | undefined {
    if (state === undefined || state instanceof AttentionCache) return state;
    throw new Error(`${this.name}: an attention cache expected, got the state of another layer`);
  }

  override dispose(): Disposed {
    this.ownRope?.dispose();
    return super.dispose();
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { nHeads, nKvHeads, headDim, rope } = this.config;
    return { ...super.getConfig(), nHeads, nKvHeads, headDim, rope: { ...rope } as never };
  }
}

tf.serialization.registerClass(GroupedQueryAttention as never);
