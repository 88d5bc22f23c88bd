import { type ChildProcess, fork } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type FromRuntime, markerEnd, markerStart, type ToRuntime } from '../runtime/protocol.js';

/** What the process that runs cells tells the kernel. */
export interface RuntimeEvents {
  message(message: FromRuntime): void;
  /** Text that native code or a child process wrote past Node's own streams. */
  raw(name: 'stdout' | 'stderr', text: string): void;
  /** The process ended without being asked to. */
  died(how: string): void;
}

/** How long a reply waits for raw output that is still on its way. */
const markerWaitMs = 200;

/** The process that runs cells, from the kernel's side. */
export class Runtime {
  readonly #process: ChildProcess;
  readonly #events: RuntimeEvents;
  readonly #ended: Record<'stdout' | 'stderr', number> = { stdout: 0, stderr: 0 };
  #waiting: (() => void)[] = [];
  #stopped = false;

  constructor(folder: string, events: RuntimeEvents) {
    this.#events = events;
    this.#process = fork(fileURLToPath(new URL('../runtime/main.js', import.meta.url)), [], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
      execArgv: ['--no-warnings=ExperimentalWarning'],
    });
    this.#process.on('message', (message) => events.message(message as FromRuntime));
    this.#process.on('exit', (code, signal) => {
      if (!this.#stopped) events.died(signal ? `by ${signal}` : `with exit code ${code}`);
    });
    this.#process.on('error', () => {});
    this.#watch('stdout', this.#process.stdout as Readable);
    this.#watch('stderr', this.#process.stderr as Readable);
  }

  send(message: ToRuntime): void {
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  /** Stops the running cell, whatever it is doing. */
  interrupt(): void {
    (this.#process.stdio[3] as Writable).write('i');
    this.send({ type: 'interrupt' });
    this.#process.kill('SIGINT');
  }

  /** Resolves when the raw output of `cells` cells has arrived, or after a short wait. */
  drained(cells: number): Promise<void> {
    const isDone = () => this.#ended.stdout >= cells && this.#ended.stderr >= cells;
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, markerWaitMs);
      this.#waiting.push(() => {
        if (!isDone()) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#process.kill('SIGKILL');
  }

  #watch(name: 'stdout' | 'stderr', stream: Readable): void {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text += chunk;
      for (let at = text.indexOf(markerStart); at >= 0; at = text.indexOf(markerStart)) {
        const end = text.indexOf(markerEnd, at + markerStart.length);
        if (end < 0) break;
        if (at > 0) this.#events.raw(name, text.slice(0, at));
        this.#ended[name] = Number(text.slice(at + markerStart.length, end));
        text = text.slice(end + markerEnd.length);
      }
      const cut = text.indexOf('\u0000');
      const certain = cut < 0 ? text.length : cut;
      if (certain > 0) this.#events.raw(name, text.slice(0, certain));
      text = text.slice(certain);
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const check of waiting) check();
    });
    stream.on('error', () => {});
  }
}
