/** Caches that are stored as bfloat16: what is written, moved and attended to. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  cacheConcat,
  cacheCopy,
  cacheGather,
  cacheWrite,
} from '../../../lib/backend/custom/cache.js';
import { causalAttention } from '../../../lib/backend/custom/causal-attention.js';
import { withCompositions } from '../../../lib/backend/custom/differentiable.js';
import { roundValues } from '../../../lib/backend/custom/in-place.js';
import {
  asFloat32,
  concatRows,
  storageOf,
  storedZeros,
  storeValues,
} from '../../../lib/backend/custom/stored.js';
import * as backend from '../../../lib/backend/index.js';

beforeAll(() => void backend.init({ threads: 2 }));

/** Numbers that look random, some of them ties between two bfloat16 numbers. */
function numbers(shape: number[]): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  const values = Array.from({ length: size }, (_, i) => Math.sin(1 + i * 1.7));
  for (let i = 0; i < size; i += 5) values[i] = (i % 2 ? -1 : 1) * (1 + ((i % 64) + 0.5) / 128);
  return tf.tensor(values, shape);
}

/** The same numbers, stored as bfloat16. */
function stored<T extends tf.Tensor>(t: T): T {
  const into = storedZeros(t.shape, 'BF16');
  storeValues(t, into);
  return into as T;
}

/** The nearest bfloat16 numbers, as float32. */
function rounded<T extends tf.Tensor>(t: T): T {
  const copy = tf.zeros(t.shape) as T;
  roundValues(t, copy);
  return copy;
}

const values = (t: tf.Tensor) => [...t.dataSync()];

describe('caches stored as bfloat16', () => {
  it.each([
    [1, 1, 1, 1, 4],
    [3, 5, 2, 7, 11],
    [2, 40, 3, 64, 50],
  ])('get rounded tokens: %i rows, %i tokens, %i heads of %i, room %i', (b, l, h, d, room) => {
    tf.tidy(() => {
      const src = numbers([b, l, h, d]) as tf.Tensor4D;
      const starts = tf.tensor1d(
        Array.from({ length: b }, (_, i) => i),
        'int32',
      );
      const lens = tf.tensor1d(
        Array.from({ length: b }, (_, i) => Math.max(0, l - 2 * i)),
        'int32',
      );
      const old = rounded(numbers([b, room, h, d])) as tf.Tensor4D;
      const got = cacheWrite(src, starts, lens, stored(old));
      expect(storageOf(got)).toBe('BF16');
      expect(values(got)).toEqual(values(cacheWrite(rounded(src), starts, lens, old)));
    });
  });

  it('keep their storage where rows are gathered, copied and joined', () => {
    tf.tidy(() => {
      const plain = rounded(numbers([3, 6, 2, 5])) as tf.Tensor4D;
      const other = rounded(numbers([2, 9, 2, 5])) as tf.Tensor4D;
      const pairs = [
        [cacheGather(stored(plain), [2, 0, 2, 1], 9), cacheGather(plain, [2, 0, 2, 1], 9)],
        [cacheGather(stored(plain), [1], 4), cacheGather(plain, [1], 4)],
        [
          cacheCopy(stored(plain), 2, stored(other), 0, 5),
          cacheCopy(plain, 2, other.clone(), 0, 5),
        ],
        [cacheConcat([stored(plain), stored(other)]), cacheConcat([plain, other])],
        [concatRows([stored(other), stored(other)]), concatRows([other, other])],
      ] as const;
      for (const [got, want] of pairs) {
        expect(storageOf(got)).toBe('BF16');
        expect(storageOf(want)).toBe('F32');
        expect(got.shape).toEqual(want.shape);
        expect(values(got)).toEqual(values(want));
      }
    });
  });

  it('are read as float32 in new memory, and float32 as it is', () => {
    tf.tidy(() => {
      const plain = numbers([4, 9]);
      expect(asFloat32(plain)).toBe(plain);
      const floats = asFloat32(stored(plain));
      expect(storageOf(floats)).toBe('F32');
      expect(values(floats)).toEqual(values(rounded(plain)));
    });
  });

  it.each([
    [1, 1, 9, 3, 64, 70],
    [2, 5, 4, 2, 8, 9],
    [3, 7, 6, 1, 20, 31],
    [2, 1, 8, 2, 32, 200],
    [2, 1, 5, 1, 256, 80],
    [1, 66, 3, 3, 128, 130],
  ])('are attended to: [%i, %i, %i / %i heads, %i], room %i', (b, l, h, kv, d, room) => {
    tf.tidy(() => {
      const q = numbers([b, l, h, d]) as tf.Tensor4D;
      const [k, v] = [numbers([b, room, kv, d]), tf.neg(numbers([b, room, kv, d]))] as [
        tf.Tensor4D,
        tf.Tensor4D,
      ];
      const at = Array.from({ length: b }, (_, i) => Math.max(0, room - l - i));
      const starts = tf.tensor1d(at, 'int32');
      const lens = tf.tensor1d(
        at.map((_, i) => Math.max(0, l - i)),
        'int32',
      );
      const scale = 1 / Math.sqrt(d);
      const got = causalAttention({ q, k: stored(k), v: stored(v), starts, lens, scale });
      const want = withCompositions(() =>
        causalAttention({ q, k: rounded(k), v: rounded(v), starts, lens, scale }),
      );
      const worst = tf.max(tf.abs(tf.sub(got, want))).dataSync()[0] as number;
      expect(worst).toBeLessThan(1e-5);
    });
  });

  it('are attended to together with values stored alike', () => {
    tf.tidy(() => {
      const q = numbers([1, 1, 2, 8]) as tf.Tensor4D;
      const cache = numbers([1, 4, 1, 8]) as tf.Tensor4D;
      const one = tf.ones([1], 'int32') as tf.Tensor1D;
      const at = { starts: one, lens: one, scale: 1 };
      expect(() => causalAttention({ q, k: stored(cache), v: cache, ...at })).toThrow(
        /k and v should both be F32 or both BF16, got k BF16 and v F32/,
      );
    });
  });
});
