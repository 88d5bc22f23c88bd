/** Runs jobs side by side, each after those that it needs. */

/** A job of {@link runJobs}. */
export interface Job {
  readonly name: string;
  /** Names of jobs that have to be done first; those that are not in the list count as done. */
  readonly after: readonly string[];
  /** How long it takes, in any unit: of jobs that could start, the one with the longest way behind it does. */
  readonly work: number;
}

/** How the jobs of {@link runJobs} ended. */
export interface JobsOutcome {
  readonly done: readonly string[];
  readonly failed: ReadonlyMap<string, Error>;
  /** Jobs that never started: they need a failed one, or the signal came first. */
  readonly skipped: readonly string[];
}

/** Work of a job and of the longest way through those that wait for it. */
function ways(jobs: readonly Job[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const wayOf = (job: Job): number => {
    const known = found.get(job.name);
    if (known !== undefined) return known;
    // Stands against a circle, in which no job could ever start.
    found.set(job.name, job.work);
    const behind = jobs.filter(({ after }) => after.includes(job.name)).map(wayOf);
    const way = job.work + Math.max(0, ...behind);
    found.set(job.name, way);
    return way;
  };
  for (const job of jobs) wayOf(job);
  return found;
}

/**
 * Starts jobs whose needs are met, at most `width` at a time, until none is left. A job that fails stops
 * those that need it; the others go on.
 *
 * @param start does one job; how it fails is kept.
 * @param signal once aborted no further job starts; to stop those that run is the matter of `start`.
 * @throws RangeError where `width` is not a positive integer.
 */
export async function runJobs<T extends Job>(
  jobs: readonly T[],
  width: number,
  start: (job: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<JobsOutcome> {
  if (!Number.isSafeInteger(width) || width < 1) {
    throw new RangeError(`runJobs: width must be a positive integer, got ${width}`);
  }
  const wayOf = ways(jobs);
  const longestFirst = (a: T, b: T) => (wayOf.get(b.name) ?? 0) - (wayOf.get(a.name) ?? 0);
  const names = new Set(jobs.map(({ name }) => name));
  const waiting = new Set([...jobs].sort(longestFirst));
  const running = new Set<Promise<void>>();
  const done: string[] = [];
  const failed = new Map<string, Error>();
  const isReady = ({ after }: T) => after.every((name) => !names.has(name) || done.includes(name));
  for (;;) {
    for (const job of waiting) {
      if (running.size >= width || signal?.aborted) break;
      if (!isReady(job)) continue;
      waiting.delete(job);
      const run = start(job).then(
        () => void done.push(job.name),
        (error) => void failed.set(job.name, error),
      );
      const ended: Promise<void> = run.then(() => void running.delete(ended));
      running.add(ended);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  const left = jobs.filter((job) => waiting.has(job)).map(({ name }) => name);
  return { done, failed, skipped: left };
}
