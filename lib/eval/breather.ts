import { setImmediate as turn } from 'node:timers/promises';

/** Milliseconds of work between looks at the event loop. */
const SLICE = 40;

/**
 * For long passes in one thread: lets progress lines and signals through now and then.
 *
 * @returns a function to call before each piece of work.
 * @throws the signal's reason, from that function, once it is aborted.
 */
export function breather(signal: AbortSignal | undefined): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last >= SLICE) {
      await turn();
      last = performance.now();
    }
    signal?.throwIfAborted();
  };
}
