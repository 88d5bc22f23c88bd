/** How long k completions of a problem take. */
import { mean } from '../statistics.js';
import type { ProblemSamples } from '../votes/problemSamples.js';

/** A model's rates at its best batch, as a benchmark measured them. */
export interface Throughput {
  /** Tokens of prompts read in a second. */
  readonly promptTokensPerSecond: number;
  /** Tokens drawn in a second. */
  readonly tokensPerSecond: number;
}

/**
 * Where times come from: `recorded`, what the run itself measured of each completion; or a model's
 * throughput at its best batch, times the tokens of each completion.
 */
export type Clock =
  | { readonly kind: 'recorded' }
  | {
      readonly kind: 'throughput';
      readonly rates: Throughput;
      /** Tokens of a problem's prompt. */
      readonly promptTokens: (problem: ProblemSamples) => number;
    };

/** The clock of the run itself. */
export const recorded: Clock = { kind: 'recorded' };

/**
 * Expected seconds of k completions of a problem: the prompt once, and k times the mean completion.
 *
 * @throws RangeError where a rate is not positive.
 */
export function secondsFor(problem: ProblemSamples, k: number, clock: Clock = recorded): number {
  if (clock.kind === 'recorded') return problem.promptSeconds + k * mean(problem.seconds);
  const { promptTokensPerSecond, tokensPerSecond } = clock.rates;
  for (const [name, rate] of Object.entries(clock.rates)) {
    if (!(rate > 0)) throw new RangeError(`${name} must be positive, got ${String(rate)}`);
  }
  return (
    clock.promptTokens(problem) / promptTokensPerSecond +
    (k * mean(problem.tokens)) / tokensPerSecond
  );
}
