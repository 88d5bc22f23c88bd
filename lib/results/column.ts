/**
 * Columns beside a run's completions: grades, and scores of reward models. A column is a file of JSON
 * lines, one for a completion, and a manifest that says what made it. Completions are never rewritten,
 * and neither is a column: another grader or reward model writes another one.
 */
import { existsSync, readdirSync } from 'node:fs';
import { JsonlWriter, readJsonl } from '../data/index.js';
import { checkIdentity } from '../generate/run-file.js';
import { CheckpointError, show } from '../models/files/errors.js';
import { isObject, type JsonObject, readJsonObject } from '../models/files/json.js';
import type { Placed } from './completions.js';
import type { Run } from './run.js';
import { writeAtomic } from './write-atomic.js';
import { lockFile } from './writer-lock.js';

/** What a column holds. */
export type ColumnKind = 'grades' | 'scores';

/** The layout of columns that this version writes and reads. */
const COLUMN_VERSION = 1;

/** What a column's manifest says. */
export interface ColumnManifest {
  readonly format: string;
  readonly version: number;
  readonly created: string;
  /** What made the column: its values depend on nothing else. */
  readonly by: JsonObject;
}

/** The file of a column in its run's folder. */
export function columnFile(kind: ColumnKind, name: string): string {
  return `${kind}.${name}.jsonl`;
}

const manifestFile = (kind: ColumnKind, name: string): string => `${kind}.${name}.json`;

/** The columns of one kind that a run has, oldest first. */
export function columnNames(run: Run, kind: ColumnKind): string[] {
  const [start, end] = [`${kind}.`, '.json'];
  return readdirSync(run.path)
    .filter((file) => file.startsWith(start) && file.endsWith(end))
    .map((file) => file.slice(start.length, -end.length))
    .map((name) => ({ name, created: readColumnManifest(run, kind, name).created }))
    .sort((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : 0))
    .map(({ name }) => name);
}

/**
 * What made a column.
 *
 * @throws CheckpointError where there is no such column, or one of another version.
 */
export function readColumnManifest(run: Run, kind: ColumnKind, name: string): ColumnManifest {
  const path = run.file(manifestFile(kind, name));
  const found = readJsonObject(path);
  const format = `mambalab ${kind}`;
  if (found.format !== format) {
    throw new CheckpointError(path, 'format', show(format), show(found.format));
  }
  if (found.version !== COLUMN_VERSION) {
    throw new CheckpointError(path, 'version', `${COLUMN_VERSION}`, show(found.version));
  }
  if (typeof found.created !== 'string' || !isObject(found.by)) {
    throw new CheckpointError(path, 'content', 'created and by', show(found));
  }
  return found as unknown as ColumnManifest;
}

/**
 * The lines of a column, in the order in which they were written. A last line that was being written
 * when its process was killed is passed over.
 *
 * @throws CheckpointError naming the file and line of what is not one of the run's completions or came
 *   before.
 */
export function* readColumn(
  run: Run,
  kind: ColumnKind,
  name: string,
): Generator<Placed<JsonObject>> {
  const path = run.file(columnFile(kind, name));
  if (!existsSync(path)) return;
  const firstLine = new Int32Array(run.total);
  for (const { value, line } of readJsonl(path, { skipTornLine: true })) {
    if (!isObject(value)) throw new CheckpointError(path, `line ${line}`, 'an object', show(value));
    const place = run.placeOf(path, line, value.promptId, value.sampleId);
    const first = firstLine[place] as number;
    if (first > 0) {
      const found = `${value.promptId}, sample ${value.sampleId}, which line ${first} has`;
      throw new CheckpointError(path, `line ${line}`, 'each completion once', found);
    }
    firstLine[place] = line;
    yield { value, place, line };
  }
}

/** Writes a column, going on where it was. Close it. */
export class ColumnWriter {
  /** 1 for the places of the completions that have their line. */
  readonly done: Uint8Array;
  private readonly writer: JsonlWriter;
  private readonly unlock: () => void;

  /**
   * @param name letters, digits, `.`, `_` and `-`.
   * @param by what makes the column.
   * @throws CheckpointError naming what differs where the column was made by something else; Error
   *   where another process is writing it.
   */
  constructor(
    private readonly run: Run,
    kind: ColumnKind,
    name: string,
    by: JsonObject,
  ) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
      throw new RangeError(
        `${kind}: expected a name of letters, digits, ., _ and -, got '${name}'`,
      );
    }
    const path = run.file(columnFile(kind, name));
    const manifest = run.file(manifestFile(kind, name));
    this.unlock = lockFile(path);
    try {
      if (existsSync(manifest)) {
        checkIdentity(manifest, readColumnManifest(run, kind, name).by, by);
      } else {
        if (existsSync(path)) {
          throw new CheckpointError(path, 'file', `its manifest beside it (${manifest})`, 'none');
        }
        const content: ColumnManifest = {
          format: `mambalab ${kind}`,
          version: COLUMN_VERSION,
          created: new Date().toISOString(),
          by,
        };
        writeAtomic(manifest, `${JSON.stringify(content, undefined, 2)}\n`);
      }
      this.writer = new JsonlWriter(path);
      this.done = new Uint8Array(run.total);
      for (const { place } of readColumn(run, kind, name)) this.done[place] = 1;
    } catch (error) {
      this.unlock();
      throw error;
    }
  }

  /** Adds the line of the completion at a place. */
  append(place: number, values: JsonObject): void {
    const promptId = this.run.problems[Math.floor(place / this.run.n)]?.id;
    this.writer.append({ promptId, sampleId: place % this.run.n, ...values });
    this.done[place] = 1;
  }

  /** Closes the file and lets other writers have it. */
  close(): void {
    this.writer.close();
    this.unlock();
  }
}
