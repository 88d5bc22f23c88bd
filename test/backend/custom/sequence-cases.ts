/** Operands of the kernels along a sequence, and their comparison with the float64 recurrences. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import * as backend from '../../../lib/backend/index.js';
import { floats, ints, type Plain, random } from './both.js';

/** What a case has beside its sizes. */
export interface Extras {
  /** An initial state. */
  state?: boolean;
  /** Rows of different lengths, one of them idle. */
  lens?: boolean;
  /** Documents that start at tokens of different kinds: the first, neighbours, the last. */
  resets?: boolean;
}

export const EXTRAS: readonly Extras[] = [
  {},
  { state: true },
  { state: true, lens: true },
  { resets: true },
  { state: true, lens: true, resets: true },
];

export const name = (extras: Extras) => Object.keys(extras).join(' and ') || 'nothing';

/** Lengths and resets for a batch. */
export function sequence(b: number, l: number, { lens, resets }: Extras): Record<string, Plain> {
  const length = (row: number) => (row % 3 === 1 ? 0 : Math.max(1, l - 3 * row));
  const starts = (row: number, t: number) =>
    (row % 2 === 1 && t === 0) || t === 3 || t === 4 || t === l - 1 || random() > 0.9;
  return {
    ...(lens && { lens: ints(Array.from({ length: b }, (_, row) => length(row))) }),
    ...(resets && {
      resets: ints(
        Array.from({ length: b * l }, (_, i) => Number(starts(Math.floor(i / l), i % l))),
        [b, l],
      ),
    }),
  };
}

/** Numbers of [low, high). */
export function between(low: number, high: number, ...shape: number[]): Plain {
  const plain = floats(...shape);
  plain.values = plain.values.map((v) => low + ((v + 1) / 2) * (high - low));
  return plain;
}

/** Runs on `native` and returns plain values. */
export function onNative(
  inputs: Record<string, Plain>,
  op: (tensors: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
): Record<string, Float32Array> {
  backend.init();
  return tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([key, p]) => [key, tf.tensor(p.values, p.shape, p.dtype)]),
    );
    const out = Object.entries(op(tensors));
    return Object.fromEntries(out.map(([key, t]) => [key, Float32Array.from(t.dataSync())]));
  });
}

/** Expects values within `tolerance` of the largest one. */
export function expectClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  what: string,
  tolerance = 2e-5,
): void {
  expect(got.length).toBe(want.length);
  let scale = 1e-3;
  for (let i = 0; i < want.length; i++) scale = Math.max(scale, Math.abs(want[i] as number));
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs((got[i] as number) - (want[i] as number));
    if (!(difference <= tolerance * scale)) {
      expect.fail(`${what}, element ${i}: ${got[i]}, not ${want[i]} (largest ${scale})`);
    }
  }
}
