import { randomUUID } from 'node:crypto';
import type { Message } from '../wire/message.js';

/** Requests that are served one after the other. */
export class Shell {
  readonly #serve: (shell: Shell, message: Message) => Promise<void>;
  #queue: Message[] = [];
  #working = false;

  constructor(serve: (shell: Shell, message: Message) => Promise<void>) {
    this.#serve = serve;
  }

  receive(message: Message): void {
    this.#queue.push(message);
    if (!this.#working) void this.#work();
  }

  /** Takes the waiting requests of a type out of the queue. */
  take(type: string): Message[] {
    const taken = this.#queue.filter(({ header }) => header.msg_type === type);
    this.#queue = this.#queue.filter(({ header }) => header.msg_type !== type);
    return taken;
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#serve(this, next);
    }
    this.#working = false;
  }
}

/**
 * The main shell and the subshells that front ends have asked for (JEP 91). They share one
 * runtime: while a cell of one waits, cells and comm messages of the others run.
 */
export class Shells {
  readonly #serve: (shell: Shell, message: Message) => Promise<void>;
  readonly #main: Shell;
  readonly #subshells = new Map<string, Shell>();

  constructor(serve: (shell: Shell, message: Message) => Promise<void>) {
    this.#serve = serve;
    this.#main = new Shell(serve);
  }

  /** Ids of the subshells. */
  get ids(): string[] {
    return [...this.#subshells.keys()];
  }

  /** The shell that a message names in its header; undefined when there is none of that name. */
  of({ header }: Message): Shell | undefined {
    const id = header.subshell_id;
    return id === undefined || id === null ? this.#main : this.#subshells.get(id);
  }

  /** Makes a subshell and returns its id. */
  create(): string {
    const id = randomUUID();
    this.#subshells.set(id, new Shell(this.#serve));
    return id;
  }

  /** Closes a subshell; what it has taken on it still does. Returns whether there was one. */
  delete(id: string): boolean {
    return this.#subshells.delete(id);
  }
}
