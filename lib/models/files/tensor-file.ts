import { CheckpointError, show } from './errors.js';
import { isSupported, type Storage } from './storage.js';

/** Where one tensor lies and how its numbers are stored. Nothing of it has been read yet. */
export interface TensorEntry {
  readonly name: string;
  /** How the numbers are stored, in the names that GGUF and safetensors use. */
  readonly storage: Storage;
  /** Row-major, outermost dimension first, in the numbers that the storage encodes. */
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file `path`. */
  readonly byteOffset: number;
  readonly byteLength: number;
  /** The file that holds the bytes; the shards of one checkpoint differ here. */
  readonly path: string;
}

/** Numbers of a GGUF metadata array; booleans are 0 and 1 in a Uint8Array. */
export type MetadataNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** 64-bit integers are bigint only where a number cannot hold them exactly. */
export type MetadataValue =
  | string
  | number
  | bigint
  | boolean
  | readonly string[]
  | MetadataNumbers
  | readonly MetadataValue[];

/** A checkpoint whose header was read and found valid. */
export interface TensorFile {
  /** The file or folder that was opened. */
  readonly path: string;
  readonly format: 'gguf' | 'safetensors' | 'huggingface';
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** GGUF's key-value pairs, or safetensors' `__metadata__`. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
}

/**
 * The tensor of that name, for a reader that is about to use its numbers.
 *
 * @param shape what it has to be, where that is known.
 * @throws CheckpointError when it is missing, has another shape, or is stored in a way that
 *   nothing here decodes.
 */
export function requireTensor(
  file: TensorFile,
  name: string,
  shape?: readonly number[],
): TensorEntry {
  const entry = file.tensors.get(name);
  if (entry === undefined) {
    const has = `${file.tensors.size} tensors without it`;
    throw new CheckpointError(file.path, `tensor ${name}`, 'it to be in the file', has);
  }
  if (shape !== undefined && !sameShape(shape, entry.shape)) {
    const found = `[${entry.shape.join(', ')}]`;
    throw new CheckpointError(entry.path, `tensor ${name}`, `shape [${shape.join(', ')}]`, found);
  }
  if (!isSupported(entry.storage)) {
    throw new CheckpointError(
      entry.path,
      `tensor ${name}`,
      'F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q6_K or plain integers',
      `${entry.storage}, which is not supported`,
    );
  }
  return entry;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** @throws CheckpointError when two tensors share a byte. */
export function checkOverlaps(path: string, tensors: Iterable<TensorEntry>): void {
  const sorted = [...tensors].sort((a, b) => a.byteOffset - b.byteOffset);
  for (const [i, next] of sorted.entries()) {
    const previous = sorted[i - 1];
    if (previous !== undefined && previous.byteOffset + previous.byteLength > next.byteOffset) {
      throw new CheckpointError(
        path,
        `tensor ${show(next.name)}`,
        `bytes of its own from ${previous.byteOffset + previous.byteLength} on`,
        `byte ${next.byteOffset}, inside ${show(previous.name)}`,
      );
    }
  }
}
