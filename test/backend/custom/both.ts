/**
 * Runs a computation on `native` and, through the compositions, on tfjs' `cpu` backend, and
 * compares values and gradients.
 */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import * as backend from '../../../lib/backend/index.js';

/** A tensor as plain data, so that it can be made on either backend. */
export interface Plain {
  shape: number[];
  dtype: 'float32' | 'int32';
  values: number[];
}

let state = 1;

/** Starts the random numbers of a test anew. */
export function seed(n: number): void {
  state = (n * 2654435761 + 97) >>> 0;
}

/** A number of [-1, 1). */
export function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
}

export function floats(...shape: number[]): Plain {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, dtype: 'float32', values: Array.from({ length: size }, random) };
}

export function ints(values: number[], shape: number[] = [values.length]): Plain {
  return { shape, dtype: 'int32', values };
}

function make(plain: Plain): tf.Tensor {
  return tf.tensor(plain.values, plain.shape, plain.dtype);
}

type Op = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

function evaluate(name: string, op: Op, inputs: Plain[], wrt: number[]): Float32Array[] {
  backend.init();
  void tf.setBackend(name);
  try {
    const results = tf.tidy(() => {
      const tensors = inputs.map(make);
      const list = (out: tf.Tensor | tf.Tensor[]) => (Array.isArray(out) ? out : [out]);
      const outputs = list(op(...tensors));
      if (wrt.length === 0) return outputs;
      // A fixed random-looking weight for every output, so that no gradient is symmetric by chance.
      const loss = (...some: tf.Tensor[]) => {
        const all = [...tensors];
        wrt.forEach((i, j) => {
          all[i] = some[j] as tf.Tensor;
        });
        const parts = list(op(...all)).map((o) => {
          const weights = Array.from({ length: o.size }, (_, i) => Math.sin(1 + i * 1.7));
          return tf.sum(tf.mul(o, tf.tensor(weights, o.shape)));
        });
        return tf.addN(parts) as tf.Scalar;
      };
      return [...outputs, ...tf.grads(loss)(wrt.map((i) => tensors[i] as tf.Tensor))];
    });
    const values = results.map((t) => Float32Array.from(t.dataSync()));
    tf.dispose(results);
    return values;
  } finally {
    backend.init();
  }
}

/**
 * Expects equal values, and equal gradients with respect to the inputs numbered in `wrt`.
 *
 * @param tolerance of the largest difference, relative to the largest value (at least 1).
 */
export function expectSame(op: Op, inputs: Plain[], wrt: number[] = [], tolerance = 2e-5): void {
  const got = evaluate('native', op, inputs, wrt);
  const want = evaluate('cpu', op, inputs, wrt);
  expect(got.length).toBe(want.length);
  got.forEach((g, i) => {
    const w = want[i] as Float32Array;
    expect(g.length).toBe(w.length);
    const scale = w.reduce((m, x) => Math.max(m, Math.abs(x)), 1);
    const off = g.findIndex((x, j) => !(Math.abs(x - (w[j] as number)) <= tolerance * scale));
    expect(off < 0 ? 'equal' : `result ${i}, element ${off}: ${g[off]}, not ${w[off]}`).toBe(
      'equal',
    );
  });
}
