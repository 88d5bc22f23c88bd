/** Runs on the disk as one table. */
import { CheckpointError, show } from '../models/files/errors.js';
import type { JsonObject } from '../models/files/json.js';
import { columnFile, columnNames, readColumn } from './column.js';
import { readHeads } from './completions.js';
import { type Reduction, reduceSteps } from './reduce.js';
import { Run } from './run.js';
import { type ResultsTable, tableOfColumns, type Verdict } from './table.js';

/** Options of {@link loadResults}. */
export interface LoadResultsOptions {
  /** Which grades; default the newest that a run has. */
  readonly grades?: string;
  /** Which reward model's scores; default the only ones. Without any, rewards are NaN. */
  readonly scores?: string;
  /** How scores of steps become one; default `last`. */
  readonly reduce?: Reduction;
  /**
   * What becomes of completions without a grade: `refuse` (default) throws, `drop` leaves them out, as
   * for a look at a run that is still going on.
   */
  readonly ungraded?: 'refuse' | 'drop';
}

/**
 * Reads runs into one table, ordered by run, problem and sample. Texts stay on the disk; use
 * {@link readCompletions} for them. Several shards of a run are given together, or merged.
 *
 * @param paths the folders of runs or shards.
 * @throws CheckpointError naming the file and line of a record that is not valid, does not belong, or
 *   that two of the folders have; RangeError where completions are not graded or a column is missing.
 */
export function loadResults(
  paths: string | readonly string[],
  options: LoadResultsOptions = {},
): ResultsTable {
  const folders = typeof paths === 'string' ? [paths] : paths;
  if (folders.length === 0) {
    throw new RangeError('loadResults: expected at least one folder, got none');
  }
  const { ungraded = 'refuse' } = options;
  const runs = folders.map((path) => new Run(path));
  const parts = runs.map((run) => readPart(run, options));
  refuseOverlap(runs, parts);
  let rows = 0;
  for (const [i, { present, graded }] of parts.entries()) {
    const run = runs[i] as Run;
    let missing = 0;
    for (let place = 0; place < present.length; place++) {
      if (present[place] === 0) continue;
      if (graded[place] === 1) rows++;
      else missing++;
    }
    if (missing > 0 && ungraded === 'refuse') {
      throw new RangeError(
        `${run.path}: ${missing} completions are not graded; run \`mambalab grade ${run.path}\``,
      );
    }
  }
  return fill(runs, parts, rows);
}

/** What a run's files say, by the places of its completions. */
interface Part {
  readonly present: Uint8Array;
  readonly line: Int32Array;
  readonly tokens: Int32Array;
  readonly seconds: Float64Array;
  readonly promptSeconds: Float64Array;
  readonly stopReason: string[];
  readonly graded: Uint8Array;
  readonly answer: (string | undefined)[];
  readonly correct: Verdict[];
  readonly reward: Float64Array;
}

function readPart(run: Run, options: LoadResultsOptions): Part {
  const { total } = run;
  const part: Part = {
    present: new Uint8Array(total),
    line: new Int32Array(total),
    tokens: new Int32Array(total),
    seconds: new Float64Array(total),
    promptSeconds: new Float64Array(total),
    stopReason: new Array<string>(total),
    graded: new Uint8Array(total),
    answer: new Array<string | undefined>(total),
    correct: new Array<Verdict>(total),
    reward: new Float64Array(total).fill(Number.NaN),
  };
  for (const { value, place, line } of readHeads(run)) {
    const { tokens, timing, stopReason } = value;
    part.present[place] = 1;
    part.line[place] = line;
    part.tokens[place] = tokens;
    part.seconds[place] = timing.shareMs / 1000;
    part.promptSeconds[place] = timing.prefillMs / 1000;
    part.stopReason[place] = stopReason;
  }
  readGrades(run, part, options.grades);
  readScores(run, part, options);
  return part;
}

function readGrades(run: Run, part: Part, asked: string | undefined): void {
  const name = chosen(run, 'grades', asked) ?? columnNames(run, 'grades').at(-1);
  if (name === undefined) return;
  // A problem's samples say the same few answers: one string each is enough.
  const known = new Map<string, string>();
  for (const { value, place, line } of readColumn(run, 'grades', name)) {
    const { answer, correct } = value;
    const isVerdict = typeof correct === 'boolean' || correct === 'undecided';
    if (!isVerdict || (answer !== null && typeof answer !== 'string')) {
      fail(run, 'grades', name, line, 'an answer (text or null) and correct', value);
    }
    if (part.present[place] === 0) fail(run, 'grades', name, line, 'a completion it has', value);
    if (typeof answer === 'string') {
      const same = known.get(answer);
      if (same === undefined) known.set(answer, answer);
      part.answer[place] = same ?? answer;
    }
    part.correct[place] = correct as Verdict;
    part.graded[place] = 1;
  }
}

