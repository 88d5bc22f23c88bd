/** How many rows decode together, and the memory that they take: worked out before a run. */
import { memory } from '../backend/index.js';
import { isNative } from '../backend/init.js';
import type { StatePrecision } from '../layers/index.js';
import type { CausalModel } from '../models/index.js';
import type { CompletionRange, Settings } from './options.js';
import { CHUNK } from './prompts.js';

/** Bytes that a run is expected to take at most. */
export interface BatchBytes {
  /** The weights. */
  readonly weights: number;
  /** Caches and recurrent states of all rows, and those of the prompt being read. */
  readonly states: number;
  /** Activations and logits: of a step, and of a piece of a prompt. */
  readonly scratch: number;
  readonly total: number;
}

/** What a run will do. */
export interface BatchPlan {
  /** Rows decoded together. */
  readonly batchSize: number;
  /** Tokens of the longest prompt. */
  readonly longestPrompt: number;
  /** Tokens of the longest row: its prompt and what may be drawn. */
  readonly longestRow: number;
  readonly bytes: BatchBytes;
}

/** Rows that a budget chooses at most: more do not decode faster. */
const MOST_ROWS = 4096;

/** Blocks of the engine's pool come in four sizes per power of two. */
const ROUNDING = 1.25;

/** Captured steps of all smaller sizes, which the end of a run goes through, beside the largest. */
const LADDER = 3.5;

/**
 * Plans a run: the asked batch size, or the largest that fits the budget.
 *
 * @throws RangeError where the budget does not hold the asked batch, or one row.
 */
export function planBatch(
  model: CausalModel,
  prompts: readonly (readonly number[])[],
  settings: Settings,
): BatchPlan {
  const { batchSize, memory: budget, maxNewTokens, n } = settings;
  const { from, to } = rangeOf(prompts, settings);
  const read = prompts.slice(Math.floor(from / n), Math.ceil(to / n));
  const longestPrompt = read.reduce((most, { length }) => Math.max(most, length), 1);
  const longestRow = Math.min(model.config.contextLength, longestPrompt + maxNewTokens);
  const bytesOf = bytesBy(model, longestPrompt, longestRow, settings.statePrecision);
  const most = Math.max(1, to - from);
  const plan = (rows: number) => ({
    batchSize: rows,
    longestPrompt,
    longestRow,
    bytes: bytesOf(rows),
  });
  if (budget === undefined) return plan(Math.min(batchSize ?? 32, most));
  const asked = Math.min(batchSize ?? MOST_ROWS, most);
  const fits = (rows: number) => bytesOf(rows).total <= budget;
  let rows = asked;
  if (!fits(asked)) {
    // The largest that fits lies between one that does and one that does not.
    let [low, high] = [0, asked];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (fits(middle)) low = middle;
      else high = middle;
    }
    rows = low;
  }
  if (rows < 1 || (batchSize !== undefined && rows < asked)) {
    const least = batchSize === undefined ? 1 : asked;
    const { weights, states, scratch, total } = bytesOf(least);
    throw new RangeError(
      `sample: a batch of ${least} takes about ${mib(total)} (weights ${mib(weights)}, states ` +
        `${mib(states)}, scratch ${mib(scratch)}), more than the memory of ${mib(budget)}` +
        (rows >= 1 ? `, which holds a batch of ${rows}` : ''),
    );
  }
  return plan(rows);
}

/**
 * The completions that a run draws, as {@link CompletionRange}.
 *
 * @throws RangeError where the range goes past the last of them.
 */
export function rangeOf(
  prompts: readonly unknown[],
  { n, range }: Pick<Settings, 'n' | 'range'>,
): CompletionRange {
  const all = prompts.length * n;
  if (range === undefined) return { from: 0, to: all };
  if (range.to > all) {
    throw new RangeError(
      `sample: range.to must be at most ${all} (${prompts.length} prompts x ${n}), got ${range.to}`,
    );
  }
  return range;
}

function bytesBy(
  model: CausalModel,
  longestPrompt: number,
  longestRow: number,
  precision: StatePrecision,
): (rows: number) => BatchBytes {
  const { vocabSize, dModel, dMlp } = model.config;
  const weights = weightBytes(model);
  const rowBytes = model.stateBytes(longestRow, precision);
  const promptBytes = model.stateBytes(longestPrompt, precision);
  const activations = 4 * (10 * dModel + 3 * dMlp);
  const widened = model.stateScratchBytes(precision);
  const stepBytes = LADDER * (activations + 4 * 1.5 * vocabSize + widened);
  const pieceBytes = Math.min(CHUNK, longestPrompt) * activations + 2 * 4 * vocabSize + widened;
  return (rows) => {
    const states = Math.ceil(ROUNDING * (rows * rowBytes + promptBytes));
    const scratch = Math.ceil(ROUNDING * (rows * stepBytes + pieceBytes));
    return { weights, states, scratch, total: weights + states + scratch };
  };
}

/** Mapped from a file the weights take their own bytes; else they lie in blocks of the pool. */
function weightBytes(model: CausalModel): number {
  const isMapped = isNative() && memory().mappedBytes >= model.bytes;
  return isMapped ? model.bytes : Math.ceil(ROUNDING * model.bytes);
}

/**
 * The error of a run whose memory ended with one row: what was asked, what was there, what a row takes and
 * what helps.
 *
 * @param error the engine's.
 */
export function oneRowError(
  error: Error,
  model: CausalModel,
  prompts: readonly (readonly number[])[],
  settings: Settings,
): Error {
  const alone = { ...settings, batchSize: 1, memory: undefined };
  const { bytes, longestRow } = planBatch(model, prompts, alone);
  const { weights, states, scratch } = bytes;
  const precision = settings.statePrecision === 'f32' ? `, statePrecision 'bf16'` : '';
  return new Error(
    `sample: one row alone (batchSize 1) does not fit in memory: ${error.message}. A row of up to ` +
      `${longestRow} tokens takes about ${mib(states + scratch)} beside ${mib(weights)} of weights. ` +
      `What helps: a smaller maxNewTokens${precision}, more memory (MAMBALAB_MEMORY, memoryLimit of ` +
      'init); what was drawn is kept, and a run with resume goes on from there',
    { cause: error },
  );
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
