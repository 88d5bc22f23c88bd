import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { addToLast, copyRows } from '../../lib/backend/custom/in-place.js';
import * as backend from '../../lib/backend/index.js';
import { readLater } from '../../lib/backend/later.js';

beforeAll(() => void backend.init({ threads: 2 }));

describe('readLater', () => {
  it('gives the values of its place in the order, whatever is written behind it', () => {
    const x = tf.tensor1d([1, 2, 3]);
    const first = readLater(x, 2);
    backend.assign(x, Float32Array.of(4, 5, 6));
    const second = readLater(x);
    backend.assign(x, Float32Array.of(7, 8, 9));
    expect([...second.get()]).toEqual([4, 5, 6]);
    expect([...first.get()]).toEqual([1, 2]);
    expect(first.get()).toBe(first.get());
    x.dispose();
  });

  it('outlives its tensor, and ends once', () => {
    const x = tf.tensor1d([5, 6], 'int32');
    const [kept, dropped] = [readLater(x), readLater(x)];
    x.dispose();
    dropped.drop();
    dropped.drop();
    expect(() => dropped.get()).toThrow('the values were given up');
    expect(kept.get()).toEqual(Int32Array.of(5, 6));
    kept.drop();
    expect(kept.get()).toEqual(Int32Array.of(5, 6));
  });

  it('says what it cannot read', () => {
    const x = tf.tensor1d([1, 2]);
    expect(() => readLater(x, 3)).toThrow(
      /3 values of a float32 or int32 tensor expected, got .* \[2\]/,
    );
    const whole = () => {
      readLater(x);
      return tf.add(x, 1);
    };
    expect(() => backend.Program.trace(whole)).toThrow(/cannot read values/);
    x.dispose();
  });
});

describe('rows in place', () => {
  it('go from tensor to tensor and within one, in one operation', () => {
    const [small, large] = [tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.zeros([3, 2, 2])];
    const ids = tf.tensor1d([7, 8, 9], 'int32');
    copyRows(
      [
        { from: small, to: large, size: 2 },
        { from: ids, to: ids, size: 1 },
      ],
      [1, 1],
      [0, 2],
    );
    expect([...large.dataSync()]).toEqual([3, 4, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0]);
    expect([...ids.dataSync()]).toEqual([8, 8, 8]);
    expect(() => copyRows([{ from: ids, to: ids, size: 1 }], [0, 1], [1, 2])).toThrow(
      'a row that is read is written too',
    );
    const by = tf.tensor1d([1, 0], 'int32');
    const keys = tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32');
    addToLast(keys, by);
    expect([...keys.dataSync()]).toEqual([1, 3, 3, 4]);
    tf.dispose([small, large, ids, by, keys]);
  });
});
