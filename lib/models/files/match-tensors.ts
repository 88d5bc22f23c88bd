import { CheckpointError, show } from './errors.js';
import type { Layout } from './layout.js';
import { isFloatStorage } from './storage.js';
import type { TensorEntry, TensorFile } from './tensor-file.js';

/** How a checkpoint departs from the layout's names, and what else it may hold. */
export interface MatchOptions {
  /** The name in the file of a tensor of the layout; default the same. */
  storedName?: (name: string) => string;
  /** Tensors that some files carry and nothing needs. */
  isSpare?: (name: string) => boolean;
}

/** Problems that one message lists. */
const MOST = 100;

/**
 * Finds every tensor of a layout in a checkpoint.
 *
 * @param what the model, for the error: `a Llama`.
 * @returns the file's entries by the layout's names.
 * @throws CheckpointError listing every tensor that is missing, has another shape, is stored in a way
 *   that cannot be read as float32, or is no part of such a model.
 */
export function matchTensors(
  file: TensorFile,
  layout: Layout,
  what: string,
  { storedName = (name) => name, isSpare = () => false }: MatchOptions = {},
): Map<string, TensorEntry> {
  const entries = new Map<string, TensorEntry>();
  const used = new Set<string>();
  const problems: string[] = [];
  for (const { name, shape } of layout) {
    const stored = storedName(name);
    const entry = file.tensors.get(stored);
    used.add(stored);
    if (!entry) {
      problems.push(`no ${stored} [${shape.join(', ')}]`);
    } else if (!sameShape(entry.shape, shape)) {
      problems.push(`${stored} of shape [${entry.shape.join(', ')}], not [${shape.join(', ')}]`);
    } else if (!isFloatStorage(entry.storage)) {
      problems.push(
        `${stored} stored as ${entry.storage}, not as real numbers that are known here`,
      );
    } else {
      entries.set(name, entry);
    }
  }
  for (const name of file.tensors.keys()) {
    if (!used.has(name) && !isSpare(name)) problems.push(`${show(name)}, which it has not`);
  }
  if (problems.length > 0) {
    const rest = problems.length > MOST ? `; and ${problems.length - MOST} more` : '';
    const found = problems.slice(0, MOST).join('; ') + rest;
    throw new CheckpointError(file.path, 'tensors', `those of ${what}`, found);
  }
  return entries;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
