import { Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { shortened } from '../show/text.js';
import { send } from './channel.js';
import { currentRun } from './context.js';

/** `process.stdout` or `process.stderr` of the cells: everything goes out at once. */
class CellStream extends Writable {
  readonly fd: number;
  readonly isTTY = false;
  readonly #name: 'stdout' | 'stderr';
  readonly #decoder = new StringDecoder('utf8');

  constructor(name: 'stdout' | 'stderr', fd: number) {
    super({ decodeStrings: false });
    this.fd = fd;
    this.#name = name;
  }

  override _write(
    chunk: string | Buffer,
    encoding: BufferEncoding | 'buffer',
    done: (error?: Error | null) => void,
  ): void {
    let text: string;
    if (typeof chunk !== 'string') text = this.#decoder.write(chunk);
    else if (/^utf-?8$/i.test(encoding)) text = chunk;
    else text = this.#decoder.write(Buffer.from(chunk, encoding as BufferEncoding));
    if (text !== '') {
      send({ type: 'stream', run: currentRun().run, name: this.#name, text: shortened(text) });
    }
    done();
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
