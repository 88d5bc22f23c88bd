/** The files that a path means: one, those of a folder, or those of a pattern. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CheckpointError } from '../../models/files/errors.js';
import { reason } from '../../models/files/source.js';

/** A file of a source. */
export interface Shard {
  readonly path: string;
  readonly bytes: number;
}

/** Endings of the files that are read. */
export const endings = ['.jsonl', '.jsonl.gz', '.json', '.json.gz', '.parquet'] as const;

const isData = (name: string) => endings.some((ending) => name.toLowerCase().endsWith(ending));

/** Names of files and folders that hold a training split: `train-00000-of-00032.parquet`, `train/`. */
const training = /(^|\/)train([-./]|$)/;

/**
 * The files of a source, ordered by name.
 *
 * @param path a file; a folder, all files below which belong; or a path whose last part has a `*`
 *   for any characters, such as `data/train_1M-*.parquet`.
 * @param options.training of a folder that has files or folders called `train`, only those: a published
 *   folder has the test split beside them.
 * @throws CheckpointError where nothing is there, or a file of an ending that is not read.
 */
export function shardsOf(path: string, { training: only = false } = {}): Shard[] {
  const last = basename(path);
  const found = last.includes('*') ? matching(dirname(path), last) : filesAt(path);
  if (found === undefined) return [shard(path)];
  const names = found.filter(isData).sort();
  const train = only ? names.filter((name) => training.test(name)) : [];
  const folder = last.includes('*') ? dirname(path) : path;
  const chosen = (train.length > 0 ? train : names).map((name) => shard(join(folder, name)));
  if (chosen.length > 0) return chosen;
  throw new CheckpointError(path, 'files', `files that end in ${endings.join(', ')}`, 'none');
}

function shard(path: string): Shard {
  if (isData(path)) return { path, bytes: look(path).size };
  throw new CheckpointError(path, 'file', `one that ends in ${endings.join(', ')}`, 'another');
}

function look(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    throw new CheckpointError(path, 'file', 'a readable file or folder', reason(error));
  }
}

/** Files below a folder, with `/` in their names; undefined for a file. */
function filesAt(path: string): string[] | undefined {
  if (!look(path).isDirectory()) return undefined;
  const below = (folder: string, prefix: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      if (entry.name.startsWith('.')) return [];
      const name = `${prefix}${entry.name}`;
      const inner = join(folder, entry.name);
      return statSync(inner).isDirectory() ? below(inner, `${name}/`) : [name];
    });
  return below(path, '');
}

function matching(folder: string, pattern: string): string[] {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('.*')}$`);
  look(folder);
  return readdirSync(folder).filter((name) => expression.test(name));
}
