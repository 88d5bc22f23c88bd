import { describe, expect, it } from 'vitest';
import { Slots } from '../../lib/generate/slots.js';

describe('Slots', () => {
  it('gives gaps first and says what is free', () => {
    const slots = new Slots<{ name: string }>(3);
    const items = ['a', 'b', 'c'].map((name) => ({ name }));
    expect(items.map((item) => slots.add(item))).toEqual([0, 1, 2]);
    expect(() => slots.add({ name: 'd' })).toThrow('all 3 places are taken');
    slots.remove(items[1] as { name: string });
    slots.remove(items[1] as { name: string });
    expect([slots.count, slots.free]).toEqual([2, 1]);
    expect(slots.add({ name: 'd' })).toBe(1);
    expect(slots.compact()).toEqual({ from: [], to: [] });
  });

  it('closes gaps with what is last, and moves nothing else', () => {
    let x = 1;
    const below = (n: number) => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return (x >>> 8) % n;
    };
    const slots = new Slots<{ id: number }>(40);
    // What lies where, as somebody who carries out the moves has it.
    let held: ({ id: number } | undefined)[] = [];
    const there = new Set<{ id: number }>();
    for (let id = 0; id < 2000; ) {
      for (let n = below(12); n > 0 && slots.free > 0; n--, id++) {
        const item = { id };
        there.add(item);
        held[slots.add(item)] = item;
      }
      for (const item of there) {
        if (below(4) > 0) continue;
        there.delete(item);
        slots.remove(item);
      }
      const { from, to } = slots.compact();
      expect(from.every((place) => place >= slots.count)).toBe(true);
      expect(to.every((place) => place < slots.count)).toBe(true);
      const moved = from.map((place) => held[place]);
      to.forEach((place, i) => {
        held[place] = moved[i];
      });
      held = held.slice(0, slots.count);
      expect(slots.all()).toEqual(held);
      expect(new Set(held)).toEqual(there);
    }
  });
});
