/**
 * One token of every row through a whole mixer: convolution, recurrence, skip and gate in one command that
 * updates both states in place. Backend `native` only; elsewhere, and for sequences, the mixers are made of
 * their parts.
 */
import * as tf from '@tensorflow/tfjs-core';
import { nativeBackend } from '../init.js';
import { runsNatively } from './differentiable.js';
import type { SequenceOptions } from './sequence.js';

/** Numbers of a recurrent state that the native steps take at a time. */
const STATE_UNIT = 16;

/** Whether a call is one that the steps here take. */
export function isMixerStep(
  length: number,
  before: { conv?: tf.Tensor; ssm?: tf.Tensor },
  { resets }: SequenceOptions,
): boolean {
  const { conv, ssm } = before;
  if (length !== 1 || resets || !conv || !ssm || !runsNatively()) return false;
  return (ssm.shape[ssm.rank - 1] as number) % STATE_UNIT === 0;
}

/** What both steps take beside their inputs. */
interface States {
  /** `[channels, width]`, the newest token's weight last. */
  convWeight: tf.Tensor;
  /** `[channels]`. */
  convBias: tf.Tensor;
  /** `[batch, width - 1, channels]`; updated. */
  conv: tf.Tensor;
  /** The recurrence's, float32 or stored in bfloat16; updated. */
  ssm: tf.Tensor;
  /** int32 `[batch]`: 0 for a row that is idle, whose output is 0, else 1. */
  lens?: tf.Tensor1D;
}

/** Operands of {@link ssdMixerStep}. */
export interface SsdMixerStepInputs extends States {
  /** `[batch, 1, heads * width + 2 * groups * N]`, before the convolution. */
  xBC: tf.Tensor;
  /** `[batch, 1, heads * width]`. */
  z: tf.Tensor;
  /** `[batch, 1, heads]`. */
  a: tf.Tensor;
  /** `[heads]`. */
  D: tf.Tensor;
  /** `[heads * width]`. */
  zBias: tf.Tensor;
  groups: number;
}

/** Operands of {@link selectiveMixerStep}. */
export interface SelectiveMixerStepInputs extends States {
  /** `[batch, 1, narrow]`, before heads are repeated and convolved. */
  x: tf.Tensor;
  /** `[batch, 1, channels]`. */
  z: tf.Tensor;
  /** `[batch, 1, narrow]`. */
  B: tf.Tensor;
  /** `[batch, 1, channels]`. */
  C: tf.Tensor;
  /** `[batch, 1, channels]`, before the bias and the softplus. */
  dt: tf.Tensor;
  /** `[channels, N]`: A is `-exp(ALog)`. */
  ALog: tf.Tensor;
  /** `[channels]`. */
  D: tf.Tensor;
  /** `[channels]`. */
  dtBias: tf.Tensor;
}

/** Runs a step on what a token brings, `[batch, 1, ...]` each, and on parameters and states. */
function run(
  op: string,
  token: readonly tf.Tensor[],
  rest: readonly tf.Tensor[],
  { lens }: States,
  channels: number,
  attrs: readonly number[] = [],
): tf.Tensor3D {
  const backend = nativeBackend();
  const batch = token[0]?.shape[0] as number;
  const y = backend.wholly(() => {
    const made = backend.makeOutput([batch, 1, channels]);
    const operands = [
      ...token.map((t) => backend.operand(t, [batch, t.shape[2] as number])),
      ...[...rest, ...(lens ? [lens] : [])].map((t) => backend.operand(t)),
      backend.operand(made, [batch, channels]),
    ];
    backend.engine.run(op, operands, [Number(lens !== undefined), ...attrs]);
    return made;
  });
  return tf.engine().makeTensorFromTensorInfo(y) as tf.Tensor3D;
}

/**
 * `x, B, C = conv(xBC); S = sigmoid(-a) S + x B^T; y = (S C + D x) silu(z + zBias)` for every head (Bick et
 * al. 2025, "Llamba").
 *
 * @returns `[batch, 1, heads * width]`.
 */
export function ssdMixerStep(inputs: SsdMixerStepInputs): tf.Tensor3D {
  const { xBC, z, a, convWeight, convBias, D, zBias, conv, ssm, groups } = inputs;
  const rest = [convWeight, convBias, D, zBias, conv, ssm];
  return run('ssdMixerStep', [xBC, z, a], rest, inputs, z.shape[2] as number, [groups]);
}

/**
 * `x = silu(conv(repeat x)); delta = softplus(dt + dtBias); s = exp(delta A) s + delta repeat(B) x;
 * y = (C s + D x) silu(z)` for every channel, heads of N channels repeated to the width of z.
 *
 * @returns `[batch, 1, channels]`.
 */
export function selectiveMixerStep(inputs: SelectiveMixerStepInputs): tf.Tensor3D {
  const { x, z, B, C, dt, convWeight, convBias, ALog, D, dtBias, conv, ssm } = inputs;
  const rest = [convWeight, convBias, ALog, D, dtBias, conv, ssm];
  return run('selectiveMixerStep', [x, z, B, C, dt], rest, inputs, z.shape[2] as number);
}
