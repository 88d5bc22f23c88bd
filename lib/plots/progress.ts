import { escapeHtml } from './display.js';
import { formatCount, formatDuration, formatRate } from './format.js';
import { writeProgress } from './progressFile.js';
import { openProgressOutput, type ProgressOutput } from './progressOutput.js';

/** How work is named in its {@link progress}. */
export interface ProgressOptions {
  /** What is being done, in a word or two. */
  readonly label?: string;
  /** What is counted, for the rate: 'completions' gives "4.2 completions/s". */
  readonly unit?: string;
}

/** Options of the {@link progress} of a loop. */
export interface IterableProgressOptions extends ProgressOptions {
  /** How many items will come; an array knows it by itself. */
  readonly total?: number;
}

/**
 * Shows how far a piece of work has come: a bar in a notebook, a line at a terminal, and one last
 * line in a log. Where `MAMBALAB_PROGRESS` names a file, it is written there too, for `reproduce`.
 *
 * @example
 * const bar = progress(192, { label: 'sampling', unit: 'completions' });
 * for await (const completion of completions) {
 *   bar.advance();
 * }
 * bar.done();
 *
 * @param total how much work there is
 * @throws RangeError where the total is negative or not finite
 */
export function progress(total: number, options?: ProgressOptions): Progress;
/**
 * Passes on the items of an iterable and counts them in a progress line, which ends with the loop
 * however it ends.
 *
 * @example
 * for await (const completion of progress(stream, { label: 'sampling', total: 192 })) { ... }
 */
export function progress<T>(
  items: AsyncIterable<T>,
  options?: IterableProgressOptions,
): AsyncGenerator<T, void, undefined>;
export function progress<T>(
  items: Iterable<T>,
  options?: IterableProgressOptions,
): Generator<T, void, undefined>;
export function progress<T>(
  work: number | AsyncIterable<T> | Iterable<T>,
  options: IterableProgressOptions = {},
): Progress | AsyncGenerator<T, void, undefined> | Generator<T, void, undefined> {
  if (typeof work === 'number') {
    return new Progress(work, options);
  }
  return Symbol.asyncIterator in work ? countAsync(work, options) : count(work, options);
}

async function* countAsync<T>(
  items: AsyncIterable<T>,
  options: IterableProgressOptions,
): AsyncGenerator<T, void, undefined> {
  const bar = new Progress(options.total, options);
  try {
    for await (const item of items) {
      bar.advance();
      yield item;
    }
  } finally {
    bar.done();
  }
}

function* count<T>(
  items: Iterable<T>,
  options: IterableProgressOptions,
): Generator<T, void, undefined> {
  const length = Array.isArray(items) ? items.length : undefined;
  const bar = new Progress(options.total ?? length, options);
  try {
    for (const item of items) {
      bar.advance();
      yield item;
    }
  } finally {
    bar.done();
  }
}

/** Milliseconds between redraws, so that a fast loop is not slowed by its bar. */
const REDRAW_INTERVAL = 100;
const CELLS = 24;

/** Progress through a known or unknown amount of work. Made by {@link progress}. */
export class Progress {
  readonly #started = performance.now();
  readonly #output: ProgressOutput = openProgressOutput();
  #drawn = Number.NEGATIVE_INFINITY;
  #count = 0;
  #note = '';
  #finished = false;

  constructor(
    readonly total: number | undefined,
    private readonly options: ProgressOptions,
  ) {
    if (total !== undefined && !(total >= 0 && Number.isFinite(total))) {
      throw new RangeError(`progress: total must be a number of at least 0, got ${String(total)}`);
    }
    this.#redraw();
  }

  /** How much is done. */
  get count(): number {
    return this.#count;
  }

  /** Adds to what is done; the note, if any, stands at the end of the line. */
  advance(by = 1, note = this.#note): void {
    this.#count += by;
    this.#note = note;
    if (performance.now() - this.#drawn >= REDRAW_INTERVAL) {
      this.#redraw();
    }
  }

  /** Draws the last state, which stays. Safe to call again. */
  done(note = this.#note): void {
    if (!this.#finished) {
      this.#finished = true;
      this.#note = note;
      this.#redraw();
    }
  }

  #redraw(): void {
    this.#drawn = performance.now();
    const text = this.#text();
    this.#output.draw({ text, html: this.#html(text) }, this.#finished);
    const { label = '', unit = '' } = this.options;
    writeProgress({
      label,
      unit,
      count: this.#count,
      ...(this.total !== undefined && { total: this.total }),
      seconds: (this.#drawn - this.#started) / 1000,
      finished: this.#finished,
    });
  }

  #text(): string {
    const { label, unit } = this.options;
    const elapsed = (performance.now() - this.#started) / 1000;
    const rate = this.#count / elapsed;
    const of = this.total === undefined ? '' : `/${formatCount(this.total)}`;
    const parts = [`${formatCount(this.#count)}${of}`, formatDuration(elapsed)];
    if (this.#count > 0) {
      if (!this.#finished && this.total !== undefined && this.total > this.#count) {
        parts.push(`${formatDuration((this.total - this.#count) / rate)} left`);
      }
      parts.push(formatRate(rate, unit));
    }
    if (this.#note !== '') {
      parts.push(this.#note);
    }
    const bar = this.total === undefined ? '' : `${this.#bar()} `;
    return `${label === undefined ? '' : `${label} `}${bar}${parts.join(', ')}`;
  }

  #bar(): string {
    const filled = Math.floor(this.#share() * CELLS);
    return '█'.repeat(filled) + '░'.repeat(CELLS - filled);
  }

  #html(text: string): string {
    const { label = '' } = this.options;
    const numbers = text.replace(`${label} `, '').replace(/^[█░]+ /, '');
    const percent = (100 * this.#share()).toFixed(1);
    const track =
      this.total === undefined
        ? ''
        : '<span style="display: inline-block; width: 16em; height: 0.6em; border-radius: 0.3em; ' +
          'background: rgba(128, 128, 128, 0.25); overflow: hidden;">' +
          `<span style="display: block; width: ${percent}%; height: 100%; background: #0072b2;">` +
          '</span></span>';
    return (
      '<div style="display: flex; align-items: center; gap: 0.8em; ' +
      'font-variant-numeric: tabular-nums;">' +
      `<span>${escapeHtml(label)}</span>${track}<span>${escapeHtml(numbers)}</span></div>`
    );
  }

  #share(): number {
    return this.total ? Math.min(this.#count / this.total, 1) : this.#finished ? 1 : 0;
  }
}
