/** Times the contenders in turn, so that what else the machine does meets all of them alike. */
import type { Contender, Sampled, Work } from './contender.js';

/** One contender's medians at one batch size. */
export interface Rates {
  /** Tokens a second from the prompt to the last token. */
  tokensPerSecond: number;
  /** Tokens a second of the decode steps, from the second on: a difference of two samplings. */
  decodeTokensPerSecond: number;
  /** Milliseconds of one decode step of the whole batch. */
  stepMs: number;
  /** The part of these steps spent outside native kernels, where it is known. */
  outsideShare?: number;
  /** The same of a whole sampling: its batch is filled and its program traced too. */
  wholeOutsideShare?: number;
}

/** What became of a contender. */
export type Outcome = Rates | { error: string };

/**
 * Tokens of the sampling that is taken off. With two it holds all that happens once: the prompt, its
 * copies into the rows, which a row that ends at its first token never needs, and the first step, which
 * traces the program.
 */
export const BASELINE_TOKENS = 2;

interface Pair {
  /** The baseline. */
  first: Sampled;
  /** Prompt and all tokens. */
  whole: Sampled;
}

/** The middle value; the mean of both middle values of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(half) - 1] as number, sorted[Math.floor(half)] as number];
  return (low + high) / 2;
}

function ratesOf(pairs: readonly Pair[], { batch, newTokens }: Work): Rates {
  const steps = newTokens - BASELINE_TOKENS;
  const decode = pairs.map(({ first, whole }) => whole.seconds - first.seconds);
  const decodeSeconds = median(decode);
  const outside = (seconds: number, busy: number) => 1 - busy / seconds;
  const timed = pairs.flatMap(({ first, whole }, i) =>
    first.busySeconds !== undefined && whole.busySeconds !== undefined
      ? [
          {
            steps: outside(decode[i] as number, whole.busySeconds - first.busySeconds),
            whole: outside(whole.seconds, whole.busySeconds),
          },
        ]
      : [],
  );
  return {
    tokensPerSecond: (batch * newTokens) / median(pairs.map(({ whole }) => whole.seconds)),
    decodeTokensPerSecond: (batch * steps) / decodeSeconds,
    stepMs: (1e3 * decodeSeconds) / steps,
    ...(timed.length > 0 && {
      outsideShare: median(timed.map((t) => t.steps)),
      wholeOutsideShare: median(timed.map((t) => t.whole)),
    }),
  };
}

/**
 * Measures everybody at one batch size: a short warm-up each, then `runs` rounds. Who fails is out of
 * the later rounds, with the reason.
 *
 * @param onSample called after every timed sampling.
 */
export async function measure(
  contenders: readonly Contender[],
  work: Work,
  runs: number,
  onSample: (name: string) => void,
): Promise<Map<string, Outcome>> {
  const pairs = new Map<string, Pair[]>(contenders.map(({ name }) => [name, []]));
  const errors = new Map<string, string>();
  const attempt = async (contender: Contender, body: () => Promise<void>) => {
    if (errors.has(contender.name)) return;
    try {
      await body();
    } catch (error) {
      errors.set(contender.name, (error as Error).message);
    }
  };
  for (const contender of contenders) {
    await attempt(contender, async () => {
      await contender.sample({ ...work, newTokens: BASELINE_TOKENS });
    });
  }
  for (let run = 0; run < runs; run++) {
    for (const contender of contenders) {
      await attempt(contender, async () => {
        const first = await contender.sample({ ...work, newTokens: BASELINE_TOKENS });
        const whole = await contender.sample(work);
        pairs.get(contender.name)?.push({ first, whole });
      });
      onSample(contender.name);
    }
  }
  const outcome = ({ name }: Contender): Outcome => {
    const error = errors.get(name);
    return error === undefined ? ratesOf(pairs.get(name) as Pair[], work) : { error };
  };
  return new Map(contenders.map((contender) => [contender.name, outcome(contender)]));
}
