import { Worker } from 'node:worker_threads';
import type {
  Completeness,
  Completion,
  ConvertedCell,
  Converter,
  DeclaredName,
  Inspection,
  RejectedCell,
} from './converter.js';
import type { Answer, Call } from './worker.js';

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The compiler in its thread; calls are answered in order. */
export class CompilerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #warn: (text: string) => void;
  #lastId = 0;
  #failure: Error | null = null;

  /**
   * Starts the thread, which loads the compiler while the caller goes on.
   *
   * @param folder The notebook's folder.
   * @param warn Told what failed where nobody waits for an answer.
   */
  constructor(folder: string, warn: (text: string) => void) {
    this.#warn = warn;
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: { folder } });
    this.#worker.unref();
    this.#worker.on('message', ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(`the compiler failed: ${error}`));
    });
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the compiler has stopped')));
  }

  convert(code: string, check: boolean): Promise<ConvertedCell | RejectedCell> {
    return this.#call('convert', code, check);
  }

  /** Commits a cell and prepares for the next one. */
  commit(cell: number, defined: string[]): void {
    for (const done of [this.#call('commit', cell, defined), this.#call('warm')]) {
      done.catch((error: Error) => this.#warn(error.message));
    }
  }

  discard(cell: number): void {
    this.#call('discard', cell).catch((error: Error) => this.#warn(error.message));
  }

  complete(code: string, offset: number): Promise<Completion> {
    return this.#call('complete', code, offset);
  }

  inspect(code: string, offset: number): Promise<Inspection | null> {
    return this.#call('inspect', code, offset);
  }

  isComplete(code: string): Promise<Completeness> {
    return this.#call('isComplete', code);
  }

  names(): Promise<DeclaredName[]> {
    return this.#call('names');
  }

  reset(): Promise<void> {
    return this.#call('reset');
  }

  async close(): Promise<void> {
    this.#worker.removeAllListeners('exit');
    await this.#worker.terminate();
  }

  #call<T>(method: keyof Converter, ...args: unknown[]): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ id, method, args } satisfies Call);
    });
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
