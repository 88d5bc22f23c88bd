import type { Message } from '../wire/message.js';

/** Where the output of a run goes. */
export interface Output {
  /** The request that the run is part of. */
  parent: Message;
  /** Nothing is published of a silent run. */
  silent: boolean;
}

/** Runs whose requests are remembered: what older ones still print goes to the newest. */
const most = 1000;

/** The requests that runs belong to, so that late output finds the cell that made it. */
export class Outputs {
  readonly #byRun = new Map<number, Output>();
  #newest: Output | null = null;

  /** The request being served, or the last one; raw output of the process goes there. */
  get newest(): Output | null {
    return this.#newest;
  }

  serve(parent: Message, silent: boolean): void {
    this.#newest = { parent, silent };
  }

  /** Notes that a run is part of the request being served. */
  began(run: number): void {
    if (this.#newest !== null) this.#byRun.set(run, this.#newest);
    this.#byRun.delete(run - most);
  }

  of(run: number): Output | null {
    return this.#byRun.get(run) ?? this.#newest;
  }
}
