/** Executes the notebooks of a plan: those that measure times alone, the others side by side. */
import { seconds } from '#setup/report.mjs';
import { NEEDS_QUIET } from '../../experiment/index.js';
import { runJobs } from '../schedule.js';
import type { StatusLine } from '../status-line.js';
import { type Followed, statusOf } from './display.js';
import { execute, progressFile } from './execute.js';
import { NotebookFailure } from './jupyter.js';
import type { Planned } from './plan.js';

/** How a notebook of a plan ended. */
export interface Outcome {
  readonly name: string;
  readonly status: 'executed' | 'up to date' | 'failed';
  readonly seconds?: number;
  readonly figures?: number;
  readonly error?: string;
}

/** What {@link runNotebooks} needs beside the plan. */
export interface RunOptions {
  readonly out: string;
  readonly scale: string;
  /** Variables of every kernel. */
  readonly environment: Readonly<Record<string, string>>;
  /** Notebooks at the same time, of those that measure no times. */
  readonly jobs: number;
  readonly status: StatusLine;
}

/** A notebook and where it is. */
interface Task extends Followed {
  readonly planned: Planned;
  outcome?: Outcome;
}

/** Seconds that an unknown notebook counts for where the longest one goes first. */
const UNKNOWN = 60;

function taskOf(planned: Planned, out: string): Task {
  const { notebook, expected, hints } = planned;
  return {
    name: notebook.name,
    planned,
    expected,
    alone: hints.measuresTime,
    state: 'waiting',
    began: 0,
    seconds: 0,
    doing: 'starting',
    progressFile: progressFile(out, notebook.name),
  };
}

/** Executes one; undefined where it has to wait until nothing runs beside it. */
async function runTask(
  task: Task,
  { out, scale, environment, status }: RunOptions,
): Promise<Outcome | undefined> {
  const { name, planned, alone } = task;
  task.state = 'running';
  task.began = performance.now();
  const end = (state: Task['state']) => {
    task.state = state;
    task.seconds = (performance.now() - task.began) / 1e3;
  };
  try {
    const record = await execute(planned.notebook, {
      out,
      scale,
      environment: { ...environment, ...(!alone && { MAMBALAB_SAMPLING: 'refuse' }) },
      inputs: planned.inputs,
      onProgress: (text) => {
        task.doing = text;
      },
    });
    end('executed');
    const figures = record.figures.length;
    status.say(`${name}: executed in ${seconds(record.seconds * 1000)}, figures: ${figures}`);
    return { name, status: 'executed', seconds: record.seconds, figures };
  } catch (error) {
    if (!(error instanceof NotebookFailure)) throw error;
    if (!alone && error.message.includes(NEEDS_QUIET)) {
      Object.assign(task, { alone: true, state: 'waiting', seconds: 0 });
      status.say(`${name}: has to sample, and waits until nothing runs beside it`);
      return undefined;
    }
    end('failed');
    status.say(`${name}: failed\n${error.message.replace(/^/gm, '  ')}`);
    return { name, status: 'failed', error: error.message };
  }
}

/**
 * Executes what is not up to date. Notebooks whose times are results run one after another and nothing
 * beside them; the others follow, up to `jobs` at a time, and must not sample: one that has to is run
 * again, alone.
 *
 * @returns how each ended, in the order of the plan.
 */
export async function runNotebooks(
  plan: readonly Planned[],
  options: RunOptions,
): Promise<readonly Outcome[]> {
  const { jobs, out, status } = options;
  const tasks = plan.filter(({ because }) => because !== null).map((p) => taskOf(p, out));
  if (jobs === 1 || tasks.filter(({ alone }) => !alone).length < 2) {
    for (const task of tasks) task.alone = true;
  }
  const run = async (task: Task) => {
    const outcome = await runTask(task, options);
    if (outcome) task.outcome = outcome;
  };
  const runAlone = async () => {
    for (const task of tasks) if (task.alone && task.state === 'waiting') await run(task);
  };
  if (tasks.length > 0) status.start(() => statusOf(tasks, jobs));
  try {
    await runAlone();
    await runBeside(
      tasks.filter(({ state }) => state === 'waiting'),
      jobs,
      run,
    );
    await runAlone();
  } finally {
    status.stop();
  }
  return plan.map(
    ({ notebook: { name } }) =>
      tasks.find((task) => task.name === name)?.outcome ?? { name, status: 'up to date' },
  );
}

/** @throws what was no notebook's failure, such as a stop: nothing further starts then. */
async function runBeside(
  tasks: readonly Task[],
  jobs: number,
  run: (task: Task) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const waiting = tasks.map((task) => ({
    name: task.name,
    after: [],
    work: task.expected ?? UNKNOWN,
    task,
  }));
  const start = ({ task }: (typeof waiting)[0]) =>
    run(task).catch((error) => {
      stop.abort();
      throw error;
    });
  const { failed } = await runJobs(waiting, jobs, start, stop.signal);
  for (const error of failed.values()) throw error;
}
