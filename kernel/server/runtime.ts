import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { fileURLToPath } from 'node:url';
import { encodeFrame, FrameReader } from '../link/frames.js';
import {
  type Command,
  type CommCommand,
  type DoneEvent,
  type ExecuteCommand,
  type InputEvent,
  type PlacedEvent,
  type PublishEvent,
  pipes,
  type StreamEvent,
} from '../link/messages.js';
import { Order } from './order.js';

/** How a process that ran cells ended. */
export interface RuntimeEnd {
  /** Such as `was ended by SIGSEGV`. */
  how: string;
  /** Whether it had been able to run cells. */
  ready: boolean;
  /** Whether no run was in progress. */
  idle: boolean;
}

/** What the process that runs cells tells the kernel besides how a cell ended. */
export interface RuntimeEvents {
  stream(event: Omit<StreamEvent, 'type'>): void;
  publish(event: PublishEvent): void;
  input(question: InputEvent): void;
  /** The process ended without being asked to; runs in progress end with it. */
  died(end: RuntimeEnd): void;
}

const entry = fileURLToPath(new URL('../runtime/main.js', import.meta.url));

/** How long the outputs of a process that has ended are read: its children may still have them. */
const lastOutputMs = 300;

/** What V8 writes to stderr before it gives up. */
const outOfMemory = 'JavaScript heap out of memory';

/** The process that runs cells, from the kernel's side. */
export class Runtime {
  readonly #events: RuntimeEvents;
  readonly #process: ChildProcess;
  readonly #secret = randomBytes(8).toString('hex');
  readonly #order: Order;
  /** Of each run in progress, who waits for its end. */
  readonly #waiting = new Map<number, (done: DoneEvent | null) => void>();
  #stopping = false;
  #alive = true;
  #ready = false;
  #outOfMemory = false;

  /** @param folder The notebook's folder, in which the process starts. */
  constructor(folder: string, events: RuntimeEvents) {
    this.#events = events;
    this.#process = spawn(
      process.execPath,
      [
        // Code that is stopped midway leaves Node's own bookkeeping of callbacks unbalanced.
        '--no-force-async-hooks-checks',
        '--disable-warning=ExperimentalWarning',
        '--experimental-wasm-modules',
        entry,
        this.#secret,
      ],
      { cwd: folder, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] },
    );
    this.#order = new Order(this.#secret, {
      event: (event) => this.#receive(event),
      text: (descriptor, text) => {
        if (descriptor === 2 && text.includes(outOfMemory)) this.#outOfMemory = true;
        events.stream({ run: 0, name: descriptor === 1 ? 'stdout' : 'stderr', text });
      },
    });
    const stdio = this.#process.stdio;
    const reader = new FrameReader<PlacedEvent>((event) => this.#order.event(event));
    (stdio[pipes.events] as Readable).on('data', (piece: Buffer) => reader.push(piece));
    for (const descriptor of [1, 2] as const) {
      const decoder = new StringDecoder('utf8');
      (stdio[descriptor] as Readable).on('data', (piece: Buffer) => {
        this.#order.text(descriptor, decoder.write(piece));
      });
    }
    // A write to a process that has just died; its exit tells the rest.
    (stdio[pipes.commands] as Writable).on('error', () => {});
    this.#process.on('error', (error) => this.#died(`could not start: ${error.message}`));
    const ended = (code: number | null, signal: NodeJS.Signals | null): void =>
      this.#died(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
    this.#process.on('exit', (code, signal) => setTimeout(ended, lastOutputMs, code, signal));
    this.#process.on('close', ended);
  }

  /** Whether the process has not ended. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Runs a cell or what listens to a comm; null when the process died of it. */
  execute(command: ExecuteCommand | CommCommand): Promise<DoneEvent | null> {
    if (!this.#alive) return Promise.resolve(null);
    const done = new Promise<DoneEvent | null>((resolve) => {
      this.#waiting.set(command.run, resolve);
    });
    this.#send(command);
    return done;
  }

  /** Ends the runs in progress, whatever they are doing; does nothing when there are none. */
  interrupt(): void {
    if (this.#waiting.size > 0) this.#send({ type: 'interrupt' });
  }

  /** Answers the oldest question; null when the front end does not take input. */
  answer(value: string | null): void {
    this.#send({ type: 'input', value });
  }

  /** Ends the process: politely, then for good. */
  stop(): void {
    this.#stopping = true;
    this.#send({ type: 'exit' });
    setTimeout(() => this.#process.kill('SIGKILL'), 300).unref();
  }

  /** Ends the process at once. */
  kill(): void {
    this.#stopping = true;
    this.#process.kill('SIGKILL');
  }

  #send(command: Command): void {
    (this.#process.stdio[pipes.commands] as Writable).write(encodeFrame(command));
  }

  #receive(event: PlacedEvent): void {
    if (event.type === 'stream') this.#events.stream(event);
    else if (event.type === 'ready') this.#ready = true;
    else if (event.type === 'input') this.#events.input(event);
    else if (event.type === 'publish') this.#events.publish(event);
    else if (event.type === 'done') {
      const finish = this.#waiting.get(event.run);
      this.#waiting.delete(event.run);
      finish?.(event);
    }
  }

  #died(how: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#order.close();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    if (!this.#stopping) {
      const end = this.#outOfMemory ? 'ran out of memory' : how;
      this.#events.died({ how: end, ready: this.#ready, idle: waiting.length === 0 });
    }
    for (const finish of waiting) finish(null);
  }
}
