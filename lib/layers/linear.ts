/** A matrix product with weights as checkpoints store them: `y = x W^T (+ b)`. */
import * as tf from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { linear } from '../backend/custom/linear.js';
import { ParameterLayer, type ParameterSpec, positive, single } from './parameter-layer.js';

/** Configuration of {@link Linear}. */
export interface LinearConfig {
  name?: string;
  /** Size of the output's last axis. */
  units: number;
  /** Adds a bias; default false, as in Llama. */
  useBias?: boolean;
}

/** `[..., inputDim]` to `[..., units]`; the weight is `[units, inputDim]` in any storage. */
export class Linear extends ParameterLayer {
  static readonly className = 'MambalabLinear';
  private readonly units: number;
  private readonly useBias: boolean;

  constructor(config: LinearConfig) {
    super(config as never);
    this.units = positive('Linear', 'units', config.units);
    this.useBias = config.useBias ?? false;
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    return {
      weight: { shape: [this.units, inputDim], initializer: 'glorotUniform' },
      ...(this.useBias && { bias: { shape: [this.units], initializer: 'zeros' as const } }),
    };
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const options = this.useBias ? { bias: this.parameter('bias') as tf.Tensor1D } : {};
    return linear(single(inputs), this.parameter('weight') as tf.Tensor2D, options);
  }

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), units: this.units, useBias: this.useBias };
  }
}

tf.serialization.registerClass(Linear as never);
