/** Token ids to vectors; the same matrix can serve as the output head. */
import * as tf from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { embedding } from '../backend/custom/embedding.js';
import { linear } from '../backend/custom/linear.js';
import { ParameterLayer, type ParameterSpec, positive, single } from './parameter-layer.js';

/** Configuration of {@link TokenEmbedding}. */
export interface TokenEmbeddingConfig {
  name?: string;
  vocabSize: number;
  /** Width of a token's vector. */
  dModel: number;
}

/** int32 `[batch, length]` to `[batch, length, dModel]`. */
export class TokenEmbedding extends ParameterLayer {
  static readonly className = 'MambalabTokenEmbedding';
  private readonly vocabSize: number;
  private readonly dModel: number;

  constructor(config: TokenEmbeddingConfig) {
    super(config as never);
    this.vocabSize = positive('TokenEmbedding', 'vocabSize', config.vocabSize);
    this.dModel = positive('TokenEmbedding', 'dModel', config.dModel);
  }

  protected parameters(): Record<string, ParameterSpec> {
    return { weight: { shape: [this.vocabSize, this.dModel], initializer: 'randomNormal' } };
  }

  override build(): void {
    this.buildWith(this.dModel);
  }

  /** @throws Error naming the first id outside the vocabulary. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const ids = single(inputs);
      const flat = tf.cast(tf.reshape(ids, [ids.size]), 'int32') as tf.Tensor1D;
      const rows = embedding(this.parameter('weight') as tf.Tensor2D, flat);
      return tf.reshape(rows, [...ids.shape, this.dModel]);
    });
  }

  /** Logits of hidden states by the tied matrix: `[..., dModel]` to `[..., vocabSize]`. */
  asHead(hidden: tf.Tensor): tf.Tensor {
    return linear(hidden, this.parameter('weight') as tf.Tensor2D);
  }

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape, this.dModel];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), vocabSize: this.vocabSize, dModel: this.dModel };
  }
}

tf.serialization.registerClass(TokenEmbedding as never);
