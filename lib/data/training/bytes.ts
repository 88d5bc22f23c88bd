/** The bytes of a file of text, chunk by chunk, unpacked where it is gzipped. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CheckpointError } from '../../models/files/errors.js';
import { reason } from '../../models/files/source.js';

const chunkBytes = 1 << 18;

/**
 * Reads a file from its start to its end; a name that ends in `.gz` is unpacked on the way.
 *
 * @throws CheckpointError naming the file that cannot be read or is no gzip.
 */
export async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: chunkBytes });
  const isPacked = /\.gz$/i.test(path);
  // The loop below throws what goes wrong in either stream.
  const stream = isPacked
    ? pipeline(file, createGunzip({ chunkSize: chunkBytes }), () => undefined)
    : file;
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    const expected = isPacked ? 'a readable gzip file' : 'a readable file';
    throw new CheckpointError(path, 'file', expected, reason(error));
  } finally {
    file.destroy();
  }
}
