/** Where time goes: what each of the engine's operations took. */
import type { ProfiledOp } from '../native/addon.js';
import { nativeBackend } from './init.js';

export type { ProfiledOp };

/**
 * Runs `body` and says what its operations took, longest first, calls with the same shapes together.
 * Times are the device's own: on a GPU between events around each operation, which a captured program
 * runs one by one for it instead of as one graph.
 *
 * @returns milliseconds and calls of each operation.
 * @throws Error inside another profile, and what `body` throws.
 */
export function profile(body: () => void): ProfiledOp[] {
  const { addon } = nativeBackend().engine;
  addon.profileBegin();
  try {
    body();
  } catch (error) {
    addon.profileEnd();
    throw error;
  }
  return addon.profileEnd();
}
