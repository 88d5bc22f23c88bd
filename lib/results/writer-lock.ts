/** One writer of a file at a time: a second process would write the same lines again. */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { startOf } from '#setup/lock.mjs';

/**
 * Takes a file's lock; one that a killed process left is taken over.
 *
 * @param lock where the lock lies: beside the file, or within what is a folder.
 * @returns how to give it back.
 * @throws Error naming the process that is writing the file.
 */
export function lockFile(path: string, lock = `${path}.lock`): () => void {
  const mine = `${lock}.${process.pid}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }));
  try {
    for (;;) {
      try {
        linkSync(mine, lock);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = holderOf(lock);
      if (holder !== undefined && startOf(holder.pid) === holder.started) {
        throw new Error(`${path}: process ${holder.pid} is writing it; wait for it, or end it`);
      }
      rmSync(lock, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return () => rmSync(lock, { force: true });
}

function holderOf(lock: string): { pid: number; started: unknown } | undefined {
  try {
    const holder = JSON.parse(readFileSync(lock, 'utf8'));
    return Number.isInteger(holder.pid) ? holder : undefined;
  } catch {
    return undefined;
  }
}
