/** Where a recipe's teacher logits come from. */
import type { Model } from '../../models/index.js';
import type { BatchSource } from '../batch.js';
import type { Identity } from '../runs/run-folder.js';
import { headOf, readManifest, sha256 } from './manifest.js';
import { cachedBatches } from './read.js';

/**
 * `live`: the teacher is read in each step, and nothing of it is lost. `{ cache }`: a folder that
 * `cacheTeacherLogits` wrote; its manifest says what it loses.
 */
export type TeacherLogits = 'live' | { readonly cache: string };

/** What {@link chooseTeacherLogits} is told of a training. */
export interface TeacherLogitsUse {
  readonly teacher: Model;
  readonly data: BatchSource;
  readonly steps: number;
  readonly temperature: number;
}

/** What a training is made of. */
export interface ChosenTeacherLogits {
  readonly teacher: Model | 'cached';
  readonly data: BatchSource;
  /** Tells a run on a cache from one on the teacher or another cache. */
  readonly identity: Identity;
}

/**
 * Opens a cache for a training, or takes the teacher as it is.
 *
 * @throws RangeError naming the folder and all that does not fit: the teacher, the temperature, the batches.
 */
export function chooseTeacherLogits(
  choice: TeacherLogits,
  { teacher, data, steps, temperature }: TeacherLogitsUse,
): ChosenTeacherLogits {
  if (choice === 'live') return { teacher, data, identity: {} };
  const folder = choice.cache;
  const manifest = readManifest(folder);
  const problems: string[] = [];
  const own = teacher.fingerprint();
  if (manifest.teacher.fingerprint !== own) {
    const ref = manifest.teacher.ref ?? 'without a name';
    problems.push(
      `teacher: the cache is one of ${ref} (${manifest.teacher.fingerprint.slice(0, 12)}), asked for ` +
        `is ${teacher.ref ?? 'one without a name'} (${own.slice(0, 12)})`,
    );
  }
  if (manifest.temperature !== temperature) {
    problems.push(`temperature: ${manifest.temperature} there, ${temperature} asked for`);
  }
  if (manifest.batches < steps) {
    problems.push(`batches: ${manifest.batches} there, ${steps} steps asked for`);
  }
  if (problems.length > 0) {
    throw new RangeError(`${folder}: the cached teacher logits do not fit: ${problems.join('; ')}`);
  }
  const cache = sha256(JSON.stringify(headOf(manifest))).slice(0, 16);
  return {
    teacher: 'cached',
    data: cachedBatches(data, folder, manifest),
    identity: { teacherLogits: { k: manifest.k, cache } },
  };
}
