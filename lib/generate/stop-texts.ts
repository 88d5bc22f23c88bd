/** Watching a completion's text for the texts that end it. */
import type { Tokenizer } from '../data/index.js';

/** The text of one completion as it grows. */
export class StopTexts {
  private text = '';
  private given = 0;
  private end = -1;
  private readonly decoder: ReturnType<Tokenizer['createDecoder']> | undefined;
  private readonly longest: number;
  private readonly lastCharacters: readonly string[];

  /** @param live text is wanted with every token, and not only at the end. */
  constructor(
    private readonly stops: readonly string[],
    private readonly tokenizer: Tokenizer | undefined,
    private readonly live: boolean,
  ) {
    this.longest = Math.max(0, ...stops.map((s) => s.length));
    this.lastCharacters = stops.map((s) => s.slice(-1));
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
    const before = this.text.length;
    this.text += piece;
    // Most pieces end no stop text, and the growing text is not searched for them.
    if (this.lastCharacters.some((last) => piece.includes(last))) this.search(before);
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

  /** Looks for the first stop text that ends behind `before`. */
  private search(before: number): void {
    const from = Math.max(0, before - this.longest + 1);
    for (const stop of this.stops) {
      const at = this.text.indexOf(stop, from);
      if (at >= 0 && (this.end < 0 || at < this.end)) this.end = at;
    }
  }

  private take(end: number): string {
    const piece = this.text.slice(this.given, Math.max(this.given, end));
    this.given = Math.max(this.given, end);
    return piece;
  }

  /** Length of the longest end of the text that could begin a stop text. */
  private heldBack(): number {
    for (let n = Math.min(this.longest - 1, this.text.length); n > 0; n--) {
      const tail = this.text.slice(-n);
      if (this.stops.some((s) => s.startsWith(tail))) return n;
    }
    return 0;
  }
}
