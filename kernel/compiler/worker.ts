// Thread that holds the compiler, so that sockets are answered while it works.
import { parentPort, workerData } from 'node:worker_threads';
import { CellConverter } from './cells.js';
import type { Converter } from './converter.js';

/** A call of a {@link Converter} method from the kernel's main thread. */
export interface Call {
  id: number;
  method: keyof Converter;
  args: unknown[];
}

/** The answer to a {@link Call}. */
export interface Answer {
  id: number;
  value?: unknown;
  /** Message and stack of what the compiler threw. */
  error?: string;
}

if (parentPort !== null) {
  const port = parentPort;
  const converter: Converter = new CellConverter((workerData as { folder: string }).folder);
  // The first cell pays for reading the standard library: let it be one that nobody waits for.
  converter.convert('1', true);
  port.on('message', ({ id, method, args }: Call) => {
    let answer: Answer;
    try {
      const run = converter[method] as (...args: unknown[]) => unknown;
      answer = { id, value: run.apply(converter, args) };
    } catch (error) {
      answer = {
        id,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
    }
    port.postMessage(answer);
  });
}
