/** Times the contenders in turn, so that what else the machine does meets all of them alike. */
import type { Contender, Sampled, Work } from './contender.js';

/** One contender's medians at one batch size. */
export interface Rates {
  /** Tokens a second from the prompt to the last token. */
  tokensPerSecond: number;
  /** Tokens a second after the first of each row. */
  decodeTokensPerSecond: number;
  /** Milliseconds of one decode step of the whole batch. */
  stepMs: number;
  /** The part of the decode steps spent outside native kernels, where it is known. */
  outsideShare?: number;
}

/** What became of a contender. */
export type Outcome = Rates | { error: string };

interface Pair {
  /** Prompt and first token. */
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
  const steps = newTokens - 1;
  const decode = pairs.map(({ first, whole }) => whole.seconds - first.seconds);
  const decodeSeconds = median(decode);
  const busy = pairs.flatMap(({ first, whole }) =>
    first.busySeconds !== undefined && whole.busySeconds !== undefined
      ? [whole.busySeconds - first.busySeconds]
      : [],
  );
  const outside = busy.map((seconds, i) => 1 - seconds / (decode[i] as number));
  return {
    tokensPerSecond: (batch * newTokens) / median(pairs.map(({ whole }) => whole.seconds)),
    decodeTokensPerSecond: (batch * steps) / decodeSeconds,
    stepMs: (1e3 * decodeSeconds) / steps,
    ...(outside.length > 0 && { outsideShare: median(outside) }),
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
      await contender.sample({ ...work, newTokens: 2 });
    });
  }
  for (let run = 0; run < runs; run++) {
    for (const contender of contenders) {
      await attempt(contender, async () => {
        const first = await contender.sample({ ...work, newTokens: 1 });
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
