/** Completions in memory: the table that metrics and figures are computed from. */
import { type ColumnTable, table as makeTable } from 'arquero';

/** What a completion's grade can be: `undecided` where the grader could not tell within its bounds. */
export type Verdict = boolean | 'undecided';

/** One completion as metrics see it: one row of a {@link ResultsTable}. */
export interface CompletionRow {
  /** The problem's id, unique within its task. */
  readonly promptId: string;
  /** Index among the problem's completions, from 0 on. */
  readonly sampleId: number;
  /** The answer that was read out of the completion; undefined where it gives none. */
  readonly answer: string | undefined;
  /** The right answer. */
  readonly gold: string;
  readonly correct: Verdict;
  /** The reward model's score of the whole completion; NaN where it was not scored. */
  readonly reward: number;
  /** Tokens drawn. */
  readonly tokens: number;
  /**
   * Seconds of decoding that this completion took: of each step of its batch the share of one row.
   * Summed over the completions of a run they are the time of its decode steps.
   */
  readonly seconds: number;
  /** Seconds of reading the prompt, which a problem's completions share: count them once. */
  readonly promptSeconds: number;
  /** Why the completion ended: `eos`, `stop` or `length`. */
  readonly stopReason: string;
  /** The run's name for its model. */
  readonly model: string;
  readonly seed: number;
  /** `gsm8k`, `math-500`, ... */
  readonly task: string;
  /** The problem's level, 1 to 5 in MATH; undefined where the task has none. */
  readonly level: number | undefined;
}

/**
 * An arquero table with the columns of {@link CompletionRow}; every verb of arquero works on it.
 * {@link columnsOf} reads it with types.
 */
export type ResultsTable = ColumnTable;

/** The columns of a {@link ResultsTable}, each as long as the table has rows. */
export type ResultsColumns = {
  readonly [Name in keyof CompletionRow]: ArrayLike<CompletionRow[Name]>;
};

/** The columns in their order. */
export const COLUMN_NAMES = [
  'model',
  'task',
  'promptId',
  'level',
  'sampleId',
  'seed',
  'gold',
  'answer',
  'correct',
  'reward',
  'tokens',
  'seconds',
  'promptSeconds',
  'stopReason',
] as const satisfies readonly (keyof CompletionRow)[];

/** Makes a results table of columns. */
export function tableOfColumns(columns: ResultsColumns): ResultsTable {
  return makeTable(columns, COLUMN_NAMES as unknown as string[]);
}

/**
 * Makes a results table of rows: for completions that come from elsewhere than a results folder.
 *
 * @throws RangeError naming the row where the same completion comes twice or a field is of another kind.
 */
export function tableOf(rows: Iterable<CompletionRow>): ResultsTable {
  const all = [...rows];
  const seen = new Map<string, number>();
  for (const [i, row] of all.entries()) {
    checkRow(row, i);
    const { model, task, seed, promptId, sampleId } = row;
    const key = JSON.stringify([model, task, seed, promptId, sampleId]);
    const first = seen.get(key);
    if (first !== undefined) {
      throw new RangeError(
        `tableOf: rows ${first} and ${i} are the same completion: ${promptId}, sample ${sampleId} ` +
          `of ${model} with seed ${seed}`,
      );
    }
    seen.set(key, i);
  }
  const column = <Name extends keyof CompletionRow>(name: Name) => all.map((row) => row[name]);
  const numbers = (name: 'reward' | 'seconds' | 'promptSeconds') => Float64Array.from(column(name));
  return tableOfColumns({
    model: column('model'),
    task: column('task'),
    promptId: column('promptId'),
    level: column('level'),
    sampleId: Int32Array.from(column('sampleId')),
    seed: Uint32Array.from(column('seed')),
    gold: column('gold'),
    answer: column('answer'),
    correct: column('correct'),
    reward: numbers('reward'),
    tokens: Int32Array.from(column('tokens')),
    seconds: numbers('seconds'),
    promptSeconds: numbers('promptSeconds'),
    stopReason: column('stopReason'),
  });
}

/**
 * The columns of a table, in the order of its rows; what a filter took out is not among them.
 *
 * @throws RangeError naming the columns that are missing.
 */
export function columnsOf(table: ResultsTable): ResultsColumns {
  const missing = COLUMN_NAMES.filter((name) => table.column(name) === undefined);
  if (missing.length > 0) {
    throw new RangeError(
      `a results table has the columns ${COLUMN_NAMES.join(', ')}; this one lacks ${missing.join(', ')}`,
    );
  }
  // Without a filter or an order a column's own array, not a copy.
  const direct = !table.isFiltered() && !table.isOrdered();
  const arrayOf = (name: string): unknown => {
    const column: unknown = table.column(name);
    return direct && (Array.isArray(column) || ArrayBuffer.isView(column))
      ? column
      : table.array(name);
  };
  return Object.fromEntries(COLUMN_NAMES.map((name) => [name, arrayOf(name)])) as never;
}

const kinds: Readonly<Record<keyof CompletionRow, (value: unknown) => boolean>> = {
  promptId: isText,
  sampleId: isIndex,
  answer: (value) => value === undefined || typeof value === 'string',
  gold: isText,
  correct: (value) => typeof value === 'boolean' || value === 'undecided',
  reward: (value) => typeof value === 'number',
  tokens: isIndex,
  seconds: isDuration,
  promptSeconds: isDuration,
  stopReason: isText,
  model: isText,
  seed: isIndex,
  task: isText,
  level: (value) => value === undefined || typeof value === 'number',
};

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isIndex(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0;
}

function checkRow(row: CompletionRow, i: number): void {
  for (const name of COLUMN_NAMES) {
    const value = row[name];
    if (kinds[name](value)) continue;
    throw new RangeError(`tableOf: row ${i} has ${name} = ${String(value)}, a ${typeof value}`);
  }
}
