import { Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { shortened } from '../show/text.js';
import { send } from './channel.js';
import { currentRun } from './context.js';

/** After which those who wait are to be told once more. */
const patienceMs = 100;

type Done = (error?: Error | null) => void;

/** `process.stdout` or `process.stderr` of the cells: everything goes out at once. */
class CellStream extends Writable {
  readonly fd: number;
  readonly isTTY = false;
  readonly #name: 'stdout' | 'stderr';
  readonly #decoder = new StringDecoder('utf8');
  /** Who is to be told that a write is done. */
  readonly #waiting: { done: Done; times: number }[] = [];
  /** When they were last to be told, 0 when they have been. */
  #scheduled = 0;

  constructor(name: 'stdout' | 'stderr', fd: number) {
    super({ decodeStrings: false });
    this.fd = fd;
    this.#name = name;
  }

  /** Past the queue of Writable, which would wait for ever for a write that was stopped midway. */
  override write(chunk: unknown, encoding?: BufferEncoding | Done, done?: Done): boolean {
    const text =
      typeof encoding === 'string' && typeof chunk === 'string' && !/^utf-?8$/i.test(encoding)
        ? this.#textOf(Buffer.from(chunk, encoding))
        : this.#textOf(chunk);
    if (text !== '') {
      send({ type: 'stream', run: currentRun().run, name: this.#name, text: shortened(text) });
    }
    const called = typeof encoding === 'function' ? encoding : done;
    if (called !== undefined) this.#callLater(called);
    return true;
  }

  /** Counts calls of the same function, as of `console`, which a busy loop may make for ever. */
  #callLater(done: Done): void {
    const last = this.#waiting.at(-1);
    if (last?.done === done) last.times += 1;
    else this.#waiting.push({ done, times: 1 });
    // What was to come next may have been dropped by an interrupt: that is not waited for.
    const now = performance.now();
    if (now - this.#scheduled < patienceMs) return;
    this.#scheduled = now;
    process.nextTick(() => {
      this.#scheduled = 0;
      for (const { done, times } of this.#waiting.splice(0)) {
        for (let i = 0; i < times; i += 1) done(null);
      }
    });
  }

  #textOf(chunk: unknown): string {
    if (typeof chunk === 'string') return chunk;
    if (!ArrayBuffer.isView(chunk)) {
      const what = chunk === null ? 'null' : typeof chunk;
      throw new TypeError(`process.${this.#name}.write: expected a string or bytes, got ${what}`);
    }
    return this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }

  override end(): this {
    return this;
  }

  override _destroy(): void {}
}

/** Puts the cells' streams in place of the process's own before anything has used those. */
export function replaceStreams(): void {
  for (const [name, fd] of [
    ['stdout', 1],
    ['stderr', 2],
  ] as const) {
    const stream = new CellStream(name, fd);
    Object.defineProperty(process, name, {
      get: () => stream,
      configurable: true,
      enumerable: true,
    });
  }
}
