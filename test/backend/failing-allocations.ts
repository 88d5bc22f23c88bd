/** Allocations that fail where a test wants it. */
import { vi } from 'vitest';
import { isOutOfMemory, memory } from '../../lib/backend/index.js';
import { nativeBackend } from '../../lib/backend/init.js';

/**
 * Runs `body` while allocation number `at` (from 0), of those made inside a function that is named so,
 * fails as the engine's do; `times` in a row. All functions count where no name is given.
 *
 * @returns what `body` gave, how many allocations counted, and how many failed.
 */
export async function withFailing<T>(
  { at, inside = '', times = 1 }: { at: number; inside?: string; times?: number },
  body: () => T | Promise<T>,
): Promise<{ result: T; counted: number; failed: number }> {
  const { addon } = nativeBackend().engine;
  const alloc = addon.alloc.bind(addon);
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  let counted = 0;
  let failed = 0;
  const spy = vi.spyOn(addon, 'alloc').mockImplementation((bytes) => {
    const counts = inside === '' || new Error().stack?.includes(inside);
    const number = counts ? counted++ : -1;
    if (number < at || number >= at + times) return alloc(bytes);
    failed++;
    throw new Error(`out of memory: ${bytes} bytes asked, by a test`);
  });
  try {
    return { result: await body(), counted, failed };
  } finally {
    spy.mockRestore();
    Error.stackTraceLimit = limit;
  }
}

/** What the engine holds, without what its pool keeps for later. */
export function held() {
  const { tensors, buffers, bytes, programs, programBytes } = memory();
  return { tensors, buffers, bytes, programs, programBytes };
}

/** The engine's error of a body that fails for want of memory. */
export async function outOfMemory(body: () => unknown): Promise<Error> {
  try {
    await body();
  } catch (error) {
    if (isOutOfMemory(error)) return error;
    throw error;
  }
  throw new Error('an error expected, none came');
}