function readScores(run: Run, part: Part, { scores, reduce = 'last' }: LoadResultsOptions): void {
  const names = columnNames(run, 'scores');
  if (scores === undefined && names.length > 1) {
    throw new RangeError(
      `${run.path}: there are scores of ${names.join(' and ')}; say which (\`scores\`)`,
    );
  }
  const name = chosen(run, 'scores', scores) ?? names[0];
  if (name === undefined) return;
  for (const { value, place, line } of readColumn(run, 'scores', name)) {
    const { steps } = value;
    if (!Array.isArray(steps) || !steps.every((step) => typeof step === 'number')) {
      fail(run, 'scores', name, line, 'steps, a list of numbers', value);
    }
    if (part.present[place] === 0) fail(run, 'scores', name, line, 'a completion it has', value);
    part.reward[place] = reduceSteps(steps as number[], reduce);
  }
}

function chosen(run: Run, kind: 'grades' | 'scores', name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const names = columnNames(run, kind);
  if (names.includes(name)) return name;
  const known = names.length > 0 ? names.join(', ') : 'none';
  throw new RangeError(`${run.path}: there are no ${kind} '${name}'; there are ${known}`);
}

function fail(
  run: Run,
  kind: 'grades' | 'scores',
  name: string,
  line: number,
  expected: string,
  found: JsonObject,
): never {
  const path = run.file(columnFile(kind, name));
  throw new CheckpointError(path, `line ${line}`, expected, show(found));
}

/** Names a completion that two of the folders have. */
function refuseOverlap(runs: readonly Run[], parts: readonly Part[]): void {
  const byRun = new Map<string, number[]>();
  for (const [i, { manifest }] of runs.entries()) {
    const { name, task, seed } = manifest;
    const key = JSON.stringify([name, task.name, seed]);
    byRun.set(key, [...(byRun.get(key) ?? []), i]);
  }
  for (const same of byRun.values()) {
    for (const [at, second] of same.entries()) {
      for (const first of same.slice(0, at)) {
        const [a, b] = [runs[first] as Run, runs[second] as Run];
        const overlap = commonCompletion(a, parts[first] as Part, b, parts[second] as Part);
        if (overlap === undefined) continue;
        throw new CheckpointError(
          b.path,
          `completion at line ${overlap.line}`,
          `each completion of ${a.manifest.name}, ${a.manifest.task.name}, seed ${a.manifest.seed} once`,
          `${overlap.id}, sample ${overlap.sample}, which ${a.path} has at line ${overlap.firstLine}`,
        );
      }
    }
  }
}

function commonCompletion(a: Run, inA: Part, b: Run, inB: Part) {
  const least = Math.min(a.n, b.n);
  for (const [i, { id }] of b.problems.entries()) {
    const j = a.indexOf(id);
    if (j === undefined) continue;
    for (let sample = 0; sample < least; sample++) {
      const [atB, atA] = [i * b.n + sample, j * a.n + sample];
      if (inB.present[atB] === 0 || inA.present[atA] === 0) continue;
      return { id, sample, line: inB.line[atB], firstLine: inA.line[atA] };
    }
  }
  return undefined;
}

function fill(runs: readonly Run[], parts: readonly Part[], rows: number): ResultsTable {
  const columns = {
    model: new Array<string>(rows),
    task: new Array<string>(rows),
    promptId: new Array<string>(rows),
    level: new Array<number | undefined>(rows),
    sampleId: new Int32Array(rows),
    seed: new Uint32Array(rows),
    gold: new Array<string>(rows),
    answer: new Array<string | undefined>(rows),
    correct: new Array<Verdict>(rows),
    reward: new Float64Array(rows),
    tokens: new Int32Array(rows),
    seconds: new Float64Array(rows),
    promptSeconds: new Float64Array(rows),
    stopReason: new Array<string>(rows),
  };
  let row = 0;
  for (const [i, run] of runs.entries()) {
    const part = parts[i] as Part;
    const { name, task, seed } = run.manifest;
    for (let place = 0; place < run.total; place++) {
      if (part.present[place] === 0 || part.graded[place] === 0) continue;
      const problem = run.problems[Math.floor(place / run.n)];
      if (problem === undefined) continue;
      columns.model[row] = name;
      columns.task[row] = task.name;
      columns.promptId[row] = problem.id;
      columns.level[row] = problem.level;
      columns.sampleId[row] = place % run.n;
      columns.seed[row] = seed;
      columns.gold[row] = problem.answer;
      columns.answer[row] = part.answer[place];
      columns.correct[row] = part.correct[place] as Verdict;
      columns.reward[row] = part.reward[place] as number;
      columns.tokens[row] = part.tokens[place] as number;
      columns.seconds[row] = part.seconds[place] as number;
      columns.promptSeconds[row] = part.promptSeconds[place] as number;
      columns.stopReason[row] = part.stopReason[place] as string;
      row++;
    }
  }
  return tableOfColumns(columns);
}
