/** Watching a completion's text for the texts that end it. */
import type { Tokenizer } from '../data/index.js';

/** The text of one completion as it grows. */
export class StopTexts {
  private text = '';
  /** The end of `text` in which a stop text may have begun; a string of its own, cheap to search. */
  private tail = '';
  private given = 0;
  private end = -1;
  private readonly decoder: ReturnType<Tokenizer['createDecoder']> | undefined;
  private readonly longest: number;

  /** @param live text is wanted with every token, and not only at the end. */
  constructor(
    private readonly stops: readonly string[],
    private readonly tokenizer: Tokenizer | undefined,
    private readonly live: boolean,
  ) {
    this.longest = Math.max(0, ...stops.map((s) => s.length));
    if (stops.length > 0 || live) this.decoder = tokenizer?.createDecoder();
  }

  /** Whether a stop text was met. */
  get stopped(): boolean {
    return this.end >= 0;
  }

  /** Adds a token; where text is wanted live, returns what can no longer be part of a stop text. */
  push(token: number): string {
    if (!this.decoder) return '';
    const piece = this.decoder.push(token);
    const window = this.tail + piece;
    for (const stop of this.stops) {
      const at = window.indexOf(stop);
      const end = this.text.length - this.tail.length + at;
      if (at >= 0 && (this.end < 0 || end < this.end)) this.end = end;
    }
    this.text += piece;
    this.tail = this.longest > 1 ? window.slice(1 - this.longest) : '';
    if (!this.live) return '';
    return this.take(this.stopped ? this.end : this.text.length - this.heldBack());
  }

  /** The text that was held back, once the completion has ended. */
  flush(): string {
    return this.take(this.stopped ? this.end : this.text.length);
  }

  /** The whole text of the tokens that count. */
  finalText(tokens: readonly number[]): string {
    if (this.stopped) return this.text.slice(0, this.end);
    return this.tokenizer?.decode(tokens, { skipSpecialTokens: true }) ?? '';
  }

  private take(end: number): string {
    const piece = this.text.slice(this.given, Math.max(this.given, end));
    this.given = Math.max(this.given, end);
    return piece;
  }

  /** Length of the longest end of the text that could begin a stop text. */
  private heldBack(): number {
    for (let n = this.tail.length; n > 0; n--) {
      const tail = this.tail.slice(-n);
      if (this.stops.some((s) => s.startsWith(tail))) return n;
    }
    return 0;
  }
}
