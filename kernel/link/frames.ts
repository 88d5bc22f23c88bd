const headerBytes = 4;

/** A message as bytes: its length (unsigned, 32 bits, big endian), then JSON. */
export function encodeFrame(message: unknown): Buffer {
  const text = JSON.stringify(message);
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerBytes + length);
  frame.writeUInt32BE(length, 0);
  frame.write(text, headerBytes);
  return frame;
}

/** Puts frames together again from the pieces that a pipe delivers. */
export class FrameReader<T> {
  readonly #deliver: (message: T) => void;
  #pieces: Buffer[] = [];
  #size = 0;

  constructor(deliver: (message: T) => void) {
    this.#deliver = deliver;
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size < this.#wanted()) return;
    let bytes = Buffer.concat(this.#pieces);
    while (bytes.length >= headerBytes) {
      const end = headerBytes + bytes.readUInt32BE(0);
      if (bytes.length < end) break;
      this.#deliver(JSON.parse(bytes.toString('utf8', headerBytes, end)) as T);
      bytes = bytes.subarray(end);
    }
    this.#pieces = bytes.length > 0 ? [bytes] : [];
    this.#size = bytes.length;
  }

  /** Bytes that the frame being read needs; joining earlier would copy large frames often. */
  #wanted(): number {
    const first = this.#pieces[0];
    return first !== undefined && first.length >= headerBytes
      ? headerBytes + first.readUInt32BE(0)
      : headerBytes;
  }
}
