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
  flushMarker,
  type InputEvent,
  type PublishEvent,
  pipes,
  type RuntimeEvent,
  type StreamEvent,
} from '../link/messages.js';

/** What the process that runs cells tells the kernel besides how a cell ended. */
export interface RuntimeEvents {
  stream(event: Omit<StreamEvent, 'type'>): void;
  publish(event: PublishEvent): void;
  input(question: InputEvent): void;
  /** The process ended without being asked to; runs in progress end with it. */
  died(how: string): void;
}

const entry = fileURLToPath(new URL('../runtime/main.js', import.meta.url));

/** How long the end of a cell waits for raw output that a marker should have closed. */
const markerWaitMs = 500;

/** The process that runs cells, from the kernel's side. */
export class Runtime {
  readonly #events: RuntimeEvents;
  readonly #process: ChildProcess;
  readonly #secret = randomBytes(8).toString('hex');
  readonly #raw: RawOutput[];
  /** Of each run in progress, who waits for its end. */
  readonly #waiting = new Map<number, (done: DoneEvent | null) => void>();
  #stopping = false;
  #alive = true;

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
    const reader = new FrameReader<RuntimeEvent>((event) => this.#receive(event));
    const stdio = this.#process.stdio;
    (stdio[pipes.events] as Readable).on('data', (piece: Buffer) => reader.push(piece));
    this.#raw = [
      new RawOutput(stdio[1] as Readable, this.#secret, (text) =>
        events.stream({ run: 0, name: 'stdout', text }),
      ),
      new RawOutput(stdio[2] as Readable, this.#secret, (text) =>
        events.stream({ run: 0, name: 'stderr', text }),
      ),
    ];
    // A write to a process that has just died; its exit tells the rest.
    (stdio[pipes.commands] as Writable).on('error', () => {});
    this.#process.on('error', (error) => this.#died(`could not start: ${error.message}`));
    this.#process.on('close', (code, signal) => {
      this.#died(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
    });
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

  #receive(event: RuntimeEvent): void {
    if (event.type === 'stream') this.#events.stream(event);
    else if (event.type === 'input') this.#events.input(event);
    else if (event.type === 'done') void this.#end(event);
    else if (event.type === 'publish') this.#events.publish(event);
  }

  async #end(done: DoneEvent): Promise<void> {
    await Promise.all(this.#raw.map((output) => output.passed(done.run, markerWaitMs)));
    const finish = this.#waiting.get(done.run);
    this.#waiting.delete(done.run);
    finish?.(done);
  }

  #died(how: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    if (!this.#stopping) this.#events.died(how);
    for (const finish of waiting) finish(null);
  }
}

/** A plain output of the process: what native code and child processes write, and our markers. */
class RawOutput {
  readonly #secret: string;
  readonly #marker: RegExp;
  readonly #deliver: (text: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #text = '';
  /** Runs whose marker has come before anybody waited for it. */
  readonly #passed = new Set<number>();
  readonly #waiting = new Map<number, () => void>();

  constructor(stream: Readable, secret: string, deliver: (text: string) => void) {
    this.#secret = secret;
    this.#deliver = deliver;
    // The secret is made of hexadecimal digits.
    this.#marker = new RegExp(flushMarker(secret, 0).replace(':0', ':(\\d+)'));
    stream.on('data', (piece: Buffer) => this.#push(this.#decoder.write(piece)));
  }

  /** Resolves when everything written before the end of a run has been delivered. */
  passed(run: number, limitMs: number): Promise<void> {
    if (this.#passed.delete(run)) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#waiting.set(run, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #push(text: string): void {
    this.#text += text;
    for (;;) {
      const found = this.#marker.exec(this.#text);
      if (found === null) break;
      this.#emit(this.#text.slice(0, found.index));
      this.#text = this.#text.slice(found.index + found[0].length);
      this.#pass(Number(found[1]));
    }
    // What may be the beginning of a marker has to wait for its rest.
    const start = this.#text.lastIndexOf('\u0000');
    const held = start >= 0 && this.#text.length - start < flushMarker(this.#secret, 0).length + 12;
    const end = held ? start : this.#text.length;
    this.#emit(this.#text.slice(0, end));
    this.#text = this.#text.slice(end);
  }

  #pass(run: number): void {
    const resolve = this.#waiting.get(run);
    this.#waiting.delete(run);
    if (resolve === undefined) this.#passed.add(run);
    else resolve();
  }

  #emit(text: string): void {
    if (text !== '') this.#deliver(text);
  }
}
