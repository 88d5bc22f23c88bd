/** Trains the mini world in several processes, each model as soon as those that it is made of are there. */
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { WorldManifest } from '../../world/index.js';
import { CliError, type Out } from '../command.js';
import { runJobs } from '../schedule.js';
import { StatusLine } from '../status-line.js';
import { type Followed, follow, statusOf } from './display.js';
import { worldJobs } from './jobs.js';
import type { WorkerOptions } from './worker.js';
import { Workers } from './workers.js';

/** Options of {@link trainSideBySide}. */
export interface SideBySideOptions extends WorkerOptions {
  readonly jobs: number;
  readonly only?: readonly string[];
  /** `cpu`, `cuda` or `cuda:N`; default `MAMBALAB_DEVICE`. */
  readonly device?: string;
  /** Where the line of progress goes. */
  readonly err: Out;
  readonly quiet?: boolean;
  readonly signal: AbortSignal;
  /** Called for each model, made now or found. */
  readonly onModel: (manifest: WorldManifest, made: boolean, status: StatusLine) => void;
}

/** Whether training runs on a GPU, as far as the settings say. */
const isGpu = (device = process.env.MAMBALAB_DEVICE ?? 'auto') => device.startsWith('cuda');

/** Processes where nothing is said: a GPU of these small models is kept busy by several, a processor by one. */
export const defaultWorldJobs = (device?: string): number => (isGpu(device) ? 3 : 1);

function workersOf({ out, seed, share, keepRuns, device, jobs }: SideBySideOptions): Workers {
  const command = [
    ...[process.argv[1] as string, 'world', '--worker', '--out', out],
    ...['--seed', `${seed}`, '--share', `${share}`, ...(keepRuns ? ['--keep-runs'] : [])],
  ];
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  return new Workers(command, {
    ...(device !== undefined && { MAMBALAB_DEVICE: device }),
    // Engines that each take every core would wait for one another.
    ...(process.env.MAMBALAB_THREADS === undefined && { MAMBALAB_THREADS: `${threads}` }),
  });
}

/**
 * Trains the models that are asked for, `jobs` at a time. Where one fails, those that need it are left and
 * the others finished.
 *
 * @returns the manifests in the order in which the models were done.
 * @throws CliError naming every model that failed and why; the signal's reason where it was stopped, with
 *   everything saved.
 */
export async function trainSideBySide(
  options: SideBySideOptions,
): Promise<readonly WorldManifest[]> {
  const { out, share, only, jobs, err, quiet = false, signal, onModel } = options;
  mkdirSync(out, { recursive: true });
  const models = worldJobs(share, only).map((job) => ({ ...job, at: follow(job) }));
  const all: readonly Followed[] = models.map(({ at }) => at);
  const workers = workersOf(options);
  const status = new StatusLine(err, { quiet });
  const manifests: WorldManifest[] = [];
  const stop = () => workers.stop();
  signal.addEventListener('abort', stop);
  const began = performance.now();
  status.start(() => statusOf(all, (performance.now() - began) / 1e3));
  try {
    const { failed, skipped } = await runJobs(
      models,
      jobs,
      async ({ name, at }) => {
        at.state = 'running';
        try {
          const { manifest, made } = await workers.train(name, (step, loss) => {
            if (at.step === 0) at.before = step - 1;
            Object.assign(at, { step, loss });
          });
          at.state = made ? 'made' : 'there';
          manifests.push(manifest);
          onModel(manifest, made, status);
        } catch (error) {
          at.state = 'failed';
          throw error;
        }
      },
      signal,
    );
    signal.throwIfAborted();
    if (failed.size > 0) throw failure(failed, skipped);
    return manifests;
  } finally {
    status.stop();
    signal.removeEventListener('abort', stop);
    await workers.close();
  }
}

function failure(failed: ReadonlyMap<string, Error>, skipped: readonly string[]): CliError {
  const lines = [...failed].map(([name, { message }]) => `${name} failed: ${message}`);
  const left = skipped.length > 0 ? [`not trained, for want of those: ${skipped.join(', ')}`] : [];
  return new CliError([...lines, ...left].join('\n'));
}
