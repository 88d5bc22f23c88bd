import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CheckpointError } from '../models/files/errors.js';
import { type ByteSource, openFile } from '../models/files/source.js';

/** One line of a JSON Lines file. */
export interface JsonLine {
  readonly value: unknown;
  /** Counted from 1. */
  readonly line: number;
}

/** Options of {@link readJsonl}. */
export interface ReadJsonlOptions {
  /**
   * Pass over a last line without its line feed, which a writer that was killed left behind.
   * Default false: such a line counts like any other.
   */
  readonly skipTornLine?: boolean;
}

const newline = 0x0a;
const chunkBytes = 1 << 18;
const longestLine = 64 * 2 ** 20;

/**
 * Reads a JSON Lines file value by value, holding one line at a time.
 *
 * @throws CheckpointError naming the file and line where it cannot be opened, a line is longer than
 *   64 MiB, or is not JSON in UTF-8.
 */
export function* readJsonl(path: string, options?: ReadJsonlOptions): Generator<JsonLine> {
  const file = openFile(path);
  try {
    yield* parseJsonl(file, options);
  } finally {
    file.close();
  }
}

/** {@link readJsonl} over any source of bytes. */
export function* parseJsonl(source: ByteSource, options?: ReadJsonlOptions): Generator<JsonLine> {
  for (const { bytes, line } of splitLines(source, options)) {
    yield { value: parseLine(source.path, line, bytes), line };
  }
}

/** The bytes of one line, without its line feed: good until the next one is asked for. */
export interface RawLine {
  readonly bytes: Uint8Array;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * The lines of a source of bytes, unread.
 *
 * @throws CheckpointError naming the file and line where a line is longer than 64 MiB.
 */
export function* splitLines(
  source: ByteSource,
  { skipTornLine = false }: ReadJsonlOptions = {},
): Generator<RawLine> {
  let line = 0;
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  for (let offset = 0; offset < source.size; ) {
    const chunk = new Uint8Array(Math.min(chunkBytes, source.size - offset));
    source.read(offset, chunk);
    offset += chunk.length;
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      line++;
      const bytes = chunk.subarray(start, end);
      yield { bytes: kept.length === 0 ? bytes : Buffer.concat([...kept, bytes]), line };
      kept = [];
      keptBytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    kept.push(chunk.subarray(start));
    keptBytes += chunk.length - start;
    if (keptBytes > longestLine) {
      const found = 'a longer one';
      const where = `line ${line + 1}`;
      throw new CheckpointError(
        source.path,
        where,
        `a line of at most ${longestLine} bytes`,
        found,
      );
    }
  }
  if (keptBytes > 0 && !skipTornLine) {
    line++;
    yield { bytes: Buffer.concat(kept), line };
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The value of a line.
 *
 * @throws CheckpointError naming the file and line where it is not JSON in UTF-8.
 */
export function parseLine(path: string, line: number, bytes: Uint8Array): unknown {
  const fail = (found: string): CheckpointError =>
    new CheckpointError(path, `line ${line}`, 'one JSON value', found);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw fail('bytes that are not UTF-8');
  }
  if (text.trim() === '') throw fail('an empty line');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fail((error as Error).message);
  }
}

/**
 * Appends values to a JSON Lines file, each in one write, so that a process killed at any time
 * leaves at most one torn line at the end. Opening the file again cuts such a line off.
 */
export class JsonlWriter {
  readonly #path: string;
  #descriptor: number | undefined;

  /** Opens a file for appending; it and its folder are made where they are not there. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.#path = path;
    this.#descriptor = openSync(path, 'a+');
    cutTornLine(this.#descriptor);
  }

  /**
   * Appends one line.
   *
   * @throws TypeError for a value that JSON cannot say, Error when the file is closed or full.
   */
  append(value: unknown): void {
    const text = JSON.stringify(value);
    if (text === undefined) {
      throw new TypeError(`${this.#path}: append: expected a value that JSON can say`);
    }
    const bytes = Buffer.from(`${text}\n`);
    const written = writeSync(this.#open(), bytes);
    if (written !== bytes.length) {
      throw new Error(`${this.#path}: only ${written} of ${bytes.length} bytes could be written`);
    }
  }

  /** Waits until the lines are on the disk. */
  flush(): void {
    fsyncSync(this.#open());
  }

  /** Flushes and closes; the writer cannot be used afterwards. */
  close(): void {
    if (this.#descriptor === undefined) return;
    this.flush();
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    if (this.#descriptor === undefined) throw new Error(`${this.#path}: the writer is closed`);
    return this.#descriptor;
  }
}

function cutTornLine(descriptor: number): void {
  let end = fstatSync(descriptor).size;
  const chunk = new Uint8Array(chunkBytes);
  while (end > 0) {
    const start = Math.max(0, end - chunk.length);
    const got = readSync(descriptor, chunk, 0, end - start, start);
    const at = chunk.subarray(0, got).lastIndexOf(newline);
    if (at >= 0) {
      ftruncateSync(descriptor, start + at + 1);
      return;
    }
    end = start;
  }
  ftruncateSync(descriptor, 0);
}
