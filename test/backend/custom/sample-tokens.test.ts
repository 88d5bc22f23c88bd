import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { philox } from '../../../lib/backend/custom/draw-token.js';
import { sampleTokens } from '../../../lib/backend/custom/sample-tokens.js';
import * as backend from '../../../lib/backend/index.js';
import { random, seed } from './both.js';

interface Draws {
  ids: number[];
  logProbs: number[];
}

function draw(name: string, logits: number[][], params: number[], rows: number): Draws {
  backend.init();
  void tf.setBackend(name);
  const out = tf.tidy(() =>
    sampleTokens({
      logits: tf.tensor2d(
        Array.from({ length: rows }, (_, i) => logits[i % logits.length] as number[]),
      ),
      params: tf.tensor2d(Array.from({ length: rows }, () => params)),
      keys: tf.tensor2d(
        Array.from({ length: rows }, (_, i) => [9, 4, i, 2]),
        [rows, 4],
        'int32',
      ),
      lens: tf.tensor1d(
        Array.from({ length: rows }, (_, i) => (i % 7 === 6 ? 0 : 1)),
        'int32',
      ),
    }),
  );
  const [ids, logProbs] = out.map((t) => Array.from(t.dataSync()));
  tf.dispose(out);
  backend.init();
  return { ids, logProbs } as Draws;
}

describe('sampleTokens', () => {
  it('has the random numbers of Random123', () => {
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  });

  it.each([
    ['greedy', [0, 1, 0, 0]],
    ['all', [1, 1, 0, 0]],
    ['tempered', [0.6, 1, 0, 0]],
    ['topK', [0.8, 1, 0, 20]],
    ['topP', [0.8, 0.9, 0, 0]],
    ['minP', [0.8, 1, 0.05, 0]],
    ['every filter', [1.3, 0.95, 0.01, 100]],
  ])('draws as its reference does: %s', (_, params) => {
    seed(3);
    const logits = Array.from({ length: 5 }, () =>
      Array.from({ length: 1009 }, () => random() * 6),
    );
    const native = draw('native', logits, params, 140);
    const reference = draw('cpu', logits, params, 140);
    // A draw within rounding of the border between two tokens may fall on either side.
    const differ = native.ids.filter((id, i) => id !== reference.ids[i]).length;
    expect(differ).toBeLessThanOrEqual(1);
    native.logProbs.forEach((p, i) => {
      if (native.ids[i] === reference.ids[i])
        expect(p).toBeCloseTo(reference.logProbs[i] as number, 4);
    });
    expect(new Set(native.ids).size).toBeGreaterThan(params[0] === 0 ? 1 : 10);
  });

  it('names a row whose logits are not numbers', () => {
    for (const name of ['native', 'cpu']) {
      const logits = [
        [0, 1],
        [0, Number.NaN],
      ];
      expect(() => draw(name, logits, [1, 1, 0, 0], 2)).toThrow(/row 1/);
      backend.init();
    }
  });
});
