/** `run.json` beside each executed notebook: what was run, when, how long it took, and for which inputs. */
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

/** What `reproduce` remembers of one execution. */
export interface RunRecord {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly scale: string;
  /** Hash of the notebook and of all that its results depend on. */
  readonly inputs: string;
  /** ISO time at which the execution began. */
  readonly startedAt: string;
  /** Seconds of the execution, without the conversion to HTML. */
  readonly seconds: number;
  /** As SVG: `fig1.svg`. */
  readonly figures: readonly string[];
  /** The same as PNG, of those that can be drawn. */
  readonly pngs?: readonly string[];
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
}

/** The record's name in a notebook's folder of results. */
export const RECORD = 'run.json';

/** The machine's part of a record. */
export function machineOf(): Pick<RunRecord, 'node' | 'platform' | 'cpu'> {
  const processors = cpus();
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: `${processors[0]?.model.trim() ?? 'unknown'} x ${processors.length}`,
  };
}

/** The record in a folder, or null where there is none or it cannot be read. */
export function readRecord(folder: string): RunRecord | null {
  const file = join(folder, RECORD);
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RunRecord;
  } catch {
    return null;
  }
}

/** Why a notebook has to run again. */
export type Stale = 'no results yet' | 'inputs changed' | 'results incomplete';

/** Whether a folder's record is for other inputs, or something it names is gone; null where all is current. */
export function staleness(folder: string, inputs: string): Stale | null {
  const record = readRecord(folder);
  if (!record) return 'no results yet';
  if (record.inputs !== inputs) return 'inputs changed';
  return filesOf(record).every((file) => existsSync(join(folder, file)))
    ? null
    : 'results incomplete';
}

/** The names of the files that an execution leaves in its folder. */
export function filesOf({
  name,
  figures,
  pngs = [],
}: Pick<RunRecord, 'name' | 'figures' | 'pngs'>): readonly string[] {
  return [`${name}.ipynb`, `${name}.html`, ...figures, ...pngs, RECORD];
}
