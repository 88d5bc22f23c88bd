import { dirname, join } from 'node:path';
import { CheckpointError, show } from './errors.js';
import { HeaderReader } from './header-reader.js';
import { isObject, outerKeys, parseJsonObject, readJsonObject } from './json.js';
import { type ByteSource, withFile } from './source.js';
import { elementCount, layoutOf, type Storage } from './storage.js';
import {
  checkOverlaps,
  type MetadataValue,
  type TensorEntry,
  type TensorFile,
} from './tensor-file.js';

// The format's own limit.
const largestHeader = 100_000_000;
const mostDimensions = 16;

/**
 * Reads and checks the header of one safetensors file (huggingface.co/docs/safetensors).
 *
 * Checked are the header's length, its JSON, that names are unique, types, shapes against byte
 * ranges, and that the ranges cover the rest of the file without holes or overlaps. Nothing beyond
 * the header is read.
 *
 * @throws CheckpointError naming the file, the place, what was expected and what is there.
 */
export function readSafetensors(path: string): TensorFile {
  return withFile(path, parseSafetensors);
}

/** {@link readSafetensors} over any source of bytes. */
export function parseSafetensors(source: ByteSource): TensorFile {
  const { path } = source;
  const reader = new HeaderReader(source, largestHeader + 8);
  const most = Math.max(0, Math.min(source.size - 8, largestHeader));
  const length = reader.size('length of the header', most, 'what the file has room for');
  const bytes = reader.raw(length, 'header');
  const header = parseJsonObject(path, bytes, 'header');
  checkUnique(path, bytes);
  const tensors = new Map<string, TensorEntry>();
  let metadata = new Map<string, MetadataValue>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') metadata = readMetadata(path, value);
    else tensors.set(name, readEntry(source, name, value, 8 + length));
  }
  checkOverlaps(path, tensors.values());
  checkCovered(source, 8 + length, tensors);
  return { path, format: 'safetensors', tensors, metadata };
}

/**
 * Reads a checkpoint that is spread over several safetensors files, by its index
 * (`model.safetensors.index.json`). Only tensors that the index lists are taken.
 *
 * @throws CheckpointError also when the index names a file outside its folder, or a tensor that
 *   its file does not have.
 */
export function readShardedSafetensors(indexPath: string): TensorFile {
  const index = readJsonObject(indexPath);
  const map = index.weight_map;
  if (!isObject(map)) {
    throw new CheckpointError(indexPath, '"weight_map"', 'an object of file names', show(map));
  }
  const shards = new Map<string, TensorFile>();
  const tensors = new Map<string, TensorEntry>();
  for (const [name, file] of Object.entries(map)) {
    const where = `"weight_map" at ${show(name)}`;
    if (typeof file !== 'string' || !/^[^/\\:]+\.safetensors$/.test(file)) {
      throw new CheckpointError(indexPath, where, 'a safetensors file name', show(file));
    }
    let shard = shards.get(file);
    if (shard === undefined) {
      shard = readSafetensors(join(dirname(indexPath), file));
      shards.set(file, shard);
    }
    const entry = shard.tensors.get(name);
    if (entry === undefined) {
      throw new CheckpointError(indexPath, where, `the tensor in ${file}`, 'it has no such tensor');
    }
    tensors.set(name, entry);
  }
  return { path: indexPath, format: 'safetensors', tensors, metadata: new Map() };
}

const storages: Readonly<Record<string, Storage>> = {
  F64: 'F64',
  F32: 'F32',
  F16: 'F16',
  BF16: 'BF16',
  F8_E4M3: 'F8_E4M3',
  F8_E5M2: 'F8_E5M2',
  I8: 'I8',
  I16: 'I16',
  I32: 'I32',
  I64: 'I64',
  U8: 'U8',
  U16: 'U16',
  U32: 'U32',
  U64: 'U64',
  BOOL: 'BOOL',
};

function readEntry(
  source: ByteSource,
  name: string,
  value: unknown,
  dataStart: number,
): TensorEntry {
  const where = `tensor ${show(name)}`;
  const fail = (expected: string, found: unknown): CheckpointError =>
    new CheckpointError(source.path, where, expected, show(found));
  if (!isObject(value)) throw fail('an object with dtype, shape and data_offsets', value);
  const dtype = value.dtype;
  const storage =
    typeof dtype === 'string' && Object.hasOwn(storages, dtype) ? storages[dtype] : undefined;
  if (storage === undefined) {
    throw fail(`a dtype of ${Object.keys(storages).join(', ')}`, dtype);
  }
  const shape = value.shape;
  if (!isSizes(shape) || shape.length > mostDimensions) {
    throw fail(`a shape of at most ${mostDimensions} sizes`, shape);
  }
  const count = elementCount(shape);
  const byteLength = count === undefined ? Number.NaN : count * layoutOf(storage).bytes;
  if (!Number.isSafeInteger(byteLength)) throw fail('fewer than 2^53 bytes', shape);
  const offsets = value.data_offsets;
  if (!isSizes(offsets) || offsets.length !== 2) throw fail('data_offsets [begin, end]', offsets);
  const [begin = 0, end = 0] = offsets;
  const room = source.size - dataStart;
  if (begin > end || end > room) throw fail(`data_offsets within ${room} bytes of data`, offsets);
  if (end - begin !== byteLength) {
    throw fail(`data_offsets ${byteLength} bytes apart (${storage} [${shape}])`, offsets);
  }
  return { name, storage, shape, byteOffset: dataStart + begin, byteLength, path: source.path };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}

function readMetadata(path: string, value: unknown): Map<string, MetadataValue> {
  if (!isObject(value) || Object.values(value).some((x) => typeof x !== 'string')) {
    throw new CheckpointError(path, '"__metadata__"', 'an object of strings', show(value));
  }
  return new Map(Object.entries(value as Record<string, string>));
}

function checkUnique(path: string, header: Uint8Array): void {
  const seen = new Set<string>();
  for (const key of outerKeys(new TextDecoder().decode(header))) {
    if (seen.has(key)) {
      throw new CheckpointError(path, 'header', 'each name once', `${show(key)} twice`);
    }
    seen.add(key);
  }
}

function checkCovered(
  source: ByteSource,
  dataStart: number,
  tensors: ReadonlyMap<string, TensorEntry>,
): void {
  let used = 0;
  for (const entry of tensors.values()) used += entry.byteLength;
  const room = source.size - dataStart;
  if (used !== room) {
    const expected = `${used} bytes, which the tensors cover`;
    throw new CheckpointError(source.path, 'data', expected, `${room} bytes`);
  }
}
