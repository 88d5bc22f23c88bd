/** The other side of `workers.ts`: trains one model after another, as it is told. */
import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import { init } from '../../backend/index.js';
import { stepsOf, trainWorld, type WorldDocuments, worldDocuments } from '../../world/index.js';
import type { FromWorker, ToWorker } from './messages.js';

/** What every model of a worker has in common. */
export interface WorkerOptions {
  readonly out: string;
  readonly seed: number;
  readonly share: number;
  readonly keepRuns?: boolean;
}

/** Milliseconds between two steps that are told. */
const TELL_INTERVAL = 200;

/** Milliseconds for an orphan to save: fewer than a model's lock is waited for. */
const GRACE = 10_000;

/** Ends this process where its parent is gone and it is too busy to hear of it, as with making documents. */
function watchParent(): void {
  const code = `
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${GRACE});
    }, 500);`;
  new Worker(code, { eval: true }).unref();
}

function tell(message: FromWorker): void {
  // A parent that is gone hears nothing; that it is gone ends this process elsewhere.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** Works until it is told to stop, or its parent is gone; what it is at is saved then. */
export async function serveWorker(options: WorkerOptions): Promise<void> {
  watchParent();
  const stop = new AbortController();
  const end = () => stop.abort(new Error('stopped'));
  // Ctrl-C reaches the whole group of processes: the parent hears it too, and says what is to be done.
  process.on('SIGINT', () => undefined);
  process.once('SIGTERM', end);
  process.once('disconnect', end);
  process.on('message', (message: ToWorker) => {
    if ('stop' in message) end();
  });
  let documents: WorldDocuments | undefined;
  try {
    for await (const [message] of on(process, 'message', { signal: stop.signal })) {
      if (!('train' in message)) continue;
      try {
        documents ??= worldDocuments(options);
        await trainOne(message.train, documents, options, stop.signal);
      } catch (error) {
        tell({ failed: (error as Error).message });
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    if (process.connected) process.disconnect();
  }
}

async function trainOne(
  name: string,
  documents: WorldDocuments,
  { out, ...options }: WorkerOptions,
  signal: AbortSignal,
): Promise<void> {
  init();
  let told = Number.NEGATIVE_INFINITY;
  await trainWorld({
    ...options,
    folder: out,
    only: [name],
    documents,
    signal,
    onStep: (model, { step, loss }) => {
      const isLast = step === stepsOf(model, options.share);
      if (!isLast && performance.now() - told < TELL_INTERVAL) return;
      told = performance.now();
      tell({ step, loss });
    },
    onModel: (manifest, made) => tell({ manifest, made }),
  });
}
