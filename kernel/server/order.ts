import { type Descriptor, orderMark, type PlacedEvent } from '../link/messages.js';

/** How long an event waits for marks when nothing comes any more. */
const patienceMs = 500;

const longestNumber = 16;

/** One plain output: texts and marks in the order in which they were written. */
class PlainOutput {
  readonly #mark: RegExp;
  readonly #longestMark: number;
  readonly #deliver: (text: string) => void;
  #items: (string | number)[] = [];
  /** Where the first item is that has not been dealt with. */
  #first = 0;
  /** What may be the beginning of a mark. */
  #rest = '';
  /** Whether marks have been lost: then texts are delivered as they come. */
  #broken = false;

  constructor(secret: string, deliver: (text: string) => void) {
    this.#mark = new RegExp(orderMark(secret, 0).replace(':0', ':(\\d+)'));
    this.#longestMark = orderMark(secret, 0).length + longestNumber;
    this.#deliver = deliver;
  }

  push(piece: string): void {
    const parts = (this.#rest + piece).split(this.#mark);
    const last = parts.pop()!;
    const start = last.lastIndexOf('\u0000');
    const end = start >= 0 && last.length - start < this.#longestMark ? start : last.length;
    this.#rest = last.slice(end);
    for (const [i, part] of parts.entries()) {
      if (i % 2 === 1) this.#items.push(Number(part));
      else if (part !== '') this.#items.push(part);
    }
    if (end > 0) this.#items.push(last.slice(0, end));
  }

  /**
   * Delivers the texts in front of the next mark.
   *
   * @param wanted The mark that is waited for; older ones are skipped.
   * @returns Whether it is the next one.
   */
  advance(wanted: number): boolean {
    while (this.#first < this.#items.length) {
      const item = this.#items[this.#first]!;
      if (typeof item === 'string') this.#deliver(item);
      else if (item >= wanted && !this.#broken) return item === wanted;
      this.#first += 1;
    }
    this.#items = [];
    this.#first = 0;
    return this.#broken;
  }

  /** Goes past the mark that {@link advance} has come to. */
  pass(): void {
    if (!this.#broken) this.#first += 1;
  }

  /** Expects no marks from now on. */
  break(): void {
    this.#broken = true;
  }

  /** Delivers all that is left. */
  close(): void {
    this.break();
    this.advance(0);
    if (this.#rest !== '') this.#deliver(this.#rest);
    this.#rest = '';
  }
}

/**
 * Puts what comes through three pipes back into the order in which the runtime wrote it: events,
 * and the plain outputs, in which child processes and native code print.
 */
export class Order {
  readonly #outputs: Record<Descriptor, PlainOutput>;
  readonly #deliver: (event: PlacedEvent) => void;
  #events: PlacedEvent[] = [];
  #timer: NodeJS.Timeout | null = null;
  #releasing = false;

  /**
   * @param secret Part of the marks.
   * @param deliver Told what to deliver next.
   */
  constructor(
    secret: string,
    deliver: { event(event: PlacedEvent): void; text(descriptor: Descriptor, text: string): void },
  ) {
    this.#outputs = {
      1: new PlainOutput(secret, (text) => deliver.text(1, text)),
      2: new PlainOutput(secret, (text) => deliver.text(2, text)),
    };
    this.#deliver = (event) => deliver.event(event);
  }

  /** Takes an event that has come. */
  event(event: PlacedEvent): void {
    if (this.#events.length === 0 && event.at.length === 0) {
      this.#deliver(event);
      return;
    }
    this.#events.push(event);
    this.#advance();
  }

  /**
   * Takes a piece of a plain output that has come. Before it is shown, events that have come with
   * it are read: those of a burst carry no marks.
   */
  text(descriptor: Descriptor, piece: string): void {
    this.#outputs[descriptor].push(piece);
    if (this.#releasing) return;
    this.#releasing = true;
    setImmediate(() => {
      this.#releasing = false;
      this.#advance();
      const oldest = this.#events[0]?.mark ?? 0;
      for (const output of Object.values(this.#outputs)) output.advance(oldest);
    });
  }

  /** Delivers all that is left; nothing comes after it. */
  close(): void {
    for (const output of Object.values(this.#outputs)) output.break();
    this.#advance();
    for (const output of Object.values(this.#outputs)) output.close();
  }

  #advance(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    let done = 0;
    for (const event of this.#events) {
      const carriers = event.at.map((descriptor) => this.#outputs[descriptor]);
      const reached = carriers.map((output) => output.advance(event.mark));
      if (reached.includes(false)) break;
      for (const output of carriers) output.pass();
      this.#deliver(event);
      done += 1;
    }
    if (done > 0) this.#events = this.#events.slice(done);
    const [waiting] = this.#events;
    if (waiting !== undefined) this.#timer = setTimeout(() => this.#giveUp(waiting), patienceMs);
  }

  /** Marks that do not come have been written elsewhere, by a cell that closed its output. */
  #giveUp(event: PlacedEvent): void {
    for (const descriptor of event.at) {
      const output = this.#outputs[descriptor];
      if (!output.advance(event.mark)) output.break();
    }
    this.#advance();
  }
}
