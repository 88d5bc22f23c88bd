/** `manifest.json` beside the weights of each model: what it is and how it came about. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '#setup/places.mjs';
import { writeAtomic } from '../results/write-atomic.js';
import type { WorldMeasurement } from './measure.js';
import type { WorldModel } from './plan.js';

/** What a manifest says. */
export interface WorldManifest {
  readonly name: string;
  readonly what: string;
  readonly command: string;
  /** The commit of the code that trained it; null where there was no git. */
  readonly commit: string | null;
  readonly seed: number;
  readonly recipe: WorldModel['recipe'];
  readonly from: string | null;
  /** The SHA-256 of the weights that it started from and of those that it learned from. */
  readonly parents: Readonly<Record<string, string>>;
  readonly steps: number;
  readonly tokens: number;
  readonly peakLearningRate: number;
  /** The SHA-256 of its training documents' tokens. */
  readonly data: string;
  /** Problems of each family and level that the documents were made of. */
  readonly problems: number;
  readonly device: string;
  readonly seconds: number;
  /** Loss of the first step, and the mean of the last twenty. */
  readonly loss: readonly [first: number, last: number];
  readonly measured: WorldMeasurement | Readonly<Record<string, number>>;
  /** The SHA-256 of `model.safetensors`, whose weights are bfloat16. */
  readonly sha256: string;
}

const FILE = 'manifest.json';

/** The manifest in a model's folder; undefined where the model is not there. */
export function readWorldManifest(folder: string): WorldManifest | undefined {
  const path = join(folder, FILE);
  if (!existsSync(path) || !existsSync(join(folder, 'model.safetensors'))) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as WorldManifest;
  } catch (error) {
    throw new Error(`${path}: expected a manifest in JSON, got ${(error as Error).message}`);
  }
}

export function writeWorldManifest(folder: string, manifest: WorldManifest): void {
  writeAtomic(join(folder, FILE), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The SHA-256 of a model's weights. */
export function weightsHash(folder: string): string {
  return createHash('sha256')
    .update(readFileSync(join(folder, 'model.safetensors')))
    .digest('hex');
}

/** The commit of this checkout, or what `MAMBALAB_COMMIT` says where there is no git. */
export function commitOfCode(): string | null {
  if (process.env.MAMBALAB_COMMIT) return process.env.MAMBALAB_COMMIT;
  try {
    const options = {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'],
    };
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).toString().trim();
  } catch {
    return null;
  }
}
