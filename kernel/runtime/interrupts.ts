import { setTimeout } from 'node:timers';
import type { Worker } from 'node:worker_threads';
import { currentRun, settleIn } from './context.js';
import { sharedMemory, slot } from './shared.js';

/** The error that ends an interrupted cell. */
export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt';

  constructor() {
    super('The cell was interrupted.');
  }
}

/** What the watchdog posts to the runtime's main thread besides commands. */
export interface InterruptNotice {
  type: 'interrupted';
  /** Newest run to interrupt. */
  run: number;
  attempt: number;
}

/** How long user code may take to end by itself once its awaits have been broken. */
const graceMs = 30;

/**
 * Ends the cells that run. Pending awaits of cell code reject, loops of cell code throw at their
 * next turn, and the watchdog stops what neither reaches.
 */
export class Interrupts {
  readonly shared = sharedMemory();
  readonly #pending = new Set<() => void>();
  readonly #force: (run: number) => void;
  /** Runs in progress, in the order of their numbers. */
  readonly #runs = new Set<number>();
  #oldest = Number.POSITIVE_INFINITY;
  #controller = new AbortController();

  /** @param force Ends the runs up to this one, whose code has not ended by itself. */
  constructor(force: (run: number) => void) {
    this.#force = force;
  }

  /** Aborted when the cells that are running now are interrupted. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether runs are being interrupted: until they have ended, all code of cells throws. */
  get active(): boolean {
    return Atomics.load(this.shared, slot.interrupted) >= this.#oldest;
  }

  begin(run: number): void {
    if (this.#runs.size === 0) this.#controller = new AbortController();
    this.#runs.add(run);
    this.#note();
    Atomics.store(this.shared, slot.begun, run);
  }

  end(run: number): void {
    this.#runs.delete(run);
    this.#note();
  }

  #note(): void {
    const [oldest] = this.#runs;
    this.#oldest = oldest ?? Number.POSITIVE_INFINITY;
    Atomics.store(this.shared, slot.oldest, oldest ?? 0);
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
    if (this.shared[slot.interrupted]! >= this.#oldest) throw new KeyboardInterrupt();
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
    if (run < this.#oldest) return;
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
