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
  readonly figures: readonly string[];
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
}

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
  const file = join(folder, 'run.json');
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RunRecord;
  } catch {
    return null;
  }
}

/** Whether a record is for these inputs and everything it names is still there. */
export function isCurrent(folder: string, inputs: string): boolean {
  const record = readRecord(folder);
  if (record?.inputs !== inputs) return false;
  const files = [`${record.name}.ipynb`, `${record.name}.html`, ...record.figures];
  return files.every((file) => existsSync(join(folder, file)));
}
