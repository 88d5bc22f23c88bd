/** Times the contenders in turn, so that what else the machine does meets all of them alike. */
import { median } from '../../lib/eval/index.js';
import type { Contender, Sampled, Span, Work } from './contender.js';

/** One contender's medians at one batch size. */
export interface Rates {
  /** Tokens a second from the prompt to the last token. */
  tokensPerSecond: number;
  /** Tokens a second of the decode steps, from the second on. */
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

/** Steps that {@link Sampled} counts. */
const stepsOf = ({ newTokens }: Work) => newTokens - 2;

function outsideOf(spans: readonly Span[]): number | undefined {
  const shares = spans.flatMap(({ seconds, busySeconds }) =>
    busySeconds === undefined ? [] : [1 - busySeconds / seconds],
  );
  return shares.length > 0 ? median(shares) : undefined;
}

function ratesOf(samples: readonly Sampled[], work: Work): Rates {
  const whole = samples.map((s) => s.whole);
  const steps = samples.map((s) => s.steps);
  const stepSeconds = median(steps.map((s) => s.seconds)) / stepsOf(work);
  const outsideShare = outsideOf(steps);
  const wholeOutsideShare = outsideOf(whole);
  return {
    tokensPerSecond: (work.batch * work.newTokens) / median(whole.map((s) => s.seconds)),
    decodeTokensPerSecond: work.batch / stepSeconds,
    stepMs: 1e3 * stepSeconds,
    ...(outsideShare !== undefined && { outsideShare }),
    ...(wholeOutsideShare !== undefined && { wholeOutsideShare }),
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
  const samples = new Map<string, Sampled[]>(contenders.map(({ name }) => [name, []]));
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
      await contender.sample({ ...work, newTokens: 3 });
    });
  }
  for (let run = 0; run < runs; run++) {
    for (const contender of contenders) {
      await attempt(contender, async () => {
        samples.get(contender.name)?.push(await contender.sample(work));
      });
      onSample(contender.name);
    }
  }
  const outcome = ({ name }: Contender): Outcome => {
    const error = errors.get(name);
    return error === undefined ? ratesOf(samples.get(name) as Sampled[], work) : { error };
  };
  return new Map(contenders.map((contender) => [contender.name, outcome(contender)]));
}
