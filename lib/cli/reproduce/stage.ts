/** What the notebook that is being executed is at, out of the file that its kernel writes (`plots.progress`). */
import { readFileSync } from 'node:fs';
import { formatCount, formatRate } from '../../plots/index.js';
import type { ProgressState } from '../../plots/progressFile.js';

/** A piece of work of a notebook. */
export interface Stage {
  /** `Llamba-1.5M, algebra: 1,204/3,200 completions, 310 completions/s`. */
  readonly text: string;
  /** Seconds that are left of it, where that is known. */
  readonly left?: number;
}

/** The share of a stage from which its rate says how long the rest takes. */
const RATE_FROM = 0.02;

const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

function parse(text: string): ProgressState | undefined {
  const { label, unit, count, total, seconds, finished } = JSON.parse(text);
  const isWhole =
    typeof label === 'string' &&
    typeof unit === 'string' &&
    isNumber(count) &&
    (total === undefined || isNumber(total)) &&
    isNumber(seconds);
  if (!isWhole) return undefined;
  return { label, unit, count, total, seconds, finished: finished === true };
}

/** The stage in a file; undefined where there is none, or no stage in it: a display does without. */
export function readStage(path: string): Stage | undefined {
  try {
    const state = parse(readFileSync(path, 'utf8'));
    return state && describeStage(state);
  } catch {
    return undefined;
  }
}

/** A stage in words. */
export function describeStage({
  label,
  unit,
  count,
  total,
  seconds,
  finished,
}: ProgressState): Stage {
  const head = label === '' ? '' : `${label}: `;
  if (finished) return { text: `${head}done` };
  const rate = seconds > 0 ? count / seconds : 0;
  const of = total === undefined ? '' : `/${formatCount(total)}`;
  const words = rate > 0 ? [formatRate(rate, unit)] : [];
  const text = head + [`${formatCount(count)}${of}`, ...words].join(', ');
  const isKnown = rate > 0 && total !== undefined && count >= RATE_FROM * total;
  return { text, ...(isKnown && { left: Math.max(0, total - count) / rate }) };
}
