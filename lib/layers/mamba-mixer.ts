/**
 * Mamba-1 with grouped heads, as MambaInLlama and M1 put it in the place of attention: x and B have
 * the width of the keys and values, and are repeated to that of the queries.
 *
 * `z, x, B, C, dt = W u; x = silu(conv(repeat x)); B = repeat B; delta = softplus(W_dt dt + 2 bias);`
 * `s_t = exp(delta_t A) s_{t-1} + delta_t B_t x_t; y_t = C_t s_t + D x_t; out = W_out (y * silu(z))`,
 * for each channel, with A = -exp(A_log).
 *
 * The bias of the time step is added twice, as the published models were trained.
 */
import * as tf from '@tensorflow/tfjs-core';
import { linear } from '../backend/custom/linear.js';
import { linearMulti } from '../backend/custom/linear-multi.js';
import { isMixerStep, selectiveMixerStep } from '../backend/custom/mixer-step.js';
import { selectiveScan } from '../backend/custom/selective-scan.js';
import type { SequenceOptions } from '../backend/custom/sequence.js';
import { logOfCount, timeStepBias, uniformByFanIn } from './initial-values.js';
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

/** Configuration of {@link MambaMixer}. */
export interface MambaMixerConfig {
  name?: string;
  /** Channels. */
  dInner: number;
  /** Width of x and B before they are repeated; divides `dInner`. Default `dInner`. */
  dXb?: number;
  /** Numbers of state a channel, and width of the heads of x, B and C; default 16. */
  stateDim?: number;
  /** Width of the time step's low-rank projection; default a sixteenth of `dInner`, rounded up. */
  dtRank?: number;
  /** Tokens that the convolution sees, 2 to 4; default 4. */
  convWidth?: number;
}

/** `[batch, length, d]` to `[batch, length, d]`. */
export class MambaMixer extends RecurrentMixer {
  static readonly className = 'MambalabMambaMixer';
  private readonly config: Required<Omit<MambaMixerConfig, 'name'>>;

  constructor(config: MambaMixerConfig) {
    super(config as never);
    const { dInner, dXb = dInner, stateDim = 16, convWidth = 4 } = config;
    const dtRank = config.dtRank ?? Math.ceil(dInner / 16);
    this.config = { dInner, dXb, stateDim, dtRank, convWidth };
    for (const [name, value] of Object.entries(this.config)) positive('MambaMixer', name, value);
    if (dInner % dXb || dXb % stateDim) {
      throw new Error(
        `MambaMixer: dXb must divide dInner, and stateDim dXb, got ${dXb}, ${dInner}, ${stateDim}`,
      );
    }
  }

  protected parameters(inputDim: number): Record<string, ParameterSpec> {
    const { dInner, dXb, stateDim, dtRank, convWidth } = this.config;
    return {
      z: projection(dInner, inputDim),
      x: projection(dXb, inputDim),
      B: projection(dXb, inputDim),
      C: projection(dInner, inputDim),
      dtDown: projection(dtRank, inputDim),
      dtUp: { shape: [dInner, dtRank], initializer: uniformByFanIn(dtRank) },
      dtBias: { shape: [dInner], initializer: timeStepBias() },
      ...this.convParameters(dInner, convWidth),
      ALog: { shape: [dInner, stateDim], initializer: logOfCount },
      D: { shape: [dInner], initializer: 'ones' },
      out: projection(inputDim, dInner),
    };
  }

  protected stateShapes() {
    const { dInner, stateDim, convWidth } = this.config;
    return { conv: [convWidth - 1, dInner], ssm: [dInner, stateDim] };
  }

  protected mix(
    u: tf.Tensor3D,
    before: Before,
    sequence: SequenceOptions,
    residual: tf.Tensor | undefined,
  ): Mixed {
    const { dInner, dXb, stateDim } = this.config;
    const repeat = (t: tf.Tensor) => repeatHeads(t, stateDim, dInner / dXb);
    const inputs = ['z', 'x', 'B', 'C'].map((name) => this.matrix(name));
    const [z, x, B, C] = linearMulti(u, inputs) as [tf.Tensor3D, ...tf.Tensor[]] as [
      tf.Tensor3D,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const dtBias = this.parameter('dtBias') as tf.Tensor1D;
    const dt = linear(linear(u, this.matrix('dtDown')), this.matrix('dtUp'), { bias: dtBias });
    const project = (gated: tf.Tensor) =>
      linear(gated, this.matrix('out'), residual ? { residual } : {});
    if (isMixerStep(u.shape[1], before, sequence)) {
      const { conv, ssm } = before as Required<Before>;
      const { lens } = sequence;
      const gated = selectiveMixerStep({
        ...{ x, z, B, C, dt, dtBias, conv, ssm, ...(lens && { lens }) },
        convWeight: this.parameter('convWeight'),
        convBias: this.parameter('convBias'),
        ALog: this.parameter('ALog'),
        D: this.parameter('D'),
      });
      return { y: project(gated), conv, ssm };
    }
    const conv = this.convolve(repeat(x), 'silu', before, sequence);
    const { y, state } = selectiveScan({
      u: conv.y,
      delta: dt as tf.Tensor3D,
      A: tf.neg(tf.exp(this.parameter('ALog'))) as tf.Tensor2D,
      B: asHeads(repeat(B), stateDim),
      C: asHeads(C, stateDim),
      D: this.parameter('D') as tf.Tensor1D,
      z,
      deltaBias: dtBias,
      deltaSoftplus: true,
      ...sequence,
      ...recurrence<tf.Tensor3D>(before),
    });
    return { y: project(y), conv: conv.state, ssm: state };
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.config };
  }
}

tf.serialization.registerClass(MambaMixer as never);
