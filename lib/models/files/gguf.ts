import { CheckpointError, show } from './errors.js';
import { HeaderReader } from './header-reader.js';
import { type ByteSource, withFile } from './source.js';
import { elementCount, layoutOf, storageOfGgmlType } from './storage.js';
import {
  checkOverlaps,
  type MetadataNumbers,
  type MetadataValue,
  type TensorEntry,
  type TensorFile,
} from './tensor-file.js';

// A tokenizer of 256,000 tokens with its merges takes some 15 MB.
const largestHeader = 256 * 2 ** 20;
const longestName = 65535;
const deepestArray = 4;
const mostDimensions = 4;

// The least that one key-value pair and one tensor description take in the file.
const leastPairBytes = 8 + 4 + 1;
const leastTensorBytes = 8 + 4 + 8 + 4 + 8;

/**
 * Reads and checks the header of a GGUF file of version 2 or 3 (github.com/ggml-org/ggml,
 * `docs/gguf.md`). Shapes are turned round: GGUF lists the innermost dimension first.
 *
 * Nothing beyond the header is read or allocated. Checked are the magic number, version, every
 * count and length against the bytes of the file, types, shapes, alignment, and that the tensors'
 * bytes lie inside the file without touching one another.
 *
 * @throws CheckpointError naming the file, the place, what was expected and what is there.
 */
export function readGguf(path: string): TensorFile {
  return withFile(path, parseGguf);
}

/** {@link readGguf} over any source of bytes. */
export function parseGguf(source: ByteSource): TensorFile {
  const reader = new HeaderReader(source, largestHeader);
  readMagic(reader);
  const tensorCount = reader.size(
    'number of tensors',
    Math.floor(Math.max(0, reader.remaining - 16) / leastTensorBytes),
    'what the file has room for',
  );
  const pairCount = reader.size(
    'number of metadata keys',
    Math.floor(Math.max(0, reader.remaining - 8) / leastPairBytes),
    'what the file has room for',
  );
  const metadata = readMetadata(reader, pairCount);
  const alignment = alignmentOf(source.path, metadata);
  const found = readTensors(reader, tensorCount, source.path);
  const dataStart = Math.ceil(reader.position / alignment) * alignment;
  const tensors = placeTensors(found, source, dataStart, alignment);
  return { path: source.path, format: 'gguf', tensors, metadata };
}

function readMagic(reader: HeaderReader): void {
  const magic = reader.u32('magic number');
  if (magic !== 0x46554747) {
    const found = `0x${magic.toString(16).padStart(8, '0')}`;
    throw reader.fail('magic number', "the letters 'GGUF' (0x46554747)", found, 0);
  }
  const version = reader.u32('version');
  if (version === 2 || version === 3) return;
  const bigEndian = version === 0x02000000 || version === 0x03000000;
  const found = bigEndian ? 'a big-endian file' : `version ${version}`;
  throw reader.fail('version', 'little-endian version 2 or 3', found, 4);
}

function readMetadata(reader: HeaderReader, count: number): Map<string, MetadataValue> {
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < count; i++) {
    const at = reader.position;
    const key = reader.string(`metadata key ${i}`, longestName);
    if (key === '') throw reader.fail(`metadata key ${i}`, 'a name', 'an empty one', at);
    if (metadata.has(key)) throw reader.fail('metadata', 'each key once', `${show(key)} twice`, at);
    const what = `metadata ${show(key)}`;
    metadata.set(key, readValue(reader, reader.u32(`type of ${what}`), what, 0));
  }
  return metadata;
}

const stringType = 8;
const arrayType = 9;

function readValue(reader: HeaderReader, type: number, what: string, depth: number): MetadataValue {
  switch (type) {
    case 0:
      return reader.u8(what);
    case 1:
      return reader.i8(what);
    case 2:
      return reader.u16(what);
    case 3:
      return reader.i16(what);
    case 4:
      return reader.u32(what);
    case 5:
      return reader.i32(what);
    case 6:
      return reader.f32(what);
    case 7:
      return readBoolean(reader, what);
    case stringType:
      return reader.string(what);
    case arrayType:
      return readArray(reader, what, depth + 1);
    case 10:
      return narrow(reader.u64(what));
    case 11:
      return narrow(reader.i64(what));
    case 12:
      return reader.f64(what);
    default:
      throw reader.fail(`type of ${what}`, 'a type from 0 to 12', `${type}`, reader.position - 4);
  }
}

function readBoolean(reader: HeaderReader, what: string): boolean {
  const value = reader.u8(what);
  if (value > 1) throw reader.fail(what, '0 or 1 (a boolean)', `${value}`, reader.position - 1);
  return value === 1;
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

const arrayConstructors: Readonly<
  Record<number, new (buffer: ArrayBufferLike) => MetadataNumbers>
> = {
  0: Uint8Array,
  1: Int8Array,
  2: Uint16Array,
  3: Int16Array,
  4: Uint32Array,
  5: Int32Array,
  6: Float32Array,
  7: Uint8Array,
  10: BigUint64Array,
  11: BigInt64Array,
  12: Float64Array,
};

const elementBytes: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  [stringType]: 8,
  [arrayType]: 12,
  10: 8,
  11: 8,
  12: 8,
};

