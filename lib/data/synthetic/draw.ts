/** Random choices that depend on nothing but the seed and the stream. */
export interface Draw {
  /** An integer from `least` to `most`, both included. */
  int(least: number, most: number): number;
  /** One of the list. */
  pick<T>(list: readonly T[]): T;
  /** Two different ones of the list. */
  two<T>(list: readonly T[]): [T, T];
}

/**
 * Random choices for one stream of a seed. Streams are independent, so that the tenth problem is the
 * same whether ten are made or a thousand.
 *
 * The generator is SplitMix32 started from the mixed seed and stream; its period of 2^32 is far more
 * than a problem's few draws.
 */
export function drawFrom(seed: number, stream: number): Draw {
  let state = mix(mix(seed | 0) ^ mix(Math.trunc(seed / 2 ** 32) + 0x51ed270b) ^ mix(~stream));
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    return mix(state) / 2 ** 32;
  };
  const int = (least: number, most: number): number =>
    least + Math.floor(next() * (most - least + 1));
  const pick = <T>(list: readonly T[]): T => list[int(0, list.length - 1)] as T;
  return {
    int,
    pick,
    two: (list) => {
      const first = int(0, list.length - 1);
      const second = (first + int(1, list.length - 1)) % list.length;
      return [list[first] as (typeof list)[number], list[second] as (typeof list)[number]];
    },
  };
}

/** A bijection of 32-bit integers in which every input bit moves about half of the output's. */
function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}
