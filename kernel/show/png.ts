import { crc32, deflateSync } from 'node:zlib';
import type { TensorLike } from './tensors.js';

/** PNG color types by the number of values of a pixel. */
const colorTypes: Record<number, number> = { 1: 0, 2: 4, 3: 2, 4: 6 };

/**
 * A tensor as a PNG image, a pixel for each element of the first two axes.
 *
 * @param tensor Shape [height, width] or [height, width, 1 to 4 channels]. Integers and values
 *   above 1 are taken as 0 to 255, others as 0 to 1.
 * @throws TypeError for other shapes.
 */
export function pngOf(tensor: TensorLike): Uint8Array {
  const [height = 0, width = 0, channels = 1] = tensor.shape;
  const colorType = colorTypes[channels];
  const axes = tensor.shape.length;
  if (axes < 2 || axes > 3 || colorType === undefined || height * width === 0) {
    throw new TypeError(
      `image: expected a tensor [height, width] or [height, width, 1 to 4], got [${tensor.shape.join(', ')}]`,
    );
  }
  const values = tensor.dataSync() as ArrayLike<number>;
  let unit = tensor.dtype !== 'int32';
  for (let i = 0; unit && i < values.length; i += 1) if (values[i]! > 1) unit = false;
  const scale = unit ? 255 : 1;
  const bytesPerRow = width * channels;
  const pixels = Buffer.alloc(height * (bytesPerRow + 1));
  for (let row = 0; row < height; row += 1) {
    for (let i = 0; i < bytesPerRow; i += 1) {
      const value = Math.round(values[row * bytesPerRow + i]! * scale);
      pixels[row * (bytesPerRow + 1) + 1 + i] = Math.max(0, Math.min(255, value));
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colorType, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  data.copy(out, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}