function readArray(reader: HeaderReader, what: string, depth: number): MetadataValue {
  if (depth > deepestArray) {
    throw reader.fail(what, `arrays nested at most ${deepestArray} deep`, 'deeper ones');
  }
  const type = reader.u32(`element type of ${what}`);
  const least = elementBytes[type];
  if (least === undefined) {
    const at = reader.position - 4;
    throw reader.fail(`element type of ${what}`, 'a type from 0 to 12', `${type}`, at);
  }
  const room = Math.floor(Math.max(0, reader.remaining - 8) / least);
  const count = reader.size(`length of ${what}`, room, 'what the file has room for');
  if (type === stringType) {
    const strings: string[] = [];
    for (let i = 0; i < count; i++) strings.push(reader.string(`${what}[${i}]`));
    return strings;
  }
  if (type === arrayType) {
    const arrays: MetadataValue[] = [];
    for (let i = 0; i < count; i++) arrays.push(readArray(reader, `${what}[${i}]`, depth + 1));
    return arrays;
  }
  const at = reader.position;
  const bytes = reader.raw(count * least, what);
  if (type === 7) {
    const bad = bytes.findIndex((value) => value > 1);
    if (bad >= 0) {
      throw reader.fail(`${what}[${bad}]`, '0 or 1 (a boolean)', `${bytes[bad]}`, at + bad);
    }
  }
  const NumberArray = arrayConstructors[type] ?? Uint8Array;
  return new NumberArray(bytes.buffer);
}

function alignmentOf(path: string, metadata: ReadonlyMap<string, MetadataValue>): number {
  const value = metadata.get('general.alignment');
  if (value === undefined) return 32;
  const valid =
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= 1 &&
    value <= 2 ** 20 &&
    (value & (value - 1)) === 0;
  if (!valid) {
    const expected = 'a power of two up to 1048576';
    throw new CheckpointError(path, 'metadata "general.alignment"', expected, show(value));
  }
  return value;
}

type Described = Omit<TensorEntry, 'path'>;

/** The descriptions as they stand in the header: `byteOffset` still counts from the data's start. */
function readTensors(reader: HeaderReader, count: number, path: string): Described[] {
  const names = new Set<string>();
  const tensors: Described[] = [];
  for (let i = 0; i < count; i++) {
    const at = reader.position;
    const name = reader.string(`name of tensor ${i}`, longestName);
    if (name === '') throw reader.fail(`name of tensor ${i}`, 'a name', 'an empty one', at);
    if (names.has(name)) throw reader.fail('tensors', 'each name once', `${show(name)} twice`, at);
    names.add(name);
    tensors.push(readTensor(reader, name, path));
  }
  return tensors;
}

function readTensor(reader: HeaderReader, name: string, path: string): Described {
  const where = `tensor ${show(name)}`;
  const dimensions = reader.u32(`dimensions of ${where}`);
  if (dimensions < 1 || dimensions > mostDimensions) {
    throw new CheckpointError(path, where, `1 to ${mostDimensions} dimensions`, `${dimensions}`);
  }
  const shape: number[] = [];
  for (let d = 0; d < dimensions; d++) {
    const size = narrow(reader.u64(`dimension ${d} of ${where}`));
    if (typeof size === 'bigint' || size < 1) {
      throw new CheckpointError(path, where, 'dimensions from 1 to 2^53 - 1', `${size}`);
    }
    shape.unshift(size);
  }
  const type = reader.u32(`type of ${where}`);
  const storage = storageOfGgmlType(type);
  if (storage === undefined) {
    throw new CheckpointError(path, where, 'a ggml type that is in use', `type ${type}`);
  }
  const { block, bytes } = layoutOf(storage);
  const row = shape.at(-1) ?? 0;
  if (row % block !== 0) {
    const expected = `rows of a multiple of ${block} numbers (${storage})`;
    throw new CheckpointError(path, where, expected, `${row}`);
  }
  const count = elementCount(shape);
  const byteLength = count === undefined ? undefined : (count / block) * bytes;
  if (byteLength === undefined || !Number.isSafeInteger(byteLength)) {
    throw new CheckpointError(path, where, 'fewer than 2^53 numbers', `[${shape.join(', ')}]`);
  }
  const offset = narrow(reader.u64(`offset of ${where}`));
  if (typeof offset === 'bigint') {
    throw new CheckpointError(path, where, 'an offset inside the file', `${offset}`);
  }
  return { name, storage, shape, byteOffset: offset, byteLength };
}

function placeTensors(
  found: readonly Described[],
  source: ByteSource,
  dataStart: number,
  alignment: number,
): Map<string, TensorEntry> {
  const room = Math.max(0, source.size - dataStart);
  const tensors = new Map<string, TensorEntry>();
  for (const tensor of found) {
    const where = `tensor ${show(tensor.name)}`;
    if (tensor.byteOffset % alignment !== 0) {
      const expected = `an offset divisible by the alignment ${alignment}`;
      throw new CheckpointError(source.path, where, expected, `${tensor.byteOffset}`);
    }
    if (tensor.byteLength > room || tensor.byteOffset > room - tensor.byteLength) {
      const expected = `${tensor.byteLength} bytes at ${tensor.byteOffset} of the data`;
      throw new CheckpointError(source.path, where, expected, `${room} bytes of data in the file`);
    }
    const byteOffset = dataStart + tensor.byteOffset;
    tensors.set(tensor.name, { ...tensor, byteOffset, path: source.path });
  }
  checkOverlaps(source.path, tensors.values());
  return tensors;
}
