/** One process for each model of a world's folder. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFile } from '../results/writer-lock.js';

/** Milliseconds in which a process whose parent was killed makes its step, saves and ends. */
const PATIENCE = 20_000;

/**
 * Takes a model's lock.
 *
 * @returns how to give it back.
 * @throws Error naming the process that has had it all the while.
 */
export async function lockModel(folder: string, name: string): Promise<() => void> {
  mkdirSync(join(folder, 'runs'), { recursive: true });
  const until = performance.now() + PATIENCE;
  for (;;) {
    try {
      return lockFile(join(folder, name), join(folder, 'runs', `${name}.lock`));
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(200);
    }
  }
}
