/** How long a reproduction still takes: what was expected, corrected by what was measured so far. */

/** Where a notebook is. */
export interface Timed {
  readonly state: 'waiting' | 'running' | 'executed' | 'failed';
  /** Seconds that it was expected to take; null where nothing is known. */
  readonly expected: number | null;
  /** Seconds that it has taken so far. */
  readonly seconds: number;
  /** Whether nothing runs beside it. */
  readonly alone: boolean;
  /** Seconds that the piece of work that it is at still takes, by its rate. */
  readonly stageLeft?: number;
}

/** What {@link timeLeft} says. */
export interface TimeLeft {
  readonly seconds: number;
  /** Whether it may take longer: of some notebook nothing is known. */
  readonly atLeast: boolean;
}

/** Seconds that count as gone by exactly as expected, so that one short notebook does not sway the whole. */
const TRUST = 30;

/** How many times as long as expected things take here; a notebook that is over its time counts already. */
export function slowness(notebooks: readonly Timed[]): number {
  let [measured, expected] = [TRUST, TRUST];
  for (const notebook of notebooks) {
    if (notebook.expected === null) continue;
    const { state, seconds } = notebook;
    const isOver = state === 'running' && seconds > notebook.expected;
    if (state !== 'executed' && !isOver) continue;
    measured += seconds;
    expected += notebook.expected;
  }
  return measured / expected;
}

/** @param jobs notebooks that may run side by side. */
export function timeLeft(notebooks: readonly Timed[], jobs: number): TimeLeft {
  const factor = slowness(notebooks);
  const left = notebooks.filter(({ state }) => state === 'waiting' || state === 'running');
  const secondsOf = ({ expected, seconds, stageLeft = 0 }: Timed) =>
    Math.max(stageLeft, (expected ?? 0) * factor - seconds);
  const alone = left.filter((notebook) => notebook.alone).map(secondsOf);
  const beside = left.filter((notebook) => !notebook.alone).map(secondsOf);
  const sum = (all: readonly number[]) => all.reduce((total, x) => total + x, 0);
  return {
    seconds: sum(alone) + Math.max(sum(beside) / jobs, ...beside, 0),
    atLeast: left.some(({ expected }) => expected === null),
  };
}
