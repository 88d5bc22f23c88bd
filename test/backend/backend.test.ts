import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { onGpu } from '../same.js';

beforeAll(() => {
  backend.init({ threads: 2 });
});

describe('native backend', () => {
  it('is the current backend of tfjs after init', () => {
    expect(tf.getBackend()).toBe('native');
  });

  it('runs operations, native or not, on its memory', () => {
    const a = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    const b = tf.tensor1d([10, 20, 30]);
    expect(Array.from(a.add(b).dataSync())).toEqual([11, 22, 33, 14, 25, 36]);
    expect(Array.from(tf.matMul(a, a, false, true).dataSync())).toEqual([14, 32, 32, 77]);
    expect(tf.tensor(['a', 'bc']).dataSync()).toEqual(['a', 'bc']);
    expect(Array.from(tf.fft(tf.complex([1, 2], [0, 0])).dataSync())).toEqual([3, 0, -1, 0]);
  });

  it('returns values that are the caller’s own', () => {
    const a = tf.tensor1d([1, 2, 3]);
    const values = a.dataSync();
    values[0] = 99;
    expect(Array.from(a.dataSync())).toEqual([1, 2, 3]);
  });

  it('gives every buffer back', () => {
    const before = backend.memory();
    for (let i = 0; i < 1000; i++) {
      tf.tidy(() => tf.ones([32, 32]).mul(2).sum().sqrt()).dispose();
    }
    const after = backend.memory();
    expect(after.tensors).toBe(before.tensors);
    expect(after.buffers).toBe(before.buffers);
    expect(after.bytes).toBe(before.bytes);
  });

  it('turns an allocation that cannot be met into an error and goes on', () => {
    expect(() => tf.zeros([1 << 20, 1 << 20])).toThrow();
    expect(tf.ones([2]).sum().dataSync()[0]).toBe(2);
  });

  it('refuses options out of range', () => {
    expect(() => backend.init({ threads: 0 })).toThrow(/threads must be a positive integer, got 0/);
    expect(() => backend.init({ device: 'tpu' as never })).toThrow(/device must be/);
    const other = onGpu ? 'cpu' : 'cuda';
    expect(() => backend.init({ device: other })).toThrow(/already runs on/);
  });
});

describe('capture', () => {
  it('says that values cannot be read while tracing', () => {
    const f = backend.capture((x) => {
      x.dataSync();
      return x;
    });
    const x = tf.tensor1d([1]);
    expect(() => f(x)).toThrow(/captured function cannot read values/);
    expect(tf.tensor1d([2]).dataSync()[0]).toBe(2);
  });
});
