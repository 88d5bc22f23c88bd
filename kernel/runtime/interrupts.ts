import type { Worker } from 'node:worker_threads';
import { currentRun, settleIn } from './context.js';

/** The error that ends an interrupted cell. */
export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt';

  constructor() {
    super('The cell was interrupted.');
  }
}

/** Places in the memory that the runtime shares with its watchdog. */
export const slot = {
  /** Number of the last run that was to be interrupted. */
  interrupted: 0,
  /** Number of the run in progress or about to start; 0 when idle. */
  run: 1,
  /** Attempts to interrupt that the runtime has seen. */
  seen: 2,
} as const;

/** What the watchdog posts to the runtime's main thread besides commands. */
export interface InterruptNotice {
  type: 'interrupted';
  run: number;
  attempt: number;
}

const idle = -1;

/** How long user code may take to end by itself once its awaits have been broken. */
const graceMs = 30;

/**
 * Ends a running cell. Pending awaits of cell code reject, loops of cell code throw at their next
 * turn, and the watchdog stops what neither reaches.
 */
export class Interrupts {
  readonly shared: Int32Array;
  readonly #pending = new Set<() => void>();
  readonly #force: (run: number) => void;
  #run = idle;
  #controller = new AbortController();

  /** @param force Ends a run whose code has not ended by itself. */
  constructor(force: (run: number) => void) {
    this.#force = force;
    this.shared = new Int32Array(new SharedArrayBuffer(12));
  }

  /** Aborted when the cell that is running now is interrupted. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The watchdog has noted the run already, when its command went by. */
  begin(run: number): void {
    this.#controller = new AbortController();
    this.#run = run;
  }

  end(): void {
    this.#run = idle;
    Atomics.store(this.shared, slot.run, 0);
  }

  listen(watchdog: Worker): void {
    watchdog.on('message', (notice: InterruptNotice | { type: string }) => {
      if (notice.type === 'interrupted') this.#interrupt(notice as InterruptNotice);
    });
  }

  /**
   * Throws in a cell that was interrupted; every loop of a cell calls it once a turn. The read is
   * plain because an atomic one costs several times as much; the watchdog covers a stale one.
   */
  readonly tick = (): void => {
    if (this.shared[slot.interrupted] === this.#run) throw new KeyboardInterrupt();
  };

  /** A promise that also rejects when the cell is interrupted; other values pass. */
  readonly guard = (value: unknown): unknown => {
    this.tick();
    if (!isThenable(value)) return value;
    const context = currentRun();
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new KeyboardInterrupt());
      this.#pending.add(stop);
      value.then(
        (result) => {
          this.#pending.delete(stop);
          settleIn(context, () => resolve(result));
        },
        (error) => {
          this.#pending.delete(stop);
          settleIn(context, () => reject(error));
        },
      );
    });
  };

  /** The items of a `for await`, each waited for so that an interrupt gets through. */
  readonly guardEach = (items: AsyncIterable<unknown> | Iterable<unknown>): unknown => {
    if (!(Symbol.asyncIterator in Object(items))) return items;
    const inner = (items as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    const step = async (result: unknown): Promise<unknown> => {
      try {
        return await this.guard(result);
      } catch (error) {
        // The loop does not close a source that failed, but this one only waits to go on.
        if (error instanceof KeyboardInterrupt) Promise.resolve(inner.return?.()).catch(() => {});
        throw error;
      }
    };
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => step(inner.next()),
        return: (value: unknown) => inner.return?.(value) ?? { done: true, value },
      }),
    };
  };

  #interrupt({ run, attempt }: InterruptNotice): void {
    Atomics.store(this.shared, slot.seen, attempt);
    if (run !== this.#run) return;
    const reason = new KeyboardInterrupt();
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
    for (const stop of this.#pending) stop();
    this.#pending.clear();
    setTimeout(() => this.#force(run), graceMs);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
