/**
 * Equality of numbers that a device computes in two ways: to the last bit on a processor, whose
 * kernels keep one order of sums, within rounding on a GPU, whose products choose theirs by shape.
 */
import { expect } from 'vitest';

/** Whether the tests run on a GPU. */
export const onGpu = (process.env.MAMBALAB_DEVICE ?? '').startsWith('cuda');

function flat(values: unknown): number[] {
  if (typeof values === 'number') return [values];
  if (ArrayBuffer.isView(values) || Array.isArray(values)) {
    return [...(values as Iterable<unknown>)].flatMap(flat);
  }
  throw new Error(`expected numbers or arrays of them, got ${typeof values}`);
}

/** Expects arrays of the same numbers. */
export function expectSame(got: unknown, want: unknown, tolerance = 2e-5): void {
  if (!onGpu) {
    expect(got).toEqual(want);
    return;
  }
  const [a, b] = [flat(got), flat(want)];
  expect(a.length).toBe(b.length);
  const scale = b.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
  const worst = a.reduce((most, v, i) => Math.max(most, Math.abs(v - (b[i] as number))), 0);
  expect(worst / scale).toBeLessThan(tolerance);
}

interface Drawn {
  readonly tokens: readonly number[];
  readonly logProb: number;
}

/**
 * Expects the same completions, without their timings. On a GPU one in ten may take another way, where
 * two tokens were nearly as likely.
 */
export function expectSameCompletions<T extends Drawn>(
  got: readonly T[],
  want: readonly T[],
): void {
  if (!onGpu) {
    expect(got).toEqual(want);
    return;
  }
  expect(got.length).toBe(want.length);
  let same = 0;
  for (const [i, one] of got.entries()) {
    const other = want[i] as T;
    if (JSON.stringify(one.tokens) !== JSON.stringify(other.tokens)) continue;
    same++;
    const { logProb, ...rest } = one;
    expect(rest).toEqual((({ logProb: _, ...r }) => r)(other));
    expect(Math.abs(logProb - other.logProb)).toBeLessThan(1e-3 * (1 + Math.abs(logProb)));
  }
  expect(same).toBeGreaterThanOrEqual(0.9 * want.length);
}
