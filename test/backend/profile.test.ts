import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { Program } from '../../lib/backend/index.js';

beforeAll(() => void backend.init({ threads: 2 }));

describe('a profile', () => {
  const work = (n: number) =>
    tf.tidy(() => {
      const x = tf.ones([n, n]) as tf.Tensor2D;
      return tf.exp(tf.matMul(x, x)).dataSync();
    });

  it('has calls of the same shapes in one line, the longest first', () => {
    const lines = backend.profile(() => {
      work(64);
      work(64);
      work(8);
    });
    const gemms = lines.filter(({ op }) => op === 'gemm');
    expect(gemms.map(({ calls }) => calls).sort()).toEqual([1, 2]);
    expect(gemms.find(({ calls }) => calls === 2)?.shapes).toContain('64, 64]');
    expect(lines.some(({ op }) => op === 'exp')).toBe(true);
    const times = lines.map(({ ms }) => ms);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect(times.every((ms) => ms >= 0)).toBe(true);
  });

  it('sees into captured programs', () => {
    const x = tf.ones([16, 16]) as tf.Tensor2D;
    const program = Program.trace(() => tf.exp(tf.matMul(x, x)));
    program.replay();
    const lines = backend.profile(() => {
      program.replay();
      program.replay();
    });
    expect(lines.map(({ op, calls }) => [op, calls]).sort()).toEqual([
      ['exp', 2],
      ['gemm', 2],
    ]);
    program.dispose();
    x.dispose();
  });

  it('is none inside another, and ends where its body fails', () => {
    expect(() => backend.profile(() => backend.profile(() => {}))).toThrow(/do not nest/);
    expect(() =>
      backend.profile(() => {
        throw new Error('a body that fails');
      }),
    ).toThrow('a body that fails');
    expect(backend.profile(() => void work(4))).not.toHaveLength(0);
  });
});
