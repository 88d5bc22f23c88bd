import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Job, runJobs } from '../../lib/cli/schedule.js';

const job = (name: string, after: string[] = [], work = 1): Job => ({ name, after, work });

/** Runs jobs that each take a moment, and says when which began and ended, and how many ran at once. */
async function run(jobs: readonly Job[], width: number, failing: readonly string[] = []) {
  const events: string[] = [];
  let now = 0;
  let most = 0;
  const outcome = await runJobs(jobs, width, async ({ name }) => {
    events.push(`+${name}`);
    now++;
    most = Math.max(most, now);
    await sleep(2);
    now--;
    events.push(`-${name}`);
    if (failing.includes(name)) throw new Error(`${name} broke`);
  });
  return { ...outcome, events, most };
}

describe('runJobs', () => {
  const chain = [job('c', ['b']), job('a'), job('b', ['a']), job('d', ['a'])];

  it('starts a job only when all that it needs are done', async () => {
    const { events, done, failed, skipped } = await run(chain, 3);
    for (const { name, after } of chain) {
      for (const parent of after) {
        expect(events.indexOf(`-${parent}`)).toBeLessThan(events.indexOf(`+${name}`));
      }
    }
    expect([...done].sort()).toEqual(['a', 'b', 'c', 'd']);
    expect([failed.size, skipped]).toEqual([0, []]);
  });

  it('runs as many at a time as it may, and no more', async () => {
    const jobs = ['a', 'b', 'c', 'd', 'e'].map((name) => job(name));
    expect((await run(jobs, 2)).most).toBe(2);
    expect((await run(jobs, 1)).most).toBe(1);
  });

  it('starts the job with the longest way behind it first', async () => {
    const jobs = [job('short', [], 3), job('first', [], 1), job('long', ['first'], 5)];
    expect((await run(jobs, 1)).events.filter((event) => event.startsWith('+'))).toEqual([
      '+first',
      '+long',
      '+short',
    ]);
  });

  it('leaves what needs a failed job, and finishes the rest', async () => {
    const { done, failed, skipped } = await run(chain, 2, ['b']);
    expect([...done].sort()).toEqual(['a', 'd']);
    expect(failed.get('b')?.message).toBe('b broke');
    expect(skipped).toEqual(['c']);
  });

  it('takes what is not in the list for done, and ends where jobs wait for one another', async () => {
    expect((await run([job('b', ['made before'])], 1)).done).toEqual(['b']);
    const circle = await run([job('x', ['y']), job('y', ['x'])], 1);
    expect(circle.skipped).toEqual(['x', 'y']);
  });

  it('starts nothing once it is told to stop', async () => {
    const stop = new AbortController();
    const { done, skipped } = await runJobs(
      ['a', 'b', 'c'].map((name) => job(name)),
      1,
      async () => stop.abort(),
      stop.signal,
    );
    expect([done, skipped]).toEqual([['a'], ['b', 'c']]);
  });

  it('refuses a width that is none', async () => {
    await expect(run([], 0)).rejects.toThrow('width must be a positive integer, got 0');
  });
});
