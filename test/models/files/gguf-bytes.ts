/** Writes GGUF headers for tests, right or wrong, value by value. */
export class GgufBytes {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    return this.raw(Uint8Array.of(value));
  }

  u32(value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.raw(bytes);
  }

  u64(value: number | bigint): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return this.raw(bytes);
  }

  f32(value: number): this {
    return this.raw(new Uint8Array(Float32Array.of(value).buffer));
  }

  string(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.u64(bytes.length).raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  /** Zeros up to the next multiple of `alignment`. */
  align(alignment: number): this {
    const length = this.bytes().length;
    return this.raw(new Uint8Array(Math.ceil(length / alignment) * alignment - length));
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}

export interface TestTensor {
  readonly name: string;
  /** Innermost first, as in the file. */
  readonly dims: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
}

export interface TestPair {
  readonly key: string;
  readonly type: number;
  readonly write: (to: GgufBytes) => GgufBytes;
}

export const text = (key: string, value: string): TestPair => ({
  key,
  type: 8,
  write: (to) => to.string(value),
});

export const uint32 = (key: string, value: number): TestPair => ({
  key,
  type: 4,
  write: (to) => to.u32(value),
});

/** A whole file: header, then `dataBytes` bytes of data that count up. */
export function ggufFile(
  pairs: readonly TestPair[],
  tensors: readonly TestTensor[],
  dataBytes: number,
  { version = 3, alignment = 32 } = {},
): Uint8Array {
  const to = new GgufBytes().u32(0x46554747).u32(version).u64(tensors.length).u64(pairs.length);
  for (const { key, type, write } of pairs) write(to.string(key).u32(type));
  for (const { name, dims, type, offset } of tensors) {
    to.string(name).u32(dims.length);
    for (const size of dims) to.u64(size);
    to.u32(type).u64(offset);
  }
  return to
    .align(alignment)
    .raw(Uint8Array.from({ length: dataBytes }, (_, i) => i))
    .bytes();
}

/** A valid file with a value of every metadata type and tensors of several storages. */
export function richGguf(): Uint8Array {
  const pairs: TestPair[] = [
    text('general.architecture', 'llama'),
    { key: 'u8', type: 0, write: (to) => to.u8(200) },
    { key: 'i8', type: 1, write: (to) => to.u8(200) },
    { key: 'u16', type: 2, write: (to) => to.u8(1).u8(2) },
    { key: 'i16', type: 3, write: (to) => to.u8(254).u8(255) },
    uint32('u32', 4294967295),
    { key: 'i32', type: 5, write: (to) => to.u32(4294967295) },
    { key: 'f32', type: 6, write: (to) => to.f32(0.5) },
    { key: 'bool', type: 7, write: (to) => to.u8(1) },
    { key: 'u64', type: 10, write: (to) => to.u64(2n ** 64n - 1n) },
    { key: 'i64', type: 11, write: (to) => to.u64(2n ** 64n - 5n) },
    { key: 'f64', type: 12, write: (to) => to.u64(0x3fe0000000000000n) },
    { key: 'strings', type: 9, write: (to) => to.u32(8).u64(2).string('a').string('é') },
    { key: 'numbers', type: 9, write: (to) => to.u32(5).u64(2).u32(7).u32(4294967295) },
    { key: 'bools', type: 9, write: (to) => to.u32(7).u64(2).u8(1).u8(0) },
    {
      key: 'nested',
      type: 9,
      write: (to) => to.u32(9).u64(2).u32(0).u64(1).u8(9).u32(8).u64(1).string('x'),
    },
  ];
  const tensors: TestTensor[] = [
    { name: 'token_embd.weight', dims: [32, 4], type: 8, offset: 0 },
    { name: 'norm', dims: [8], type: 0, offset: 160 },
    { name: 'q', dims: [64, 2], type: 3, offset: 192 },
    { name: 'cube', dims: [4, 3, 2], type: 1, offset: 288 },
  ];
  return ggufFile(pairs, tensors, 352);
}
