/** Which training texts hold test problems. */
import { setImmediate } from 'node:timers/promises';
import type { Problem } from '../problem.js';
import type { TrainingText } from './formats.js';
import { OverlapIndex } from './overlap-index.js';
import { wordsOf } from './words.js';

/** Options of {@link contamination}. */
export interface ContaminationOptions {
  /** Words of a run that must be the same; default 13, as in GPT-3's check (Brown et al. 2020). */
  readonly n?: number;
  /** Called after each text with how many were read. */
  readonly onText?: (read: number) => void;
  /** Ends the check with its reason. */
  readonly signal?: AbortSignal;
}

/** A training text that has words of a test problem. */
export interface Overlap {
  /** The training text: its file and row. */
  readonly id: string;
  /** The test problem. */
  readonly problem: string;
  /** Words of the longest run of the problem that stands in the text. */
  readonly words: number;
  /** Of the problem's runs of n words the share that stands in the text: 1 is the whole problem. */
  readonly share: number;
  /** That longest run, as words. */
  readonly run: string;
}

/** Texts between looks at the event loop. */
const BREATH = 256;

/**
 * Lists the training texts that overlap test problems: those in which `n` words in a row of a problem's
 * question stand. A question of fewer words counts where all of it stands there in a row. Compared are
 * runs of letters and digits in lower case, turn by turn of a conversation; what the runs' hashes say is
 * checked word by word.
 *
 * @returns overlaps as they are found, of a text in the order of the problems.
 * @throws RangeError for an `n` that is no positive integer, or where there are no problems; what reading
 *   the texts throws.
 */
export async function* contamination(
  texts: Iterable<TrainingText> | AsyncIterable<TrainingText>,
  problems: readonly Pick<Problem, 'id' | 'question'>[],
  { n = 13, onText, signal }: ContaminationOptions = {},
): AsyncGenerator<Overlap, void, undefined> {
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new RangeError(`contamination: n: expected a positive integer, got ${String(n)}`);
  }
  if (problems.length === 0) throw new RangeError('contamination: expected problems, got none');
  const words = problems.map(({ question }) => wordsOf(question));
  const index = new OverlapIndex(words, n);
  let read = 0;
  for await (const text of texts) {
    signal?.throwIfAborted();
    const found = new Map<number, Set<number>>();
    for (const part of partsOf(text)) {
      index.find(wordsOf(part), ({ problem, at }) => {
        const starts = found.get(problem);
        if (starts) starts.add(at);
        else found.set(problem, new Set([at]));
      });
    }
    for (const [problem, starts] of [...found].sort(([a], [b]) => a - b)) {
      const { from, length } = longest(starts, index.lengthOf(problem));
      yield {
        id: text.id,
        problem: (problems[problem] as Problem).id,
        words: length,
        share: starts.size / index.runsOf(problem),
        run: (words[problem] as string[]).slice(from, from + length).join(' '),
      };
    }
    read++;
    onText?.(read);
    if (read % BREATH === 0) await setImmediate();
  }
}

function partsOf(text: TrainingText): string[] {
  return 'text' in text ? [text.text] : text.messages.map(({ content }) => content);
}

/** The longest stretch that neighbouring runs of `length` words make. */
function longest(starts: ReadonlySet<number>, length: number): { from: number; length: number } {
  const sorted = [...starts].sort((a, b) => a - b);
  let best = { from: 0, length: 0 };
  let from = sorted[0] as number;
  for (const [i, start] of sorted.entries()) {
    if (i > 0 && start !== (sorted[i - 1] as number) + 1) from = start;
    const words = start - from + length;
    if (words > best.length) best = { from, length: words };
  }
  return best;
}
