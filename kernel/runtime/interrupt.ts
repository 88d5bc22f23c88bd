import { Worker } from 'node:worker_threads';

/** What an interrupted cell throws. */
export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt';

  constructor() {
    super('the cell was interrupted');
  }
}

// The thread listens where the main one cannot: a byte on the pipe means interrupt.
const listener = `
  const { workerData } = require('node:worker_threads');
  const flag = new Int32Array(workerData.flag);
  const pipe = new (require('node:net').Socket)({ fd: workerData.fd });
  pipe.on('data', () => Atomics.store(flag, 0, 1));
  pipe.on('error', () => {});
`;

/**
 * Interrupts in their three kinds: loops look at a flag that another thread sets, awaits race with a
 * promise, and synchronous library code is stopped by the signal (see `runSync` in cell.ts).
 */
export class Interrupts {
  readonly #flag = new Int32Array(new SharedArrayBuffer(4));
  #reject: ((error: Error) => void) | undefined;
  #interrupted: Promise<never> | undefined;

  /** @param fd The pipe on which the server writes a byte to interrupt. */
  constructor(fd: number) {
    const worker = new Worker(listener, {
      eval: true,
      workerData: { flag: this.#flag.buffer, fd },
    });
    worker.unref();
  }

  /** Starts a cell: what came before does not count. */
  begin(): void {
    Atomics.store(this.#flag, 0, 0);
    this.#interrupted = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    // Nobody may be waiting when it rejects.
    this.#interrupted.catch(() => {});
  }

  end(): void {
    this.#reject = undefined;
  }

  /** The event loop heard of the interrupt. */
  arrived(): void {
    this.#reject?.(new KeyboardInterrupt());
  }

  /** Throws where the cell was interrupted. */
  tick = (): void => {
    if (Atomics.load(this.#flag, 0) === 0) return;
    Atomics.store(this.#flag, 0, 0);
    throw new KeyboardInterrupt();
  };

  /** Waits for a value, or for the interrupt. */
  guard<T>(value: T): Promise<Awaited<T>> {
    if (this.#interrupted === undefined) return Promise.resolve(value);
    return Promise.race([value as Awaited<T>, this.#interrupted]);
  }
}
