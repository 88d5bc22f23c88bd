import {
  ColumnWriter,
  type Run,
  readColumn,
  readCompletions,
  type Verdict,
} from '../results/index.js';
import { breather } from './breather.js';
import { gradeGsm8k } from './extractAnswer.js';
import { gradeMath } from './gradeMath.js';

/** Moves with every change that can change a grade: grades of another version are another column. */
export const GRADER_VERSION = 1;

/** The name of the column that this version writes. */
export const GRADES = `v${GRADER_VERSION}`;

/** Options of {@link gradeRun} and of other passes over a run. */
export interface PassOptions {
  /** Called as completions are done. */
  readonly onProgress?: (done: number) => void;
  /** Ends the pass after a whole record; it goes on there when it is run again. */
  readonly signal?: AbortSignal;
}

/** What a grading pass did and what the run's grades are now. */
export interface GradedRun {
  /** Completions that this pass graded; those that were graded before are not among them. */
  readonly graded: number;
  readonly completions: number;
  readonly correct: number;
  readonly undecided: number;
  /** Completions without an answer. */
  readonly unanswered: number;
}

type GradeText = (text: string, gold: string) => { answer: string | undefined; correct: Verdict };

const graders: Readonly<Record<string, GradeText>> = { gsm8k: gradeGsm8k, math: gradeMath };

/**
 * Grades a run's completions into its column `grades.v1`: of each the answer, and whether it equals
 * the problem's. Completions that are graded already are passed over, so that a run can be graded while
 * it goes on, and a pass that was killed goes on where it was.
 *
 * @throws RangeError where answers of the run's task cannot be graded; what {@link readCompletions}
 *   throws.
 */
export async function gradeRun(run: Run, options: PassOptions = {}): Promise<GradedRun> {
  const { answers } = run.manifest.task;
  const grade = graders[answers];
  if (grade === undefined) {
    const known = Object.keys(graders).join(', ');
    throw new RangeError(
      `${run.path}: cannot grade answers of the kind '${answers}', only ${known}`,
    );
  }
  const column = new ColumnWriter(run, 'grades', GRADES, {
    grader: 'mambalab',
    version: GRADER_VERSION,
    answers,
  });
  let graded = 0;
  try {
    const breathe = breather(options.signal);
    for (const { value, place } of readCompletions(run)) {
      if (column.done[place] === 1) continue;
      await breathe();
      const gold = run.problems[Math.floor(place / run.n)]?.answer ?? '';
      const { answer, correct } = grade(value.text, gold);
      column.append(place, { answer: answer ?? null, correct });
      graded++;
      options.onProgress?.(graded);
    }
  } finally {
    column.close();
  }
  return { graded, ...tallyOf(run) };
}

function tallyOf(run: Run): Omit<GradedRun, 'graded'> {
  const tally = { completions: 0, correct: 0, undecided: 0, unanswered: 0 };
  for (const { value } of readColumn(run, 'grades', GRADES)) {
    tally.completions++;
    if (value.correct === true) tally.correct++;
    if (value.correct === 'undecided') tally.undecided++;
    if (value.answer === null) tally.unanswered++;
  }
  return tally;
}
