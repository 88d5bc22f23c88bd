/** How the numbers of decode states are kept. */
import type * as tf from '@tensorflow/tfjs-core';
import { storageOf } from '../backend/custom/stored.js';

/** The precisions of decode states. */
export const statePrecisions = ['f32', 'bf16'] as const;

/**
 * How keys, values and recurrent states are kept: `bf16` takes half the bytes and rounds whatever is
 * written to eight bits of mantissa. Arithmetic is float32 either way.
 */
export type StatePrecision = (typeof statePrecisions)[number];

/** What tensors of a precision are stored as. */
export const STORAGE = { f32: 'F32', bf16: 'BF16' } as const;

/** Bytes of a number. */
export const STATE_BYTES = { f32: 4, bf16: 2 } as const;

/** The precision in which a tensor of a state is kept. */
export function precisionOf(t: tf.Tensor): StatePrecision {
  return storageOf(t) === 'BF16' ? 'bf16' : 'f32';
}

/**
 * Checks that a value names a precision.
 *
 * @throws RangeError naming the caller's option, what is allowed and what came.
 */
export function statePrecisionOf(option: string, value: unknown): StatePrecision {
  const precision = statePrecisions.find((known) => known === value);
  if (precision) return precision;
  const text = JSON.stringify(value);
  throw new RangeError(`${option} must be one of ${statePrecisions.join(', ')}, got ${text}`);
}
