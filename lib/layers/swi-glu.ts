/** The gated feed-forward layer of Llama: `down(silu(gate x) * up x)` (Shazeer 2020). */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../backend/custom/linear.js';
import { linearSwiGlu } from '../backend/custom/linear-swi-glu.js';
import { ParameterLayer, type ParameterSpec, positive, single } from './parameter-layer.js';

/** Configuration of {@link SwiGLU}. */
export interface SwiGLUConfig {
  name?: string;
  /** Width of the hidden layer. */
  hiddenDim: number;
}

/** `[..., d]` to `[..., d]`. */
export class SwiGLU extends ParameterLayer {
  static readonly className = 'MambalabSwiGLU';
  private readonly hiddenDim: number;

  constructor(config: SwiGLUConfig) {
    super(config as never);
    this.hiddenDim = positive('SwiGLU', 'hiddenDim', config.hiddenDim);
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    return {
      gate: { shape: [this.hiddenDim, inputDim], initializer: 'glorotUniform' },
      up: { shape: [this.hiddenDim, inputDim], initializer: 'glorotUniform' },
      down: { shape: [inputDim, this.hiddenDim], initializer: 'glorotUniform' },
    };
  }

  /** The layer's output; with `kwargs.residual`, that tensor plus the output. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: { residual?: tf.Tensor } = {}): tf.Tensor {
    return tf.tidy(() => {
      const gate = this.parameter('gate') as tf.Tensor2D;
      const up = this.parameter('up') as tf.Tensor2D;
      const hidden = linearSwiGlu(single(inputs), gate, up);
      const residual = kwargs.residual ? { residual: kwargs.residual } : {};
      return linear(hidden, this.parameter('down') as tf.Tensor2D, residual);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), hiddenDim: this.hiddenDim };
  }
}

tf.serialization.registerClass(SwiGLU as never);
