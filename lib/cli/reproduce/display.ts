/** One line for all notebooks: how many are done, the time left, and what those that run are at. */
import { roughly } from '../roughly.js';
import { readStage, type Stage } from './stage.js';
import { type Timed, timeLeft } from './time-left.js';

/** A notebook as the display follows it. */
export interface Followed {
  readonly name: string;
  readonly expected: number | null;
  alone: boolean;
  state: Timed['state'];
  /** When it began, by `performance.now()`. */
  began: number;
  /** Seconds that it took in the end. */
  seconds: number;
  /** `executing`, `writing HTML`. */
  doing: string;
  /** The file in which its kernel says what it is at. */
  readonly progressFile: string;
}

/** The line as it stands now. */
export function statusOf(
  all: readonly Followed[],
  jobs: number,
  now = performance.now(),
  stageOf: (file: string) => Stage | undefined = readStage,
): string {
  const timed = all.map((notebook) => {
    const isRunning = notebook.state === 'running';
    const stage = isRunning ? stageOf(notebook.progressFile) : undefined;
    const seconds = isRunning ? (now - notebook.began) / 1e3 : notebook.seconds;
    return {
      ...notebook,
      seconds,
      stage,
      ...(stage?.left !== undefined && { stageLeft: stage.left }),
    };
  });
  const ended = all.filter(({ state }) => state === 'executed' || state === 'failed').length;
  const running = timed.filter(({ state }) => state === 'running');
  const left = timeLeft(timed, jobs);
  const about = `${left.atLeast ? 'at least' : 'about'} ${roughly(left.seconds)} left`;
  const time = left.seconds < 1 ? 'longer than expected' : about;
  const lines = running.map(({ name, seconds, doing, stage }) => {
    const at = stage && doing === 'executing' ? stage.text : doing;
    return `${name} (${roughly(seconds)}) ${at}`;
  });
  return [`${ended}/${all.length} done, ${time}`, ...lines].join(' | ');
}
