import { expect, it } from 'vitest';
import { estimate } from '../../lib/distill/estimate.js';
import { plan } from '../../lib/models/index.js';
import { tinyConfig } from '../models/tiny.js';

const base = { student: tinyConfig, steps: 10, batch: 4, length: 8, flopsPerSecond: 1e9 };

it('counts tokens, and six operations for each parameter and token', () => {
  const { parameters } = plan(tinyConfig);
  const { tokens, seconds, trainedParameters } = estimate(base);
  expect(tokens).toBe(320);
  expect(trainedParameters).toBe(parameters);
  expect(seconds).toBeCloseTo((320 * 6 * parameters) / 0.7e9, 12);
});

it('a teacher adds its bytes and two operations; checkpoints add two and take activations away', () => {
  const { parameters } = plan(tinyConfig);
  const plain = estimate(base);
  const taught = estimate({ ...base, teacher: { config: tinyConfig, bytes: 1000 } });
  expect(taught.memoryBytes - plain.memoryBytes).toBe(1000);
  expect(taught.seconds / plain.seconds).toBeCloseTo(8 / 6, 12);
  const again = estimate({ ...base, checkpoint: true });
  expect(again.seconds / plain.seconds).toBeCloseTo(8 / 6, 12);
  expect(again.memoryBytes).toBeLessThan(plain.memoryBytes);
  const accumulated = estimate({ ...base, accumulate: 4 });
  expect(accumulated.memoryBytes).toBeGreaterThan(plain.memoryBytes - 1.25 * 4 * 32 * 3 * 1000);
  expect(accumulated.trainedParameters).toBe(parameters);
});

it('masters add a number for each trained one', () => {
  const half = { ...base, trained: 0.5 };
  const more = estimate({ ...half, masters: true }).memoryBytes - estimate(half).memoryBytes;
  expect(more).toBe(4 * estimate(half).trainedParameters);
});
