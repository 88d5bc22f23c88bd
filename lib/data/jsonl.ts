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
  const cutter = new LineCutter(source.path);
  for (let offset = 0; offset < source.size; ) {
    const chunk = new Uint8Array(Math.min(chunkBytes, source.size - offset));
    source.read(offset, chunk);
    offset += chunk.length;
    yield* cutter.push(chunk);
  }
  if (!skipTornLine) yield* cutter.end();
}

/** Cuts bytes that come chunk by chunk into lines. A chunk must stay as it is while it is cut. */
export class LineCutter {
  private line = 0;
  private kept: Uint8Array[] = [];
  private keptBytes = 0;

  /** @param path names the source in errors. */
  constructor(private readonly path: string) {}

  /**
   * The lines that end in this chunk.
   *
   * @throws CheckpointError naming the line that is longer than 64 MiB.
   */
  *push(chunk: Uint8Array): Generator<RawLine> {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      yield this.ended(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start === chunk.length) return;
    this.kept.push(chunk.subarray(start));
    this.keptBytes += chunk.length - start;
    if (this.keptBytes > longestLine) {
      const found = 'a longer one';
      const where = `line ${this.line + 1}`;
      throw new CheckpointError(this.path, where, `a line of at most ${longestLine} bytes`, found);
    }
  }

  /** The last line, where no line feed ends it. */
  *end(): Generator<RawLine> {
    if (this.keptBytes > 0) yield this.ended(new Uint8Array());
  }

  private ended(rest: Uint8Array): RawLine {
    const bytes = this.kept.length === 0 ? rest : Buffer.concat([...this.kept, rest]);
    this.kept = [];
    this.keptBytes = 0;
    this.line++;
    return { bytes, line: this.line };
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
