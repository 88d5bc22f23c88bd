/** Root-mean-square normalisation (Zhang and Sennrich 2019), as Llama has it. */
import * as tf from '@tensorflow/tfjs-core';
import { rmsNorm } from '../backend/custom/rms-norm.js';
import { ParameterLayer, type ParameterSpec, single } from './parameter-layer.js';

/** Configuration of {@link RMSNorm}. */
export interface RMSNormConfig {
  name?: string;
  /** Added to the mean square; default 1e-5. */
  epsilon?: number;
}

/** `x / sqrt(mean(x^2) + epsilon) * weight` over the last axis. */
export class RMSNorm extends ParameterLayer {
  static readonly className = 'MambalabRMSNorm';
  readonly epsilon: number;

  constructor(config: RMSNormConfig = {}) {
    super(config as never);
    this.epsilon = config.epsilon ?? 1e-5;
    if (!(this.epsilon > 0)) {
      throw new Error(`RMSNorm: epsilon must be positive, got ${this.epsilon}`);
    }
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    return { weight: { shape: [inputDim], initializer: 'ones' } };
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return rmsNorm(single(inputs), this.parameter('weight') as tf.Tensor1D, this.epsilon);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.epsilon };
  }
}

tf.serialization.registerClass(RMSNorm as never);
