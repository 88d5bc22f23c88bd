/** What a sampling run yields. */

/** Why a completion ended: an end-of-text token, a stop text, or no more room. */
export type StopReason = 'eos' | 'stop' | 'length';

/** Milliseconds of one completion's life. */
export interface Timing {
  /** From the start of the run until its prompt was taken up. */
  queueMs: number;
  /** Reading the prompt, which all its samples share. */
  prefillMs: number;
  /** From its first to its last token, in a batch with others. */
  decodeMs: number;
  /**
   * Of each decode step the share of one of its rows. Summed over a run's completions this is the
   * time of its steps, which `decodeMs` is not; where memory ended, without the steps that were lost.
   */
  shareMs: number;
}

/** One completion. */
export interface Completion {
  /** Index of the prompt. */
  prompt: number;
  /** Index among the prompt's completions, 0 to n - 1. */
  sample: number;
  /** Every token drawn, an end-of-text token included. */
  tokens: number[];
  /** The tokens as text, without special tokens and what follows a stop text. */
  text: string;
  /** Natural logarithm of the tokens' probability under the model itself (temperature 1). */
  logProb: number;
  stopReason: StopReason;
  timing: Timing;
}

/** A token as it is drawn. */
export interface TokenEvent {
  token: number;
  /** The text that became certain with it; a character of several tokens comes with the last. */
  text: string;
  logProb: number;
}
