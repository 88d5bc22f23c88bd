import { CheckpointError } from './errors.js';
import type { ByteSource } from './source.js';

const windowBytes = 1 << 18;

/**
 * Reads little-endian numbers and strings one after another from the front of a source.
 *
 * Every length is compared with the bytes that are left before anything of that length is
 * allocated, so a hostile length costs an error and no memory.
 */
export class HeaderReader {
  readonly #source: ByteSource;
  readonly #limit: number;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #start = 0;
  #end = 0;
  #position = 0;

  /** @param limit bytes that a header may have at most, however large the file is. */
  constructor(source: ByteSource, limit: number) {
    this.#source = source;
    this.#limit = Math.min(limit, source.size);
    this.#bytes = new Uint8Array(Math.min(windowBytes, this.#limit));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Offset in the file of the next byte. */
  get position(): number {
    return this.#position;
  }

  /** Bytes that the header can still have. */
  get remaining(): number {
    return this.#limit - this.#position;
  }

  /** An error at the current offset, or at one given. */
  fail(what: string, expected: string, found: string, at = this.#position): CheckpointError {
    return new CheckpointError(this.#source.path, `${what} at byte ${at}`, expected, found);
  }

  u8(what: string): number {
    return this.#view.getUint8(this.#take(1, what));
  }

  i8(what: string): number {
    return this.#view.getInt8(this.#take(1, what));
  }

  u16(what: string): number {
    return this.#view.getUint16(this.#take(2, what), true);
  }

  i16(what: string): number {
    return this.#view.getInt16(this.#take(2, what), true);
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true);
  }

  i32(what: string): number {
    return this.#view.getInt32(this.#take(4, what), true);
  }

  f32(what: string): number {
    return this.#view.getFloat32(this.#take(4, what), true);
  }

  f64(what: string): number {
    return this.#view.getFloat64(this.#take(8, what), true);
  }

  u64(what: string): bigint {
    return this.#view.getBigUint64(this.#take(8, what), true);
  }

  i64(what: string): bigint {
    return this.#view.getBigInt64(this.#take(8, what), true);
  }

  /** An unsigned 64-bit size or count of at most `limit`, which fits a JavaScript number. */
  size(what: string, limit: number, meaning: string): number {
    const at = this.#position;
    const value = this.u64(what);
    if (value > BigInt(limit)) {
      throw this.fail(what, `at most ${limit} (${meaning})`, `${value}`, at);
    }
    return Number(value);
  }

  /** UTF-8 text with its length, a 64-bit number, in front. */
  string(what: string, longest = Number.MAX_SAFE_INTEGER): string {
    const length = this.size(
      `length of ${what}`,
      Math.min(longest, Math.max(0, this.remaining - 8)),
      longest < this.remaining - 8 ? 'the longest allowed' : 'the bytes that are left',
    );
    const at = this.#position;
    const bytes =
      length <= this.#bytes.length
        ? this.#bytes.subarray(this.#take(length, what), this.#position - this.#start)
        : this.raw(length, what);
    try {
      return this.#utf8.decode(bytes);
    } catch {
      throw this.fail(what, `${length} bytes of UTF-8`, 'bytes that are not UTF-8', at);
    }
  }

  /** A copy of the next `length` bytes. */
  raw(length: number, what: string): Uint8Array {
    if (length > this.remaining) {
      throw this.fail(what, `${length} bytes`, `${this.remaining} left`);
    }
    const bytes = new Uint8Array(length);
    this.#source.read(this.#position, bytes);
    this.#position += length;
    this.#start = this.#end = this.#position;
    return bytes;
  }

  /** Makes the next `length` bytes (no more than the window holds) available and returns their index in it. */
  #take(length: number, what: string): number {
    if (length > this.remaining) {
      throw this.fail(what, `${length} more bytes`, `${this.remaining} left`);
    }
    if (this.#position + length > this.#end) {
      this.#start = this.#position;
      this.#end = Math.min(this.#limit, this.#start + this.#bytes.length);
      this.#source.read(this.#start, this.#bytes.subarray(0, this.#end - this.#start));
    }
    const index = this.#position - this.#start;
    this.#position += length;
    return index;
  }
}
