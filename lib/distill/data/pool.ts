/** Threads that tokenise beside the one that trains. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { root } from '#setup/places.mjs';
import type { Tokenizer, TrainingText } from '../../data/index.js';
import { type LossOn, type Tokenised, tokenise } from './tokenise.js';
import type { WorkerStart } from './worker.js';

interface Waiting {
  resolve(made: Tokenised): void;
  reject(error: unknown): void;
}

interface Thread {
  readonly worker: Worker;
  /** Groups that it has not answered, the oldest first. */
  readonly waiting: Waiting[];
}

/**
 * Node runs the built file: where this one runs from its source, as in tests, that of the last build.
 *
 * @throws Error where there is no build.
 */
function workerFile(): string {
  const beside = fileURLToPath(new URL('./worker.js', import.meta.url));
  if (existsSync(beside)) return beside;
  const built = join(root, 'dist', relative(root, beside));
  if (existsSync(built)) return built;
  throw new Error(`${built}: expected the built thread, found nothing; npm run build makes it`);
}

/** Tokenises groups of texts in so many threads, or in this one where there are none. */
export class TokenisingPool {
  private threads: Thread[] | undefined;
  private closed = false;

  /** @throws RangeError for threads where the tokenizer cannot be loaded a second time. */
  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly loss: LossOn,
    readonly workers: number,
  ) {
    if (workers > 0 && tokenizer.ref === undefined) {
      throw new RangeError(
        'workers: this tokenizer was not loaded by a name, so no other thread can load it: expected 0, ' +
          `got ${workers}`,
      );
    }
  }

  /** The documents of some texts; threads start with the first. */
  tokenise(texts: readonly TrainingText[]): Promise<Tokenised> {
    if (this.closed) return Promise.reject(new Error('the threads that tokenise are closed'));
    if (this.workers === 0) return Promise.resolve(tokenise(this.tokenizer, texts, this.loss));
    this.threads ??= Array.from({ length: this.workers }, () => this.start());
    const thread = this.threads.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a));
    return new Promise((resolve, reject) => {
      thread.waiting.push({ resolve, reject });
      thread.worker.ref();
      thread.worker.postMessage(texts);
    });
  }

  /** Ends the threads; what they have not answered is rejected. */
  async close(): Promise<void> {
    this.closed = true;
    const threads = this.threads ?? [];
    this.threads = undefined;
    for (const { waiting } of threads) {
      for (const { reject } of waiting.splice(0)) reject(new Error('the stream was closed'));
    }
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }

  private start(): Thread {
    const workerData: WorkerStart = { ref: this.tokenizer.ref as string, loss: this.loss };
    // Options of this process, such as a debugger's, are not for the thread.
    const worker = new Worker(workerFile(), { workerData, execArgv: [] });
    const waiting: Waiting[] = [];
    worker.on('message', (made: Tokenised) => {
      waiting.shift()?.resolve(made);
      // A thread with nothing to do does not keep a finished program from ending.
      if (waiting.length === 0) worker.unref();
    });
    const fail = (error: unknown) => {
      for (const { reject } of waiting.splice(0)) reject(error);
    };
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`a thread that tokenises ended with code ${code}`)));
    return { worker, waiting };
  }
}
