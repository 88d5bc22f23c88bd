import { createHmac, getHashes, timingSafeEqual } from 'node:crypto';
import type { Fields, Header, Message } from './message.js';

const delimiter = Buffer.from('<IDS|MSG>');

/** A received message that cannot be trusted or understood; the kernel drops it and goes on. */
export class WireError extends Error {
  override name = 'WireError';
}

/** Turns messages into signed ZeroMQ frames and back (Jupyter messaging, "The wire protocol"). */
export class Codec {
  readonly #key: string;
  readonly #hash: string;

  /**
   * @param key Shared secret; with an empty key messages are neither signed nor checked.
   * @param hash Name of the HMAC's hash, such as `sha256`.
   * @throws Error when this Node has no such hash.
   */
  constructor(key: string, hash: string) {
    if (!getHashes().includes(hash)) {
      throw new Error(`signature_scheme hmac-${hash}: this Node.js has no hash named ${hash}`);
    }
    this.#key = key;
    this.#hash = hash;
  }

  /** Frames of a message: identities, delimiter, signature, four JSON parts, buffers. */
  encode(message: Message): Buffer[] {
    const parts = [message.header, message.parent, message.metadata, message.content].map((part) =>
      Buffer.from(JSON.stringify(part)),
    );
    return [
      ...message.identities,
      delimiter,
      Buffer.from(this.#sign(parts)),
      ...parts,
      ...message.buffers,
    ];
  }

  /**
   * Checks and parses received frames.
   *
   * @throws WireError when frames are missing, the signature is wrong or a part is not an object.
   */
  decode(frames: Buffer[]): Message {
    const start = frames.findIndex((frame) => frame.equals(delimiter));
    if (start < 0) throw new WireError('no <IDS|MSG> delimiter');
    const signature = frames[start + 1];
    const parts = frames.slice(start + 2, start + 6);
    if (signature === undefined || parts.length < 4) {
      throw new WireError(
        `expected a signature and 4 parts after the delimiter, got ${frames.length - start - 1}`,
      );
    }
    if (this.#key !== '') {
      const expected = Buffer.from(this.#sign(parts));
      if (expected.length !== signature.length || !timingSafeEqual(expected, signature)) {
        throw new WireError('wrong signature');
      }
    }
    const [header, parent, metadata, content] = parts.map(parseObject) as [
      Fields,
      Fields,
      Fields,
      Fields,
    ];
    if (typeof header.msg_id !== 'string' || typeof header.msg_type !== 'string') {
      throw new WireError('header without msg_id or msg_type');
    }
    return {
      identities: frames.slice(0, start),
      header: header as unknown as Header,
      parent: parent as unknown as Header,
      metadata,
      content,
      buffers: frames.slice(start + 6),
    };
  }

  #sign(parts: Buffer[]): string {
    if (this.#key === '') return '';
    const hmac = createHmac(this.#hash, this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  }
}

const partNames = ['header', 'parent header', 'metadata', 'content'];

function parseObject(part: Buffer, index: number): Fields {
  let value: unknown;
  try {
    value = JSON.parse(part.toString('utf8'));
  } catch (error) {
    throw new WireError(`${partNames[index]} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WireError(`${partNames[index]} is not an object`);
  }
  return value as Fields;
}
