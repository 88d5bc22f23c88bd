import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { sizeOf } from './layout.js';

/** How numbers are written. */
export type WrittenStorage = 'F32' | 'BF16';

/** A tensor to write; its numbers are asked for when their turn comes. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly storage: WrittenStorage;
  read(): Float32Array;
}

const bytesOf = { F32: 4, BF16: 2 } as const;

// One write call moves at most this much.
const largestWrite = 1 << 26;

/** Bytes of a tensor in the file. */
export function writtenBytes({ shape, storage }: TensorToWrite): number {
  return sizeOf(shape) * bytesOf[storage];
}

/**
 * Writes a safetensors file (huggingface.co/docs/safetensors) and forces it to the disk. One tensor
 * is in memory at a time.
 */
export function writeSafetensors(path: string, tensors: readonly TensorToWrite[]): void {
  const file = openSync(path, 'wx');
  try {
    writeAll(file, headerOf(tensors));
    for (const tensor of tensors) {
      const values = tensor.read();
      if (values.length !== sizeOf(tensor.shape)) {
        throw new Error(
          `${tensor.name}: ${sizeOf(tensor.shape)} numbers expected, got ${values.length}`,
        );
      }
      const stored = tensor.storage === 'F32' ? values : toBfloat16(values);
      writeAll(file, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function headerOf(tensors: readonly TensorToWrite[]): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + writtenBytes(tensor);
    const { name, shape, storage } = tensor;
    header[name] = { dtype: storage, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  const text = Buffer.from(json);
  // Spaces up to a multiple of 8, so that the numbers are aligned in a mapped file.
  const length = Math.ceil(text.length / 8) * 8;
  const bytes = Buffer.alloc(8 + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length), 0);
  text.copy(bytes, 8);
  return bytes;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(file, bytes, at, Math.min(largestWrite, bytes.length - at));
  }
}

/** Rounds to the nearest bfloat16, ties to even; NaN stays NaN. */
function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i] as number;
    const quiet = (x & 0x7fffffff) > 0x7f800000;
    out[i] = quiet ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}
