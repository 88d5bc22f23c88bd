/**
 * Mamba-2 with grouped heads and a gated norm, as MambaInLlama's general models have it in the place
 * of attention: x and B have the key-value heads, C and z the query heads.
 *
 * `z, xBC, dt = W u; x, B, C = silu(conv(xBC)); x, B = repeat x, repeat B; dt = softplus(dt + bias);`
 * `S_t = exp(dt_t A) S_{t-1} + dt_t x_t B_t^T; y_t = S_t C_t + D x_t;`
 * `out = W_out norm(y * silu(z))`, with one A = -exp(A_log) a head and a norm over each head.
 */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../backend/custom/linear.js';
import { linearMulti } from '../backend/custom/linear-multi.js';
import type { SequenceOptions } from '../backend/custom/sequence.js';
import { ssd } from '../backend/custom/ssd.js';
import { swiGlu } from '../backend/custom/swi-glu.js';
import { logOfUniform, timeStepBias } from './initial-values.js';
import { type ParameterSpec, positive } from './parameter-layer.js';
import {
  asHeads,
  type Before,
  type Mixed,
  projection,
  RecurrentMixer,
  recurrence,
  repeatHeads,
} from './recurrent-mixer.js';

/** Configuration of {@link Mamba2Mixer}. */
export interface Mamba2MixerConfig {
  name?: string;
  /** Channels. */
  dInner: number;
  /** Width of x and B before they are repeated; divides `dInner`. Default `dInner`. */
  dXb?: number;
  /** Heads of `dInner / nHeads` channels; a head's state is square. */
  nHeads: number;
  /** Tokens that the convolution sees, 2 to 4; default 4. */
  convWidth?: number;
  /** Added to the mean square in the gated norm; default 1e-5. */
  epsilon?: number;
}

/** `[batch, length, d]` to `[batch, length, d]`. */
export class Mamba2Mixer extends RecurrentMixer {
  static readonly className = 'MambalabMamba2Mixer';
  private readonly config: Required<Omit<Mamba2MixerConfig, 'name'>>;

  constructor(config: Mamba2MixerConfig) {
    super(config as never);
    const { dInner, nHeads, dXb = dInner, convWidth = 4, epsilon = 1e-5 } = config;
    this.config = { dInner, dXb, nHeads, convWidth, epsilon };
    const { epsilon: _, ...sizes } = this.config;
    for (const [name, value] of Object.entries(sizes)) positive('Mamba2Mixer', name, value);
    if (dInner % nHeads || dInner % dXb || dXb % (dInner / nHeads)) {
      throw new Error(
        `Mamba2Mixer: dInner / nHeads must be whole and divide dXb, and dXb divide dInner, ` +
          `got dInner ${dInner}, nHeads ${nHeads}, dXb ${dXb}`,
      );
    }
  }

  private get width(): number {
    return this.config.dInner / this.config.nHeads;
  }

  private get convolved(): number {
    return this.config.dInner + 2 * this.config.dXb;
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    const { dInner, nHeads, convWidth } = this.config;
    return {
      z: projection(dInner, inputDim),
      xBC: projection(this.convolved, inputDim),
      dt: projection(nHeads, inputDim),
      ...this.convParameters(this.convolved, convWidth),
      dtBias: { shape: [nHeads], initializer: timeStepBias() },
      ALog: { shape: [nHeads], initializer: logOfUniform(1, 16) },
      D: { shape: [nHeads], initializer: 'ones' },
      norm: { shape: [dInner], initializer: 'ones' },
      out: projection(inputDim, dInner),
    };
  }

  protected stateShapes() {
    const { nHeads, convWidth } = this.config;
    return { conv: [convWidth - 1, this.convolved], ssm: [nHeads, this.width, this.width] };
  }

  protected mix(
    u: tf.Tensor3D,
    before: Before,
    sequence: SequenceOptions,
    residual: tf.Tensor | undefined,
  ): Mixed {
    const { dInner, dXb } = this.config;
    const inputs = ['z', 'xBC', 'dt'].map((name) => this.matrix(name));
    const [z, xBC, dt] = linearMulti(u, inputs) as [tf.Tensor, tf.Tensor, tf.Tensor3D];
    const conv = this.convolve(xBC, 'silu', before, sequence);
    const parts = tf.split(conv.y, [dXb, dXb, dInner], 2) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const [x, B] = parts.map((t) => asHeads(repeatHeads(t, this.width, dInner / dXb), this.width));
    const { y, state } = ssd({
      x: x as tf.Tensor4D,
      dt,
      A: tf.neg(tf.exp(this.parameter('ALog'))) as tf.Tensor1D,
      B: B as tf.Tensor4D,
      C: asHeads(parts[2], this.width),
      D: this.parameter('D') as tf.Tensor1D,
      dtBias: this.parameter('dtBias') as tf.Tensor1D,
      dtSoftplus: true,
      ...sequence,
      ...recurrence<tf.Tensor4D>(before),
    });
    const gated = swiGlu(asHeads(z, this.width), y);
    const out = linear(this.norm(gated, z.shape), this.matrix('out'), residual ? { residual } : {});
    return { y: out, conv: conv.state, ssm: state };
  }

  /** The mean square is a head's own, the weight a channel's. */
  private norm(heads: tf.Tensor, shape: number[]): tf.Tensor {
    const meanSquare = tf.mean(tf.square(heads), -1, true);
    const unit = tf.mul(heads, tf.rsqrt(tf.add(meanSquare, this.config.epsilon)));
    return tf.mul(tf.reshape(unit, shape), this.parameter('norm'));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.config };
  }
}

tf.serialization.registerClass(Mamba2Mixer as never);
