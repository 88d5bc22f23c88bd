/** The folder of a training run: what was asked for, its measurements and its checkpoints. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from '../../results/write-atomic.js';
import { lockFile } from '../../results/writer-lock.js';
import { Checkpoints } from './checkpoint.js';

/** What makes a run that run and no other; plain JSON. */
export type Identity = Readonly<Record<string, unknown>>;

/** A run's folder, held by this process until it is closed. */
export class RunFolder {
  readonly checkpoints: Checkpoints;
  private readonly unlock: () => void;

  /**
   * Opens a run's folder, or makes it.
   *
   * @throws Error where another process holds it, or where it is a run of something else, with what differs.
   */
  constructor(
    readonly path: string,
    identity: Identity,
  ) {
    mkdirSync(path, { recursive: true });
    this.unlock = lockFile(join(path, 'run'));
    try {
      const file = join(path, 'run.json');
      const own = JSON.parse(JSON.stringify(identity)) as Identity;
      if (existsSync(file)) expectSame(path, JSON.parse(readFileSync(file, 'utf8')), own);
      else writeAtomic(file, `${JSON.stringify(own, undefined, 2)}\n`);
      this.checkpoints = new Checkpoints(join(path, 'checkpoints'));
    } catch (error) {
      this.unlock();
      throw error;
    }
  }

  get metricsPath(): string {
    return join(this.path, 'metrics.jsonl');
  }

  close(): void {
    this.unlock();
  }
}

/** @throws Error naming the folder, all that differs, and what of a kind is there. */
export function expectSame(path: string, was: Identity, is: Identity, what = 'run'): void {
  const different = differences('', was, is);
  if (different.length === 0) return;
  const lines = different.map(([key, a, b]) => `${key}: ${show(a)} there, ${show(b)} asked for`);
  throw new Error(
    `${path} holds another ${what}; choose another folder, or ask for the same: ${lines.join('; ')}`,
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function differences(key: string, a: unknown, b: unknown): [string, unknown, unknown][] {
  if (isRecord(a) && isRecord(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((k) => differences(key === '' ? k : `${key}.${k}`, a[k], b[k]));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [[key, a, b]];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
