/** A finished run, made small. */
import {
  createReadStream,
  createWriteStream,
  existsSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { readHeads } from './completions.js';
import { FILES, Run } from './run.js';
import { lockFile } from './writer-lock.js';

/**
 * Replaces a run's `completions.jsonl` by `completions.jsonl.gz`, a fraction of the size, which
 * everything that reads runs reads too; sampling does not go on in it (`gunzip` undoes it).
 *
 * @returns the bytes before and after.
 * @throws CheckpointError where the completions are not valid, RangeError where some are missing or
 *   the run is packed already.
 */
export async function packRun(path: string): Promise<{ before: number; after: number }> {
  const run = new Run(path);
  const plain = run.file(FILES.completions);
  if (!existsSync(plain)) throw new RangeError(`${path}: there is no ${FILES.completions} to pack`);
  const unlock = lockFile(plain);
  try {
    let count = 0;
    for (const _ of readHeads(run)) count++;
    if (count < run.expected) {
      throw new RangeError(
        `${path}: has ${count} of ${run.expected} completions; pack it when done`,
      );
    }
    const packed = run.file(FILES.packed);
    const temporary = `${packed}.new-${process.pid}`;
    const target = createWriteStream(temporary, { flush: true });
    await pipeline(createReadStream(plain), createGzip({ level: 9 }), target);
    const sizes = { before: statSync(plain).size, after: statSync(temporary).size };
    renameSync(temporary, packed);
    rmSync(plain);
    return sizes;
  } finally {
    unlock();
  }
}
