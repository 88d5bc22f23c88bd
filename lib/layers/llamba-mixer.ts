/**
 * The discrete Mamba-2 mixer of Llamba (Bick et al. 2025): no A, no norm, no activation after the
 * convolution, and decays that the input alone decides.
 *
 * `[xBC | z | a] = W_in u; x, B, C = conv(xBC); S_t = sigmoid(-a_t) S_{t-1} + x_t B_t^T;`
 * `y_t = S_t C_t + D x_t; out = W_out (y * silu(z + z_bias))`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { discreteSSD } from '../backend/custom/discrete-ssd.js';
import { discreteSSDMatrix } from '../backend/custom/discrete-ssd-matrix.js';
import { linear } from '../backend/custom/linear.js';
import { linearMulti } from '../backend/custom/linear-multi.js';
import { isMixerStep, ssdMixerStep } from '../backend/custom/mixer-step.js';
import type { SequenceOptions } from '../backend/custom/sequence.js';
import { swiGlu } from '../backend/custom/swi-glu.js';
import { type ParameterSpec, positive } from './parameter-layer.js';
import {
  asHeads,
  type Before,
  type Mixed,
  projection,
  RecurrentMixer,
  recurrence,
} from './recurrent-mixer.js';
import type { BlockContext } from './residual-block.js';

/** Configuration of {@link LlambaMixer}. */
export interface LlambaMixerConfig {
  name?: string;
  /** Heads of x, each with a decay of its own. */
  nHeads: number;
  /** Heads of B and C; divides `nHeads`. Default `nHeads`. */
  nQkHeads?: number;
  /** Width P of a head of x. */
  headDim: number;
  /** Width N of a head of B and C. */
  stateDim: number;
  /** Tokens that the convolution sees, 2 to 4; default 4. */
  convWidth?: number;
}

/** The heads' inputs to the recurrence. */
export interface LlambaHeads {
  x: tf.Tensor4D;
  /** Before the softplus: a token's decay is `sigmoid(-a)`. */
  a: tf.Tensor3D;
  B: tf.Tensor4D;
  C: tf.Tensor4D;
}

/** `[batch, length, d]` to `[batch, length, d]`. */
export class LlambaMixer extends RecurrentMixer {
  static readonly className = 'MambalabLlambaMixer';
  private readonly config: Required<Omit<LlambaMixerConfig, 'name'>>;

  constructor(config: LlambaMixerConfig) {
    super(config as never);
    const { nHeads, headDim, stateDim, nQkHeads = nHeads, convWidth = 4 } = config;
    this.config = { nHeads, nQkHeads, headDim, stateDim, convWidth };
    for (const [name, value] of Object.entries(this.config)) positive('LlambaMixer', name, value);
    if (nHeads % nQkHeads) {
      throw new Error(`LlambaMixer: nQkHeads must divide nHeads, got ${nQkHeads} and ${nHeads}`);
    }
  }

  private get inner(): number {
    return this.config.nHeads * this.config.headDim;
  }

  private get convolved(): number {
    return this.inner + 2 * this.config.nQkHeads * this.config.stateDim;
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    const { nHeads, convWidth } = this.config;
    return {
      xBC: projection(this.convolved, inputDim),
      z: projection(this.inner, inputDim),
      a: projection(nHeads, inputDim),
      zBias: { shape: [this.inner], initializer: 'zeros' },
      ...this.convParameters(this.convolved, convWidth),
      D: { shape: [nHeads], initializer: 'ones' },
      out: projection(inputDim, this.inner),
    };
  }

  protected stateShapes() {
    const { nHeads, headDim, stateDim, convWidth } = this.config;
    return { conv: [convWidth - 1, this.convolved], ssm: [nHeads, headDim, stateDim] };
  }

  /** The recurrence's inputs for hidden states `[batch, length, d]` at the start of a text. */
  heads(u: tf.Tensor3D, sequence: SequenceOptions = {}): LlambaHeads {
    return tf.tidy(() => {
      const [xBC, a] = linearMulti(u, [this.matrix('xBC'), this.matrix('a')]);
      const { y } = this.convolve(xBC as tf.Tensor, 'identity', {}, sequence);
      return { ...this.split(y), a: a as tf.Tensor3D };
    });
  }

  /** The matrix of each head, with the skip on its diagonal: `[batch, heads, length, length]`. */
  mixerMatrix(u: tf.Tensor3D, { resets }: BlockContext = {}): tf.Tensor4D {
    return tf.tidy(() => {
      const sequence = resets ? { resets } : {};
      const { a, B, C } = this.heads(u, sequence);
      return discreteSSDMatrix({ a, B, C, D: this.parameter('D') as tf.Tensor1D, ...sequence });
    });
  }

  protected mix(
    u: tf.Tensor3D,
    before: Before,
    sequence: SequenceOptions,
    residual: tf.Tensor | undefined,
  ): Mixed {
    const [batch, length] = u.shape;
    const inputs = ['xBC', 'z', 'a'].map((name) => this.matrix(name));
    const [xBC, z, a] = linearMulti(u, inputs) as [tf.Tensor, tf.Tensor, tf.Tensor3D];
    const project = (gated: tf.Tensor) =>
      linear(gated, this.matrix('out'), residual ? { residual } : {});
    if (isMixerStep(length, before, sequence)) {
      const { conv, ssm } = before as Required<Before>;
      const { lens } = sequence;
      const gated = ssdMixerStep({
        ...{ xBC, z, a, conv, ssm, ...(lens && { lens }), groups: this.config.nQkHeads },
        convWeight: this.parameter('convWeight'),
        convBias: this.parameter('convBias'),
        D: this.parameter('D'),
        zBias: this.parameter('zBias'),
      });
      return { y: project(gated), conv, ssm };
    }
    const conv = this.convolve(xBC, 'identity', before, sequence);
    const { y, state } = discreteSSD({
      ...this.split(conv.y),
      a,
      D: this.parameter('D') as tf.Tensor1D,
      ...sequence,
      ...recurrence<tf.Tensor4D>(before),
    });
    const gate = tf.add(z, this.parameter('zBias'));
    const gated = swiGlu(gate, tf.reshape(y, [batch, length, this.inner]));
    return { y: project(gated), conv: conv.state, ssm: state };
  }

  private split(xBC: tf.Tensor3D): Omit<LlambaHeads, 'a'> {
    const { nQkHeads, headDim, stateDim } = this.config;
    const wide = nQkHeads * stateDim;
    const [x, B, C] = tf.split(xBC, [this.inner, wide, wide], 2) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    return { x: asHeads(x, headDim), B: asHeads(B, stateDim), C: asHeads(C, stateDim) };
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.config };
  }
}

tf.serialization.registerClass(LlambaMixer as never);
