/** Memory and disk that a plan takes. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Experiment, PlannedRun } from '../../experiment/index.js';
import type { Planned } from './plan.js';
import type { Room } from './room.js';

const MIB = 2 ** 20;

/** nbconvert and a kernel that samples nothing large: 11-pass-at-k at scale mini held 515 MiB. */
const KERNEL = 640 * MIB;

/** An executed notebook with its HTML and figures: at scale mini 0.4 to 0.8 MB. */
const NOTEBOOK = 2 * MIB;

/**
 * A completion with its grade and score: at scale mini 1,535 kB and 263 kB for 3,200 completions of some 85
 * tokens, which is 5 bytes a token and 140 more.
 */
const completionBytes = (tokens: number) => 200 + 5 * tokens;

/** Models of `world --out` with those on the way, and checkpoints of three that are being trained. */
const WORLD = 320 * MIB;

/** What {@link needsOf} reads. */
export interface NeedsOptions {
  readonly scale: string;
  readonly jobs: number;
  /** The experiment and its runs, where notebooks of the plan take completions from it. */
  readonly experiment?: { readonly experiment: Experiment; readonly runs: readonly PlannedRun[] };
  readonly fromScratch?: boolean;
  /** Weights and states lie on a GPU. */
  readonly onGpu?: boolean;
}

/** What notebooks that run need. */
export function needsOf(plan: readonly Planned[], options: NeedsOptions): Room {
  const { scale, jobs, experiment, fromScratch = false, onGpu = false } = options;
  const running = plan.filter(({ because }) => because !== null);
  const states = onGpu ? [] : (experiment?.runs ?? []).map(({ memoryBytes }) => memoryBytes);
  const sampling = KERNEL + Math.max(0, ...states);
  const memoryOf = ({ hints, samples }: Planned) =>
    hints.takes[scale]?.memoryMiB !== undefined
      ? hints.takes[scale].memoryMiB * MIB
      : samples
        ? sampling
        : KERNEL;
  const alone = running.filter(({ hints }) => hints.measuresTime).map(memoryOf);
  const beside = running.filter(({ hints }) => !hints.measuresTime).map(memoryOf);
  const together = beside.sort((a, b) => b - a).slice(0, jobs);
  return {
    memoryBytes: Math.max(
      0,
      ...alone,
      together.reduce((sum, bytes) => sum + bytes, 0),
    ),
    diskBytes:
      running.length * NOTEBOOK +
      (experiment && running.some(({ samples }) => samples) ? runBytes(experiment) : 0) +
      (fromScratch ? WORLD : 0),
  };
}

/** Completions that are not there yet, as long as they can be. */
function runBytes({ experiment, runs }: NonNullable<NeedsOptions['experiment']>): number {
  const { scale, seed, folder } = experiment;
  const all = runs.reduce(
    (sum, { problems, samples }) => sum + problems * samples * completionBytes(scale.maxNewTokens),
    0,
  );
  const own = `-${scale.problems}x${scale.samples}-seed${seed}`;
  return Math.max(0, all - bytesUnder(join(folder, scale.name), (name) => name.endsWith(own)));
}

function bytesUnder(folder: string, isOwn: (name: string) => boolean): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder)
    .filter(isOwn)
    .flatMap((name) => readdirSync(join(folder, name)).map((file) => join(folder, name, file)))
    .reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}
