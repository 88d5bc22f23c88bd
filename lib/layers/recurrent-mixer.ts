/** What the recurrent mixers share: their state and the convolution before the recurrence. */
import * as tf from '@tensorflow/tfjs-core';
import { type ConvActivation, causalConv1d } from '../backend/custom/causal-conv1d.js';
import type { SequenceOptions } from '../backend/custom/sequence.js';
import { asFloat32 } from '../backend/custom/stored.js';
import { uniformByFanIn } from './initial-values.js';
import { ParameterLayer, type ParameterSpec, single } from './parameter-layer.js';
import { RecurrentState } from './recurrent-state.js';
import type { BlockContext } from './residual-block.js';
import type { StatePrecision } from './state-precision.js';

/** How a recurrent mixer is called. */
export interface RecurrentContext extends BlockContext {
  /** Added to the output. */
  residual?: tf.Tensor;
}

/** What came out of a recurrence, and the states after it. */
export interface Mixed {
  /** `[batch, length, d]`, the residual added. */
  y: tf.Tensor;
  conv: tf.Tensor;
  ssm: tf.Tensor;
}

/** The state before the tokens of a call: none at the start of a text. */
export interface Before {
  conv?: tf.Tensor3D;
  /** As it is kept: a kernel that takes float32 gets it through `recurrence`. */
  ssm?: tf.Tensor;
}

/** A mixer that reads a sequence from left to right and remembers a state of constant size. */
export abstract class RecurrentMixer extends ParameterLayer {
  /** Shape of a row's state: `[width - 1, channels]` of the convolution, and the recurrence's. */
  protected abstract stateShapes(): { conv: readonly number[]; ssm: readonly number[] };

  /** Projections, convolution, recurrence, output. */
  protected abstract mix(
    x: tf.Tensor3D,
    before: Before,
    sequence: SequenceOptions,
    residual: tf.Tensor | undefined,
  ): Mixed;

  newState(batch: number, _capacity?: number, precision?: StatePrecision): RecurrentState {
    const { conv, ssm } = this.stateShapes();
    return RecurrentState.create(batch, conv, ssm, precision);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], context: RecurrentContext = {}): tf.Tensor {
    const { lens, resets, residual } = context;
    const state = this.stateOf(context);
    const sequence = { ...(lens && { lens }), ...(resets && { resets }) };
    return tf.tidy(() => {
      const before = state ? { conv: state.conv, ssm: state.ssm } : {};
      const { y, conv, ssm } = this.mix(single(inputs) as tf.Tensor3D, before, sequence, residual);
      state?.update(conv, ssm);
      return y;
    });
  }

  /** A parameter with two axes. */
  protected matrix(name: string): tf.Tensor2D {
    return this.parameter(name) as tf.Tensor2D;
  }

  /** Weight and bias of a depthwise convolution, with PyTorch's start. */
  protected convParameters(channels: number, width: number): Record<string, ParameterSpec> {
    return {
      convWeight: { shape: [channels, width], initializer: uniformByFanIn(width) },
      convBias: { shape: [channels], initializer: uniformByFanIn(width) },
    };
  }

  /** The convolution from a call's state. */
  protected convolve(
    x: tf.Tensor,
    activation: ConvActivation,
    { conv }: Before,
    sequence: SequenceOptions,
  ): { y: tf.Tensor3D; state: tf.Tensor3D } {
    return causalConv1d({
      x: x as tf.Tensor3D,
      weight: this.parameter('convWeight') as tf.Tensor2D,
      bias: this.parameter('convBias') as tf.Tensor1D,
      activation,
      ...sequence,
      ...(conv && { initialState: conv, inPlace: true }),
    });
  }

  private stateOf({ state }: BlockContext): RecurrentState | undefined {
    if (state === undefined || state instanceof RecurrentState) return state;
    throw new Error(`${this.name}: a recurrent state expected, got the state of another layer`);
  }
}

/**
 * A recurrence's start, which its kernel writes over: the state itself, or its numbers as float32 where it
 * is kept narrower.
 */
export function recurrence<T extends tf.Tensor>({
  ssm,
}: Before): { initialState: T; inPlace: true } | undefined {
  return ssm && { initialState: asFloat32(ssm as T), inPlace: true };
}

/** Rows of a matrix that multiplies inputs of this size, with PyTorch's start. */
export function projection(rows: number, columns: number): ParameterSpec {
  return { shape: [rows, columns], initializer: uniformByFanIn(columns) };
}

/** `[b, l, heads * width]` to `[b, l, heads * times * width]`: each head so often, side by side. */
export function repeatHeads(t: tf.Tensor, width: number, times: number): tf.Tensor3D {
  const [b, l, channels] = t.shape as [number, number, number];
  if (times === 1) return t as tf.Tensor3D;
  const heads = tf.reshape(t, [b * l, channels / width, 1, width]);
  return tf.reshape(tf.tile(heads, [1, 1, times, 1]), [b, l, channels * times]);
}

/** `[b, l, heads * width]` to `[b, l, heads, width]`. */
export function asHeads(t: tf.Tensor, width: number): tf.Tensor4D {
  const [b, l, channels] = t.shape as [number, number, number];
  return tf.reshape(t, [b, l, channels / width, width]);
}
