import { describe, expect, it } from 'vitest';
import { type Axis, fractionAt, roundDomain, tightDomain, valueAt } from '../../lib/plots/axes.js';
import { seriesColors, spreadLabels } from '../../lib/plots/series.js';

const axis = (rest: Omit<Axis, 'title'> = {}): Axis => ({ title: 't', ...rest });

describe('domains', () => {
  it.each([
    [[0.13, 0.92], axis({ zero: true, format: 'percent' }), [0, 1]],
    [[0.013, 0.169], axis({ zero: true, format: 'percent' }), [0, 0.2]],
    [[0.99, 1], axis({ zero: true, format: 'percent' }), [0, 1]],
    [[62, 352], axis({ zero: true }), [0, 400]],
    [[62, 352], axis(), [0, 400]],
    [[101, 109], axis(), [100, 110]],
    [[-3, 4], axis(), [-4, 4]],
    [[0.7, 7], axis({ scale: 'log10' }), [0.5, 10]],
    [[3, 50], axis({ scale: 'log2' }), [2, 64]],
    [[8, 8], axis({ scale: 'log2' }), [4, 16]],
    [[0, 0], axis({ zero: true, format: 'percent' }), [0, 0.5]],
    [[5, 5], axis(), [4.4, 5.6]],
  ])('%j rounds outwards (%j) to %j', (values, of, expected) => {
    const [low, high] = roundDomain(values, of);
    expect(low).toBeCloseTo(expected[0] as number, 12);
    expect(high).toBeCloseTo(expected[1] as number, 12);
  });

  it('always holds its values', () => {
    for (const scale of ['linear', 'log2', 'log10'] as const) {
      for (let i = 0; i < 400; i++) {
        const low = 10 ** ((i * 37) % 13) / 1e6;
        const high = low * (1 + ((i * 61) % 97) ** 2);
        for (const domain of [tightDomain, roundDomain]) {
          const [first, last] = domain([high, low], axis({ scale }));
          expect(first).toBeLessThanOrEqual(low * (1 + 1e-9));
          expect(last).toBeGreaterThanOrEqual(high * (1 - 1e-9));
          expect(first).toBeLessThan(last);
        }
      }
    }
  });

  it('maps values to fractions and back', () => {
    for (const scale of ['linear', 'log2', 'log10'] as const) {
      for (const value of [1, 3, 17, 64]) {
        const fraction = fractionAt(value, [1, 64], axis({ scale }));
        expect(fraction).toBeGreaterThanOrEqual(0);
        expect(fraction).toBeLessThanOrEqual(1);
        expect(valueAt(fraction, [1, 64], axis({ scale }))).toBeCloseTo(value, 10);
      }
    }
  });
});

describe('spreadLabels', () => {
  it('leaves labels alone that do not meet', () => {
    expect(spreadLabels([10, 90, 50], 16)).toEqual([10, 90, 50]);
    expect(spreadLabels([], 16)).toEqual([]);
  });

  it('moves those that meet apart around their middle', () => {
    expect(spreadLabels([50, 50], 16)).toEqual([42, 58]);
    expect(spreadLabels([50, 51, 200], 16)).toEqual([42.5, 58.5, 200]);
  });

  it('keeps the gap and the order for any heights', () => {
    for (let i = 0; i < 300; i++) {
      const heights = Array.from({ length: 6 }, (_, j) => ((i + 1) * (j + 3) * 7919) % 100);
      const spread = spreadLabels(heights, 16);
      const order = heights.map((_, j) => j).sort((a, b) => spread[a]! - spread[b]!);
      for (let j = 1; j < order.length; j++) {
        const [below, above] = [order[j - 1]!, order[j]!];
        expect(spread[above]! - spread[below]!).toBeGreaterThanOrEqual(16 - 1e-9);
        expect(heights[above]!).toBeGreaterThanOrEqual(heights[below]!);
      }
    }
  });
});

describe('seriesColors', () => {
  it('gives each name one colour in order of appearance', () => {
    const colors = seriesColors(['b', 'a', 'b']);
    expect([...colors.keys()]).toEqual(['b', 'a']);
    expect(new Set(colors.values()).size).toBe(2);
  });
});
