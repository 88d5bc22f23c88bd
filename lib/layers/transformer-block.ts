/** One block of Llama: attention and a gated feed-forward, each after a norm, each added back. */
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {
  type AttentionContext,
  GroupedQueryAttention,
  type GroupedQueryAttentionConfig,
} from './grouped-query-attention.js';
import { OwnedLayer } from './owned-layer.js';
import { single, type WeightSource } from './parameter-layer.js';
import { RMSNorm } from './rms-norm.js';
import { SwiGLU } from './swi-glu.js';

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
export class TransformerBlock extends OwnedLayer {
  static readonly className = 'MambalabTransformerBlock';
  private readonly config: TransformerBlockConfig;
  private readonly attentionNorm: RMSNorm;
  private readonly attention: GroupedQueryAttention;
  private readonly mlpNorm: RMSNorm;
  private readonly mlp: SwiGLU;

  constructor(config: TransformerBlockConfig) {
    super(config as never);
    this.config = config;
    const norm = { epsilon: config.epsilon ?? 1e-5 };
    this.attentionNorm = new RMSNorm({ ...norm, name: `${this.name}_attention_norm` });
    this.attention = new GroupedQueryAttention({
      ...config.attention,
      name: `${this.name}_attention`,
    });
    this.mlpNorm = new RMSNorm({ ...norm, name: `${this.name}_mlp_norm` });
    this.mlp = new SwiGLU({ hiddenDim: config.hiddenDim, name: `${this.name}_mlp` });
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as tfl.Shape;
    this.buildWith(shape[shape.length - 1] as number);
  }

  /** Creates the parameters, from a checkpoint where a source is given. */
  buildWith(inputDim: number, source?: WeightSource, prefix = this.name): void {
    if (this.built) return;
    this.attentionNorm.buildWith(inputDim, source, `${prefix}.attentionNorm`);
    this.attention.buildWith(inputDim, source, `${prefix}.attention`);
    this.mlpNorm.buildWith(inputDim, source, `${prefix}.mlpNorm`);
    this.mlp.buildWith(inputDim, source, `${prefix}.mlp`);
    this.built = true;
  }

  private get parts(): tfl.layers.Layer[] {
    return [this.attentionNorm, this.attention, this.mlpNorm, this.mlp];
  }

  override get trainableWeights(): tfl.LayerVariable[] {
    return this.parts.flatMap((part) => part.trainableWeights);
  }

  override set trainableWeights(_weights: tfl.LayerVariable[]) {
    throw new Error("a block's weights belong to its parts");
  }

  override get nonTrainableWeights(): tfl.LayerVariable[] {
    return this.parts.flatMap((part) => part.nonTrainableWeights);
  }

  override set nonTrainableWeights(_weights: tfl.LayerVariable[]) {
    throw new Error("a block's weights belong to its parts");
  }

  override call(inputs: tf.Tensor | tf.Tensor[], context: AttentionContext = {}): tf.Tensor {
    return tf.tidy(() => {
      const x = single(inputs);
      const h = this.attention.call(this.attentionNorm.call(x), { ...context, residual: x });
      return this.mlp.call(this.mlpNorm.call(h), { residual: h });
    });
  }

  protected override disposeWeights(): number {
    return this.parts.reduce((sum, part) => sum + part.dispose().numDisposedVariables, 0);
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
