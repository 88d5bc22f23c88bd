/** Whoever samples: this project, or a peer in a process of its own. */

/** A batch to sample: every row has the same prompt and draws the same number of tokens. */
export interface Work {
  prompt: readonly number[];
  batch: number;
  /** 3 or more. */
  newTokens: number;
}

/** Some work's wall time, and the part of it spent in native kernels, where that is known. */
export interface Span {
  seconds: number;
  busySeconds?: number;
}

/** One measurement. */
export interface Sampled {
  /** Everything, from the prompt to the last token. */
  whole: Span;
  /** The decode steps but the first, which may compile: `newTokens - 2` of them. */
  steps: Span;
}

/** One that can be timed. */
export interface Contender {
  readonly name: string;
  sample(work: Work): Promise<Sampled>;
}

/** Everybody draws from all tokens at this temperature. */
export const TEMPERATURE = 0.8;
