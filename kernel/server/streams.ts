/** Characters after which collected text leaves without waiting. */
const mostText = 65_536;

/** How long text is collected before it is published. */
const waitMs = 10;

/**
 * Joins neighbouring pieces of a stream into fewer messages, so that a hundred thousand printed
 * lines do not drown a front end. Whoever publishes anything else flushes first.
 */
export class StreamBuffer {
  readonly #publish: (name: 'stdout' | 'stderr', text: string) => void;
  #name: 'stdout' | 'stderr' = 'stdout';
  #pieces: string[] = [];
  #length = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(publish: (name: 'stdout' | 'stderr', text: string) => void) {
    this.#publish = publish;
  }

  add(name: 'stdout' | 'stderr', text: string): void {
    if (name !== this.#name) this.flush();
    this.#name = name;
    this.#pieces.push(text);
    this.#length += text.length;
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
    this.#publish(this.#name, text);
  }
}
