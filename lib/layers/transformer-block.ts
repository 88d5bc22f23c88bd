/** One block of Llama: attention and a gated feed-forward, each after a norm, each added back. */
import * as tf from '@tensorflow/tfjs-core';
import {
  GroupedQueryAttention,
  type GroupedQueryAttentionConfig,
} from './grouped-query-attention.js';
import { ResidualBlock } from './residual-block.js';

/** Configuration of {@link TransformerBlock}. */
export interface TransformerBlockConfig {
  name?: string;
  attention: Omit<GroupedQueryAttentionConfig, 'name'>;
  /** Width of the feed-forward layer. */
  hiddenDim: number;
  /** Of both norms; default 1e-5. */
  epsilon?: number;
}

/** `h + attention(norm h)`, then `h + mlp(norm h)`: `[batch, length, d]` to the same. */
export class TransformerBlock extends ResidualBlock {
  static readonly className = 'MambalabTransformerBlock';
  private readonly config: TransformerBlockConfig;

  constructor(config: TransformerBlockConfig) {
    const name = config.name && { name: `${config.name}_attention` };
    super(config, new GroupedQueryAttention({ ...config.attention, ...name }), 'attention');
    this.config = config;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { attention, hiddenDim, epsilon } = this.config;
    return {
      ...super.getConfig(),
      attention: { ...attention, rope: { ...attention.rope } } as never,
      hiddenDim,
      epsilon: epsilon ?? 1e-5,
    };
  }
}

tf.serialization.registerClass(TransformerBlock as never);
