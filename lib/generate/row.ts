/** A row of the batch: one completion on its way. */
import type { Completion, StopReason, Timing } from './completion.js';
import type { StopTexts } from './stop-texts.js';

/** Which completion it is, and how far it may go. */
export interface RowStart {
  /** `prompt * n + sample`. */
  readonly pair: number;
  readonly prompt: number;
  readonly sample: number;
  /** Tokens that it may have. */
  readonly most: number;
  readonly texts: StopTexts;
  readonly queueMs: number;
  readonly prefillMs: number;
}

/** A completion from its first token on. */
export class Row {
  /** Tokens that were asked for; those that are there are in `tokens`. */
  asked = 1;
  readonly tokens: number[] = [];
  shareMs = 0;
  isEnded = false;
  private logProb = 0;
  private readonly startedAt = performance.now();

  constructor(readonly about: RowStart) {}

  /**
   * Adds a token.
   *
   * @param isEos the token ends texts.
   * @returns the text that became certain with it, and why the completion ends, where it does.
   */
  accept(token: number, logProb: number, isEos: boolean): [text: string, end?: StopReason] {
    const { texts, most } = this.about;
    this.tokens.push(token);
    this.logProb += logProb;
    if (isEos) return ['', 'eos'];
    const text = texts.push(token);
    if (texts.stopped) return [text, 'stop'];
    return this.tokens.length >= most ? [text, 'length'] : [text];
  }

  /** The row as a completion that ended now. */
  complete(stopReason: StopReason): Completion {
    const { prompt, sample, texts, queueMs, prefillMs } = this.about;
    const { tokens, logProb, shareMs } = this;
    const kept = stopReason === 'eos' ? tokens.slice(0, -1) : tokens;
    const decodeMs = performance.now() - this.startedAt;
    const timing: Timing = { queueMs, prefillMs, decodeMs, shareMs };
    return { prompt, sample, tokens, text: texts.finalText(kept), logProb, stopReason, timing };
  }
}
