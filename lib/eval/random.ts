/**
 * A seeded source of uniform integers (xoshiro128**, Blackman and Vigna 2018, seeded by
 * splitmix32), so that a resampled interval is the same on every run.
 *
 * @param seed an integer; only its low 32 bits count
 * @returns a function of `bound` that draws from 0 to bound - 1 without bias
 * @throws RangeError where the seed is not an integer
 */
export function randomIntegers(seed: number): (bound: number) => number {
  if (!Number.isInteger(seed)) {
    throw new RangeError(`seed must be an integer, got ${String(seed)}`);
  }
  let mixer = seed | 0;
  const splitMix = (): number => {
    mixer = (mixer + 0x9e3779b9) | 0;
    let z = Math.imul(mixer ^ (mixer >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, d] = [splitMix(), splitMix(), splitMix(), splitMix()];

  const next = (): number => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result >>> 0;
  };

  return (bound) => {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let draw = next();
    while (draw >= limit) {
      draw = next();
    }
    return draw % bound;
  };
}
