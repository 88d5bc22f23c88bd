import { describe, expect, it } from 'vitest';
import { type MixedText, mixedTexts } from '../../../lib/data/training/mix.js';
import { type LazyText, type OpenedSource, openSource } from '../../../lib/data/training/source.js';

const source = (name: string, count: number) =>
  openSource({
    name,
    texts: Array.from({ length: count }, (_, i) => ({ id: `${name}${i}`, text: `${i}` })),
  });

/** A source whose order is not drawn, which counts what is read of it. */
function counted(count: number) {
  const read: number[] = [];
  const opened: OpenedSource = {
    name: 'counted',
    shards: [],
    async *texts(): AsyncGenerator<LazyText> {
      for (let i = 0; i < count; i++) {
        yield {
          read() {
            read.push(i);
            return { id: `${i}`, text: `${i}` };
          },
        };
      }
    },
  };
  return { opened, read };
}

const start = { epoch: 0, index: 0, taken: 0 };

async function take(texts: AsyncGenerator<MixedText>, count: number): Promise<MixedText[]> {
  const taken: MixedText[] = [];
  while (taken.length < count) taken.push((await texts.next()).value);
  await texts.return(undefined);
  return taken;
}

const ids = (texts: readonly MixedText[]) => texts.map(({ text }) => text.id);

describe('mixedTexts', () => {
  it('gives each text once an epoch, every epoch in another order', async () => {
    for (const shuffle of [1, 3, 100]) {
      const options = { weights: [1], seed: 7, shuffle, from: [start] };
      const given = ids(await take(mixedTexts([source('a', 20)], options), 40));
      const [first, second] = [given.slice(0, 20), given.slice(20)];
      const every = ids(await take(mixedTexts([source('a', 20)], { ...options, shuffle: 0 }), 20));
      expect(every.at(-1)).toBe('a19');
      expect([...first].sort()).toEqual([...every].sort());
      expect([...second].sort()).toEqual([...every].sort());
      expect(first).not.toEqual(every);
      expect(second).not.toEqual(first);
    }
  });

  it('draws from a buffer: a text comes at most so many places early', async () => {
    const { opened } = counted(200);
    const options = { weights: [1], seed: 1, shuffle: 10, from: [start] };
    const order = ids(await take(mixedTexts([opened], options), 200)).map(Number);
    for (const [place, i] of order.entries()) expect(i - place).toBeLessThan(10);
    const moved = order.reduce((sum, i, place) => sum + Math.abs(i - place), 0) / 200;
    expect(moved).toBeGreaterThan(3);
  });

  it('holds to the weights to within one document at any time', async () => {
    const weights = [5, 2, 0.5];
    const sources = [source('a', 11), source('b', 40), source('c', 3)];
    const options = { weights, seed: 1, shuffle: 8, from: [start, start, start] };
    const given = await take(mixedTexts(sources, options), 600);
    const counts = [0, 0, 0];
    for (const [n, { source: i }] of given.entries()) {
      counts[i] = (counts[i] as number) + 1;
      for (const [j, weight] of weights.entries()) {
        expect(Math.abs((counts[j] as number) - ((n + 1) * weight) / 7.5)).toBeLessThanOrEqual(1);
      }
    }
    expect(counts).toEqual([400, 160, 40]);
  });

  it('goes on from any place as it would have gone on', async () => {
    const sources = [source('a', 13), source('b', 5)];
    const options = { weights: [2, 1], seed: 3, shuffle: 4 };
    const whole = await take(mixedTexts(sources, { ...options, from: [start, start] }), 60);
    for (let at = 1; at < 40; at++) {
      const from = [0, 1].map((i) => {
        const last = whole
          .slice(0, at)
          .filter(({ source: s }) => s === i)
          .at(-1)?.place;
        return last ? { ...last, index: last.index + 1, taken: last.taken + 1 } : start;
      });
      const rest = await take(mixedTexts(sources, { ...options, from }), 20);
      expect(rest).toEqual(whole.slice(at, at + 20));
    }
  });

  it('does not read what was given before a place', async () => {
    const { opened, read } = counted(1000);
    const from = [{ epoch: 0, index: 900, taken: 900 }];
    await take(mixedTexts([opened], { weights: [1], seed: 1, shuffle: 50, from }), 10);
    expect(read.length).toBeLessThanOrEqual(70);
  });

  it('names a source without rows', async () => {
    const options = { weights: [1], seed: 1, shuffle: 4, from: [start] };
    await expect(take(mixedTexts([source('empty', 0)], options), 1)).rejects.toThrow(
      'empty: expected rows, found none',
    );
  });
});
