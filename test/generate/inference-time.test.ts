import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import {
  type InferencePoint,
  type InferenceTimeOptions,
  inferenceTime,
} from '../../lib/generate/index.js';
import * as models from '../../lib/models/index.js';
import { makers } from '../models/students.js';

const rates = { flopsPerSecond: 1e9, bytesPerSecond: 1e9 };
const all = async (model: models.Model, options: InferenceTimeOptions) => {
  const points: InferencePoint[] = [];
  for await (const point of inferenceTime(model, { rates, ...options })) points.push(point);
  return points;
};

beforeAll(() => void backend.init({ threads: 2 }));

describe.each(['llama', 'llamba', 'hybrid of Mamba-1'])('inferenceTime of a %s', (kind) => {
  let model: models.Model;
  beforeAll(() => {
    model = (makers[kind] as () => models.Model)();
  });
  afterAll(() => model.dispose());

  it('has a point for each batch, with its floor and the share reached', async () => {
    // The table of rotations is made when it is first used, and stays.
    await all(model, { batches: [1], context: 40, newTokens: 6 });
    const before = backend.memory();
    const points = await all(model, { batches: [5, 1], context: 40, newTokens: 6 });
    expect(points.map((p) => p.batch)).toEqual([1, 5]);
    for (const point of points) {
      if (point.outOfMemory) throw new Error(point.reason);
      const { batch, stepMs, seconds, tokensPerSecond, floor, shareOfFloor } = point;
      expect(stepMs).toBeGreaterThan(0);
      expect(seconds).toBeCloseTo((6 * stepMs) / 1e3, 12);
      expect(tokensPerSecond).toBeCloseTo((1e3 * batch) / stepMs, 9);
      const work = models.stepWork(model.config, model.bytes, batch, 43);
      expect(floor.arithmeticMs).toBeCloseTo((batch * work.flopsPerToken) / 1e6, 12);
      expect(floor.memoryMs).toBeCloseTo(work.bytesPerStep / 1e6, 12);
      const longer = Math.max(floor.arithmeticMs, floor.memoryMs);
      expect(shareOfFloor).toBeCloseTo(longer / stepMs, 12);
    }
    const after = backend.memory();
    expect(after.tensors).toBe(before.tensors);
    expect(after.bytes).toBe(before.bytes);
    expect(after.programs).toBe(before.programs);
  });

  it('grows until the memory that it may take ends', async () => {
    const points = await all(model, { context: 40, newTokens: 3, memory: 400_000 });
    expect(points.map((p) => p.batch)).toEqual(points.map((_, i) => 2 ** i));
    expect(points.map((p) => p.outOfMemory)).toEqual(points.map((_, i) => i === points.length - 1));
    expect(points.length).toBeGreaterThan(1);
    expect(points.at(-1)).toMatchObject({ reason: expect.stringMatching(/GiB are free$/) });
    const most = await all(model, { context: 4, newTokens: 3, mostRows: 5 });
    expect(most.map((p) => p.batch)).toEqual([1, 2, 4]);
  });

  it('makes points of an allocation that fails and of the larger batches, and goes on', async () => {
    const { limitBytes, bytes } = backend.memory();
    const options = { batches: [1, 500, 1000], context: 20, newTokens: 3, memory: 1e12 };
    backend.init({ memoryLimit: bytes + 2_000_000 });
    try {
      const points = await all(model, options);
      expect(points.map((p) => p.outOfMemory)).toEqual([false, true, true]);
      expect(points[1]).toMatchObject({
        reason: expect.stringMatching(/out of memory: \d+ bytes/),
      });
    } finally {
      backend.init({ memoryLimit: limitBytes });
    }
    expect(await all(model, { ...options, batches: [500] })).toMatchObject([
      { outOfMemory: false },
    ]);
  });

  it('refuses what cannot be measured', async () => {
    await expect(all(model, { newTokens: 2 })).rejects.toThrow(/newTokens must .* from 3, got 2/);
    await expect(all(model, { batches: [1, 0.5] })).rejects.toThrow(/batches must .*, got 0.5/);
    if (kind !== 'llamba') {
      await expect(all(model, { context: 198 })).rejects.toThrow(/do not fit .* context of 200/);
    }
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(all(model, { signal, context: 4 })).rejects.toThrow('enough');
  });
});
