/** Whoever samples: this project, or a peer in a process of its own. */

/** A batch to sample: every row has the same prompt and draws the same number of tokens. */
export interface Work {
  prompt: readonly number[];
  batch: number;
  newTokens: number;
  /** The most tokens that will be asked for with this prompt and batch. */
  room: number;
}

/** Wall time of one batch, prompt included. */
export interface Sampled {
  seconds: number;
  /** Seconds spent in native kernels, where they are known. */
  busySeconds?: number;
}

/** One that can be timed. */
export interface Contender {
  readonly name: string;
  sample(work: Work): Promise<Sampled>;
}

/** Everybody draws from all tokens at this temperature. */
export const TEMPERATURE = 0.8;
