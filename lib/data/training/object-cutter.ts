import { CheckpointError, show } from '../../models/files/errors.js';

const code = (character: string) => character.charCodeAt(0);
const quote = code('"');
const backslash = code('\\');
const [openBrace, closeBrace, openBracket, closeBracket, comma] = [...'{}[],'].map(code);
const blanks = new Set([...' \t\r\n'].map(code));

const longestObject = 64 * 2 ** 20;

/**
 * Cuts a JSON text that comes chunk by chunk into the objects of its one list, without parsing them: a
 * list of any length is read while one object is held. A text that is one object is that object.
 */
export class ObjectCutter {
  /** What may come next outside an object. */
  private state: 'start' | 'first' | 'next' | 'separator' | 'end' = 'start';
  private isList = false;
  private depth = 0;
  private inText = false;
  private escaped = false;
  private kept: Uint8Array[] = [];
  private keptBytes = 0;
  private offset = 0;
  private objects = 0;

  /** @param path names the source in errors. */
  constructor(private readonly path: string) {}

  /**
   * The bytes of the objects that end in this chunk, each in memory of its own.
   *
   * @throws CheckpointError naming the byte at which the text is no list of objects.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.depth === 0) {
        if (blanks.has(byte)) continue;
        if (this.between(byte, this.offset + i)) start = i;
      } else if (this.closes(byte)) {
        const bytes = Buffer.concat([...this.kept, chunk.subarray(start, i + 1)]);
        this.kept = [];
        this.keptBytes = 0;
        this.objects++;
        this.state = this.isList ? 'separator' : 'end';
        yield bytes;
      }
    }
    if (this.depth > 0) this.keep(chunk.subarray(start));
    this.offset += chunk.length;
  }

  /** @throws CheckpointError where the text ends before its list or object does. */
  end(): void {
    if (this.state === 'end') return;
    throw new CheckpointError(this.path, `byte ${this.offset}`, 'the rest of the JSON', 'the end');
  }

  /** Takes a byte outside of objects; true where an object starts with it. */
  private between(byte: number, at: number): boolean {
    const { state } = this;
    if (state === 'start' && byte === openBracket) {
      this.isList = true;
      this.state = 'first';
    } else if ((state === 'first' || state === 'separator') && byte === closeBracket) {
      this.state = 'end';
    } else if (state === 'separator' && byte === comma) {
      this.state = 'next';
    } else if (state !== 'separator' && state !== 'end' && byte === openBrace) {
      this.depth = 1;
      return true;
    } else {
      const expected = {
        start: 'a list of objects, or an object',
        first: 'an object or the end of the list',
        next: 'an object',
        separator: 'a comma or the end of the list',
        end: 'nothing more',
      }[state];
      const found = show(String.fromCharCode(byte));
      throw new CheckpointError(this.path, `byte ${at}`, expected, found);
    }
    return false;
  }

  /** Takes a byte of an object; true where the object ends with it. */
  private closes(byte: number): boolean {
    if (this.inText) {
      if (this.escaped) this.escaped = false;
      else if (byte === backslash) this.escaped = true;
      else if (byte === quote) this.inText = false;
      return false;
    }
    if (byte === quote) this.inText = true;
    else if (byte === openBrace || byte === openBracket) this.depth++;
    else if (byte === closeBrace || byte === closeBracket) this.depth--;
    return this.depth === 0;
  }

  private keep(bytes: Uint8Array): void {
    this.kept.push(bytes);
    this.keptBytes += bytes.length;
    if (this.keptBytes > longestObject) {
      const where = `row ${this.objects + 1}`;
      const expected = `an object of at most ${longestObject} bytes`;
      throw new CheckpointError(this.path, where, expected, 'a longer one');
    }
  }
}
