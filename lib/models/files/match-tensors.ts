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

/** Characters of the list in one message. */
const MOST = 1500;

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
    const found = listed(byLayers(problems));
    throw new CheckpointError(file.path, 'tensors', `those of ${what}`, found);
  }
  return entries;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** Joins what is the same but for the layer: `no model.layers.{0-3,5}.norm.weight [8]`. */
function byLayers(problems: readonly string[]): string[] {
  const groups = new Map<string, { first: string; layers: number[] }>();
  for (const problem of problems) {
    const layer = /\.(\d+)\./.exec(problem)?.[1];
    const key = problem.replace(/\.\d+\./, '.{}.');
    const group = groups.get(key) ?? { first: problem, layers: [] };
    if (layer !== undefined) group.layers.push(Number(layer));
    groups.set(key, group);
  }
  return [...groups].map(([key, { first, layers }]) =>
    layers.length > 1 ? key.replace('.{}.', () => `.{${ranges(layers)}}.`) : first,
  );
}

/** `0-3,5` for 0, 1, 2, 3, 5. */
function ranges(numbers: readonly number[]): string {
  const found: [from: number, to: number][] = [];
  for (const n of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && n <= last[1] + 1) last[1] = n;
    else found.push([n, n]);
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

function listed(problems: readonly string[]): string {
  let text = '';
  for (const [i, problem] of problems.entries()) {
    const next = i === 0 ? problem : `${text}; ${problem}`;
    if (i > 0 && next.length > MOST) return `${text}; and ${problems.length - i} more kinds`;
    text = next;
  }
  return text;
}
