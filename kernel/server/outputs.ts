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
  /** Requests being served, by their ids. */
  readonly #served = new Map<string, Output>();
  #newest: Output | null = null;

  /** Notes a request that is about to be served. */
  serve(parent: Message, silent: boolean): Output {
    const output = { parent, silent };
    this.#served.set(parent.header.msg_id, output);
    this.#newest = output;
    return output;
  }

  /** Notes that no more runs of a request will begin. */
  done({ parent }: Output): void {
    this.#served.delete(parent.header.msg_id);
  }

  /** Notes that a run is part of a request being served. */
  began(run: number, request: string): void {
    const output = this.#served.get(request);
    if (output !== undefined) this.#byRun.set(run, output);
    this.#byRun.delete(run - most);
  }

  /** Where a run's output goes; that of an unknown one, as of native code, to the newest request. */
  of(run: number): Output | null {
    return this.#byRun.get(run) ?? this.#newest;
  }
}
