/** What can be asked of a sampling run, and its defaults. */
import { type StatePrecision, statePrecisionOf } from '../layers/state-precision.js';
import type { CompletionStore } from './run-file.js';

/** How tokens are drawn. */
export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest token. Default 0.6. */
  temperature?: number;
  /** Draws among the k likeliest tokens; 0 (default) among all. */
  topK?: number;
  /** Draws among the likeliest tokens that together reach this probability; default 1. */
  topP?: number;
  /** Drops tokens less likely than this share of the likeliest; default 0. */
  minP?: number;
}

/** A part of a run's completions. */
export interface CompletionRange {
  readonly from: number;
  readonly to: number;
}

/** Options of a sampling run. */
export interface GenerateOptions extends SamplingOptions {
  /** Completions of each prompt; default 1. */
  n?: number;
  /** Most tokens of one completion; default 512. */
  maxNewTokens?: number;
  /** A completion ends before the first of these texts. End-of-text tokens always end it. */
  stop?: string | readonly string[];
  /** The same seed gives the same completions, whatever the batch; 0 to 2^32 - 1, default 0. */
  seed?: number;
  /** Rows decoded together; default 32, or as many as `memory` holds. */
  batchSize?: number;
  /**
   * How keys, values and recurrent states are kept while decoding; default `f32`. `bf16` takes half their
   * memory and rounds them, so that a run's completions are others.
   */
  statePrecision?: StatePrecision;
  /**
   * Bytes that weights, states and scratch may take together. Without a `batchSize` the largest that
   * fits is chosen (`plan` of the result says which); with one that does not fit the run is refused.
   */
  memory?: number;
  /**
   * A JSON Lines file that completions are appended to as they finish, or another store of them. If
   * it is there from the same run, killed or not, that run goes on: its completions are yielded first,
   * and not drawn again.
   */
  resume?: string | CompletionStore;
  /**
   * Draws only a part of the run: of its completions, counted prompt by prompt (`prompt * n + sample`),
   * those from `from` up to but without `to`. The parts of a run are the completions of the whole.
   */
  range?: CompletionRange;
  /**
   * Ends the run with the signal's reason; completions that were yielded stay. In a notebook an
   * interrupt of the cell does the same.
   */
  signal?: AbortSignal;
}

/** Options with every default filled in. */
export interface Settings
  extends Required<
    Omit<GenerateOptions, 'batchSize' | 'memory' | 'signal' | 'stop' | 'resume' | 'range'>
  > {
  stop: readonly string[];
  batchSize: number | undefined;
  memory: number | undefined;
  resume: string | CompletionStore | undefined;
  range: CompletionRange | undefined;
  signal: AbortSignal | undefined;
}

const KNOWN = new Set([
  'n',
  'temperature',
  'topK',
  'topP',
  'minP',
  'maxNewTokens',
  'stop',
  'seed',
  'batchSize',
  'statePrecision',
  'memory',
  'resume',
  'range',
  'signal',
]);

/**
 * Fills in defaults.
 *
 * @throws RangeError naming the option, what is allowed and what came.
 */
export function settingsOf(options: GenerateOptions): Settings {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) {
      throw new RangeError(`sample: unknown option '${name}'; there are ${[...KNOWN].join(', ')}`);
    }
  }
  const stop = typeof options.stop === 'string' ? [options.stop] : [...(options.stop ?? [])];
  if (stop.some((s) => typeof s !== 'string' || s === '')) {
    throw new RangeError(
      `sample: stop must be texts of at least one character, got ${JSON.stringify(stop)}`,
    );
  }
  const { resume } = options;
  const isStore = typeof resume === 'object' && resume !== null;
  if (resume !== undefined && !isStore && (typeof resume !== 'string' || resume === '')) {
    throw new RangeError(
      `sample: resume must be the path of a file, got ${JSON.stringify(resume)}`,
    );
  }
  const most = Number.MAX_SAFE_INTEGER;
  return {
    n: whole('n', options.n ?? 1, 1, most),
    temperature: real('temperature', options.temperature ?? 0.6, 0, 1e6),
    topK: whole('topK', options.topK ?? 0, 0, 2 ** 24),
    topP: real('topP', options.topP ?? 1, 1e-9, 1),
    minP: real('minP', options.minP ?? 0, 0, 1),
    maxNewTokens: whole('maxNewTokens', options.maxNewTokens ?? 512, 1, most),
    seed: whole('seed', options.seed ?? 0, 0, 2 ** 32 - 1),
    batchSize: optional('batchSize', options.batchSize, 65536),
    statePrecision: statePrecisionOf('sample: statePrecision', options.statePrecision ?? 'f32'),
    memory: optional('memory', options.memory, most),
    stop,
    resume,
    range: rangeOf(options.range),
    signal: signalOf(options.signal),
  };
}

function rangeOf(range: CompletionRange | undefined): CompletionRange | undefined {
  if (range === undefined) return undefined;
  const most = Number.MAX_SAFE_INTEGER;
  const from = whole('range.from', range.from, 0, most);
  return { from, to: whole('range.to', range.to, from + 1, most) };
}

/** The caller's signal joined with the one that a notebook aborts when its cell is interrupted. */
function signalOf(own: AbortSignal | undefined): AbortSignal | undefined {
  const interrupt = (globalThis as Record<symbol, unknown>)[Symbol.for('Jupyter.interrupt')];
  if (!(interrupt instanceof AbortSignal)) return own;
  return own === undefined ? interrupt : AbortSignal.any([own, interrupt]);
}

function optional(name: string, value: number | undefined, most: number): number | undefined {
  return value === undefined ? undefined : whole(name, value, 1, most);
}

function whole(name: string, value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    const upTo = most === Number.MAX_SAFE_INTEGER ? 'up' : `to ${most}`;
    throw new RangeError(`sample: ${name} must be an integer from ${least} ${upTo}, got ${value}`);
  }
  return value;
}

function real(name: string, value: number, least: number, most: number): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw new RangeError(`sample: ${name} must be a number from ${least} to ${most}, got ${value}`);
  }
  return value;
}
