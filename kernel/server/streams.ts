import type { Output } from './outputs.js';

/** Characters after which collected text leaves without waiting. */
const mostText = 65_536;

/** Characters of one request's output that are published: a front end has to live with them. */
const mostOfRequest = 32_000_000;

/** How long text is collected before it is published. */
const waitMs = 10;

type StreamName = 'stdout' | 'stderr';
type Publish = (output: Output | null, name: StreamName, text: string) => void;

/**
 * Joins neighbouring pieces of a stream into fewer messages, so that a hundred thousand printed
 * lines do not drown a front end. Whoever publishes anything else flushes first.
 */
export class StreamBuffer {
  readonly #publish: Publish;
  /** Characters that requests have printed so far. */
  readonly #printed = new WeakMap<Output, number>();
  #output: Output | null = null;
  #name: StreamName = 'stdout';
  #pieces: string[] = [];
  #length = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(publish: Publish) {
    this.#publish = publish;
  }

  add(output: Output | null, name: StreamName, text: string): void {
    if (name !== this.#name || output !== this.#output) this.flush();
    this.#output = output;
    this.#name = name;
    const piece = this.#limited(output, text);
    if (piece === '') return;
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length >= mostText) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), waitMs);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#pieces.length === 0) return;
    const text = this.#pieces.join('');
    this.#pieces = [];
    this.#length = 0;
    this.#publish(this.#output, this.#name, text);
  }

  /** What of a text is published before its request has printed too much; then a word about it. */
  #limited(output: Output | null, text: string): string {
    if (output === null) return text;
    const before = this.#printed.get(output) ?? 0;
    this.#printed.set(output, before + text.length);
    if (before > mostOfRequest) return '';
    if (before + text.length <= mostOfRequest) return text;
    const most = mostOfRequest.toLocaleString('en');
    return `${text.slice(0, mostOfRequest - before)}\n[the cell printed more than ${most} characters; the rest is left out]\n`;
  }
}
