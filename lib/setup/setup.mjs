// Runs the steps in order, under the lock, and says what each did and how long it took.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SetupFailure } from './failure.mjs';
import { endGroup, takeLock } from './lock.mjs';
import { cacheFolder, childEnvironment, localFolder, root } from './places.mjs';
import { makeReport, seconds } from './report.mjs';
import { steps } from './steps/index.mjs';

const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };

function choose({ only, skip }) {
  const wanted = only.length > 0 ? steps.filter((step) => only.includes(step.name)) : steps;
  return wanted.filter((step) => !skip.includes(step.name));
}

/** Ends the program that runs, gives the lock back and leaves, when the user or the machine stops set-up. */
function leaveOnSignal(state, lock) {
  for (const [signal, number] of Object.entries(signals)) {
    process.once(signal, async () => {
      state.leaving = true;
      // The lock is given back only when the program is gone: npm, for one, takes its time to stop.
      if (state.child) await endGroup(state.child);
      lock.release();
      process.stderr.write('\nset-up stopped; run the same command again to go on from here\n');
      process.exit(128 + number);
    });
  }
}

async function runStep(step, context, report, label) {
  const began = Date.now();
  const result = (status, detail) => ({
    step: step.name,
    status,
    seconds: (Date.now() - began) / 1000,
    detail,
  });
  try {
    if (await step.isDone(context)) {
      report.say(`${label} ${step.title}: up to date`);
      return result('up to date');
    }
    report.begin(`${label} ${step.title}: ${step.doing}`);
    const detail = await step.run(context);
    report.end(`${label} ${step.title}: done in ${seconds(Date.now() - began)} (${detail})`);
    return result('done', detail);
  } catch (error) {
    // Being stopped is no failure of the step: the signal's handler ends the process.
    if (context.state.leaving) return new Promise(() => {});
    report.end(`${label} ${step.title}: failed after ${seconds(Date.now() - began)}`);
    return { ...result('failed', error.message), error };
  }
}

/**
 * @param options.only names of the only steps to run; options.skip names of steps to leave out
 * @param options.quiet print nothing unless a step fails
 * @returns {ok, seconds, steps}: what each step did; a failed one has its error and is the last
 */
export async function setup({ only = [], skip = [], quiet = false } = {}) {
  const began = Date.now();
  const report = makeReport({ quiet });
  const cache = cacheFolder();
  mkdirSync(localFolder, { recursive: true });
  mkdirSync(cache, { recursive: true });
  const lock = await takeLock(join(localFolder, 'setup.lock'), report.say);
  const temporary = join(localFolder, 'tmp', 'setup');
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const state = {};
  leaveOnSignal(state, lock);
  const context = {
    state,
    root,
    folder: localFolder,
    cache,
    env: { ...childEnvironment(), TMPDIR: temporary, TEMP: temporary, TMP: temporary },
    progress: report.progress,
    child(pid) {
      state.child = pid;
      lock.running(pid);
    },
  };
  const chosen = choose({ only, skip });
  const results = [];
  try {
    for (const [index, step] of chosen.entries()) {
      const result = await runStep(step, context, report, `[${index + 1}/${chosen.length}]`);
      results.push(result);
      if (result.error) break;
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    lock.release();
  }
  const ok = results.every((result) => !result.error);
  const total = Date.now() - began;
  if (ok) report.say(`Set-up is complete (${seconds(total)}).`);
  return { ok, seconds: total / 1000, steps: results };
}

/** What a person needs to know of a failure: no stack for what set-up foresaw, the stack for a fault of its own. */
export function explain(error) {
  if (!(error instanceof SetupFailure)) return [error.stack ?? String(error)];
  return [error.message, ...error.lines.map((line) => `  ${line}`)];
}
