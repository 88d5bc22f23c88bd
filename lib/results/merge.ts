/** Shards of a run as one run. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { differences } from '../generate/run-file.js';
import { CheckpointError } from '../models/files/errors.js';
import {
  type ColumnKind,
  columnFile,
  columnNames,
  readColumn,
  readColumnManifest,
} from './column.js';
import { readCompletions } from './completions.js';
import type { RunManifest } from './manifest.js';
import { encodeProblems, FILES, Run } from './run.js';
import { writeAtomic } from './write-atomic.js';

/** What was merged. */
export interface MergedRun {
  readonly path: string;
  readonly completions: number;
  /** How many the whole run has; `mambalab sample` into the merged folder draws what is missing. */
  readonly total: number;
}

/**
 * Merges shards into a new run with their completions, grades and scores. The shards stay as they are.
 *
 * @param path the folder of the new run, which must not be there.
 * @throws CheckpointError where a shard belongs to another run (naming what differs), or naming the
 *   file and line of a completion that an earlier shard has.
 */
export function mergeRuns(path: string, shards: readonly string[]): MergedRun {
  if (shards.length === 0) throw new RangeError('mergeRuns: expected at least one shard, got none');
  if (existsSync(path)) {
    throw new CheckpointError(path, 'folder', 'a new folder', 'one that is there already');
  }
  const runs = shards.map((shard) => new Run(shard));
  const [first, ...others] = runs as [Run, ...Run[]];
  for (const run of others) checkSameRun(first, run);
  mkdirSync(dirname(path) || '.', { recursive: true });
  const temporary = `${path}.new-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary);
  try {
    const manifest: RunManifest = {
      ...first.manifest,
      identity: withoutRange(first.manifest.identity),
      parts: runs.flatMap((run) => run.manifest.parts),
    };
    writeAtomic(join(temporary, FILES.problems), encodeProblems(first.problems).text);
    const completions = mergeCompletions(join(temporary, FILES.completions), runs);
    for (const kind of ['grades', 'scores'] as const) mergeColumns(temporary, kind, runs);
    writeAtomic(join(temporary, FILES.manifest), `${JSON.stringify(manifest, undefined, 2)}\n`);
    renameSync(temporary, path);
    return { path, completions, total: first.total };
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

function withoutRange({ range: _, ...identity }: RunManifest['identity']) {
  return identity;
}

function checkSameRun(first: Run, run: Run): void {
  const what = ({ manifest }: Run) => {
    const { name, seed, n, task, identity } = manifest;
    return { name, seed, n, task, identity: withoutRange(identity) };
  };
  const differing = differences(what(first), what(run));
  if (differing.length === 0) return;
  const names = differing.map((part) => part.replace(/^identity\./, ''));
  throw new CheckpointError(
    run.file(FILES.manifest),
    'run',
    `a shard of the same run as ${first.path}`,
    `another ${names.join(', another ')}`,
  );
}

function mergeCompletions(path: string, runs: readonly Run[]): number {
  const total = (runs[0] as Run).total;
  const owner = new Int32Array(total).fill(-1);
  const lines = new Int32Array(total);
  const file = new LineFile(path);
  let count = 0;
  try {
    for (const [i, run] of runs.entries()) {
      for (const { value, place, line } of readCompletions(run)) {
        const before = runs[owner[place] as number];
        if (before !== undefined) {
          throw new CheckpointError(
            run.file(FILES.completions),
            `line ${line}`,
            'a completion that no other shard has',
            `${value.promptId}, sample ${value.sampleId}, which ${before.file(FILES.completions)} ` +
              `has at line ${lines[place]}`,
          );
        }
        owner[place] = i;
        lines[place] = line;
        file.append(value);
        count++;
      }
    }
  } finally {
    file.close();
  }
  return count;
}

function mergeColumns(folder: string, kind: ColumnKind, runs: readonly Run[]): void {
  const names = new Set(runs.flatMap((run) => columnNames(run, kind)));
  for (const name of names) {
    const having = runs.filter((run) => columnNames(run, kind).includes(name));
    const manifests = having.map((run) => readColumnManifest(run, kind, name));
    const [first, ...others] = manifests;
    for (const [i, { by }] of others.entries()) {
      const differing = differences(first?.by ?? {}, by);
      if (differing.length === 0) continue;
      throw new CheckpointError(
        (having[i + 1] as Run).file(`${kind}.${name}.json`),
        kind,
        `made as those of ${having[0]?.path}`,
        `another ${differing.join(', another ')}`,
      );
    }
    const file = new LineFile(join(folder, columnFile(kind, name)));
    try {
      for (const run of having) {
        for (const { value } of readColumn(run, kind, name)) file.append(value);
      }
    } finally {
      file.close();
    }
    const content = `${JSON.stringify(first, undefined, 2)}\n`;
    writeAtomic(join(folder, `${kind}.${name}.json`), content);
  }
}

/** Bytes that are gathered before they are written: the folder is thrown away when this is killed. */
const BUFFERED = 1 << 20;

class LineFile {
  private readonly descriptor: number;
  private lines: string[] = [];
  private bytes = 0;

  constructor(path: string) {
    this.descriptor = openSync(path, 'wx');
  }

  append(value: unknown): void {
    const line = `${JSON.stringify(value)}\n`;
    this.lines.push(line);
    this.bytes += line.length;
    if (this.bytes >= BUFFERED) this.flush();
  }

  close(): void {
    this.flush();
    fsyncSync(this.descriptor);
    closeSync(this.descriptor);
  }

  private flush(): void {
    const bytes = Buffer.from(this.lines.join(''));
    for (let at = 0; at < bytes.length; ) at += writeSync(this.descriptor, bytes, at);
    this.lines = [];
    this.bytes = 0;
  }
}
