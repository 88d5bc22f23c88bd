import { describe, expect, it } from 'vitest';
import { inferenceTime } from '../../lib/plots/index.js';

const points = [
  { series: 'teacher', batch: 1, seconds: 1, floorSeconds: 0.5 },
  { series: 'teacher', batch: 2, seconds: 1.5, floorSeconds: 0.7 },
  { series: 'teacher', batch: 4, outOfMemory: true },
  { series: 'teacher', batch: 8, outOfMemory: true },
  { series: 'student', batch: 1, seconds: 0.8 },
  { series: 'student', batch: 16, seconds: 2 },
];

describe('inferenceTime', () => {
  it('draws times, limits and the batch at which memory ended', async () => {
    const figure = inferenceTime(points, { subtitle: 'two cores' });
    const { data, layer } = figure.spec as unknown as {
      data: { values: { kind: string }[] };
      layer: { data?: { values: object[] } }[];
    };
    expect(data.values.filter(({ kind }) => kind === 'measured')).toHaveLength(4);
    expect(data.values.filter(({ kind }) => kind !== 'measured')).toHaveLength(2);
    expect(layer[2]?.data?.values).toEqual([{ series: 'teacher', batch: 4, seconds: 2 }]);
    expect(figure.description).toBe(
      'Inference time against batch size. teacher: from 1 s at batch 1 to 1.5 s at batch 2, out of ' +
        'memory at 4; student: from 0.8 s at batch 1 to 2 s at batch 16.',
    );
    const svg = await figure.toSVG();
    for (const text of ['teacher', 'student', 'out of memory', "machine's limit", 'two cores']) {
      expect(svg).toContain(text);
    }
  });

  it('draws models whose memory did not end, and refuses nothing to draw', async () => {
    expect(await inferenceTime(points.slice(4)).toSVG()).not.toContain('out of memory');
    expect(() => inferenceTime(points.slice(2, 4))).toThrow(/a point with a time, got 2 points/);
  });
});
