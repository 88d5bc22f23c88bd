import type { FromRuntime } from './protocol.js';

/** Text that is collected before it is sent, in characters and milliseconds. */
const mostText = 16_384;
const mostWait = 30;

/** Everything a cell shows, on its way to the server. */
export class Outputs {
  readonly #send: (message: FromRuntime) => void;
  readonly #where: () => { id: string; silent: boolean };
  #pending: { parent: string; name: 'stdout' | 'stderr'; text: string } | undefined;
  #sentAt = 0;
  #scheduled = false;

  /** @param where The cell whose code is running. */
  constructor(send: (message: FromRuntime) => void, where: () => { id: string; silent: boolean }) {
    this.#send = send;
    this.#where = where;
  }

  /** Text on a stream. Live: a busy cell's text leaves at once or within some milliseconds. */
  stream(name: 'stdout' | 'stderr', text: string): void {
    const { id, silent } = this.#where();
    if (silent || text === '') return;
    if (this.#pending && (this.#pending.name !== name || this.#pending.parent !== id)) this.flush();
    this.#pending ??= { parent: id, name, text: '' };
    this.#pending.text += text;
    const waited = performance.now() - this.#sentAt;
    if (this.#pending.text.length > mostText || waited > mostWait) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
  }

  /** Any other message on IOPub: `display_data`, `update_display_data`, `clear_output`. */
  publish(message: string, content: object, metadata: object = {}): void {
    const { id, silent } = this.#where();
    this.flush();
    if (!silent) this.#send({ type: 'publish', parent: id, message, content, metadata });
  }

  ask(id: number, question: string, password: boolean): void {
    this.flush();
    this.#send({ type: 'ask', parent: this.#where().id, id, question, password });
  }

  flush(): void {
    if (!this.#pending) return;
    const { parent, name, text } = this.#pending;
    this.#pending = undefined;
    this.#sentAt = performance.now();
    this.#send({ type: 'stream', parent, name, text });
  }
}
