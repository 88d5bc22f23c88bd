import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../lib/models/files/errors.js';
import { parseGguf, readGguf } from '../../../lib/models/files/gguf.js';
import { memorySource } from '../../../lib/models/files/source.js';
import { requireTensor } from '../../../lib/models/files/tensor-file.js';
import { fileWith } from '../../data/temporary.js';
import { GgufBytes, ggufFile, richGguf, type TestTensor, text, uint32 } from './gguf-bytes.js';

const parse = (bytes: Uint8Array) => parseGguf(memorySource('x.gguf', bytes));
const start = () => new GgufBytes().u32(0x46554747).u32(3);

describe('readGguf', () => {
  it.each([2, 3])('reads every kind of metadata and the tensors of version %i', (version) => {
    const bytes = richGguf();
    bytes[4] = version;
    const { metadata, tensors, format } = readGguf(fileWith('a.gguf', bytes));
    expect(format).toBe('gguf');
    expect(Object.fromEntries(metadata)).toEqual({
      'general.architecture': 'llama',
      u8: 200,
      i8: -56,
      u16: 513,
      i16: -2,
      u32: 4294967295,
      i32: -1,
      f32: 0.5,
      bool: true,
      u64: 2n ** 64n - 1n,
      i64: -5,
      f64: 0.5,
      strings: ['a', 'é'],
      numbers: Int32Array.of(7, -1),
      bools: Uint8Array.of(1, 0),
      nested: [Uint8Array.of(9), ['x']],
    });
    expect([...tensors.values()].map(({ name, storage, shape }) => [name, storage, shape])).toEqual(
      [
        ['token_embd.weight', 'Q8_0', [4, 32]],
        ['norm', 'F32', [8]],
        ['q', 'Q4_1', [2, 64]],
        ['cube', 'F16', [2, 3, 4]],
      ],
    );
  });

  it("gives offsets that count from the file's start", () => {
    const bytes = richGguf();
    const entry = requireTensor(parse(bytes), 'cube', [2, 3, 4]);
    expect(entry.byteLength).toBe(48);
    // The data counts up from 0, so that the tensor's first byte says its offset in the data.
    expect(bytes[entry.byteOffset]).toBe(288 % 256);
    expect(entry.byteOffset + 64).toBe(bytes.length);
  });

  it('takes another alignment', () => {
    const tensor = { name: 'a', dims: [1], type: 0, offset: 64 };
    const file = ggufFile([uint32('general.alignment', 64)], [tensor], 68, { alignment: 64 });
    expect(parse(file).tensors.get('a')?.byteOffset).toBe(file.length - 4);
  });

  const tensor = (change: Partial<TestTensor>): Uint8Array =>
    ggufFile([], [{ name: 't', dims: [32], type: 0, offset: 0, ...change }], 128);
  const two = (offset: number): Uint8Array =>
    ggufFile(
      [],
      [
        { name: 'a', dims: [16], type: 0, offset: 0 },
        { name: 'b', dims: [16], type: 0, offset },
      ],
      128,
    );

  it.each<[string, Uint8Array, RegExp]>([
    [
      'an empty file',
      new Uint8Array(),
      /magic number at byte 0: expected 4 more bytes, found 0 left/,
    ],
    ['another magic number', new Uint8Array(24), /expected the letters 'GGUF'.*found 0x00000000/],
    ['version 1', start().bytes().with(4, 1), /version at byte 4: .* found version 1/],
    ['big-endian numbers', start().bytes().with(4, 0).with(7, 3), /found a big-endian file/],
    [
      'too many tensors',
      start()
        .u64(2n ** 60n)
        .u64(0)
        .bytes(),
      /number of tensors at byte 8/,
    ],
    ['too many keys', start().u64(0).u64(9).bytes(), /number of metadata keys .* found 9/],
    [
      'a long key',
      start()
        .u64(0)
        .u64(1)
        .u64(2n ** 63n)
        .raw(new Uint8Array(40))
        .bytes(),
      /length of metadata key 0/,
    ],
    [
      'a key twice',
      ggufFile([text('a', ''), text('a', '')], [], 0),
      /each key once, found "a" twice/,
    ],
    [
      'a type beyond the last',
      ggufFile([{ key: 'a', type: 13, write: (to) => to }], [], 0),
      /type of metadata "a" .* found 13/,
    ],
    ['a boolean of 2', ggufFile([{ key: 'a', type: 7, write: (to) => to.u8(2) }], [], 0), /0 or 1/],
    [
      'text that is not UTF-8',
      ggufFile([{ key: 'a', type: 8, write: (to) => to.u64(1).u8(255) }], [], 0),
      /not UTF-8/,
    ],
    [
      'a long array',
      ggufFile([{ key: 'a', type: 9, write: (to) => to.u32(4).u64(2n ** 40n) }], [], 0),
      /length of metadata "a"/,
    ],
    [
      'an array too deep',
      ggufFile(
        [
          {
            key: 'a',
            type: 9,
            write: (to) =>
              [9, 9, 9, 9]
                .reduce((b, x) => b.u32(x).u64(1), to)
                .u32(0)
                .u64(0),
          },
        ],
        [],
        0,
      ),
      /nested at most 4 deep/,
    ],
    [
      'an alignment of 48',
      ggufFile([uint32('general.alignment', 48)], [], 0),
      /a power of two .* found 48/,
    ],
    ['no dimensions', tensor({ dims: [] }), /tensor "t": expected 1 to 4 dimensions, found 0/],
    ['five dimensions', tensor({ dims: [1, 1, 1, 1, 1] }), /found 5/],
    ['a dimension of 0', tensor({ dims: [0] }), /dimensions from 1 .* found 0/],
    ['a product beyond 2^53', tensor({ dims: [2 ** 40, 2 ** 40] }), /fewer than 2\^53 numbers/],
    ['a type that ggml dropped', tensor({ type: 4 }), /a ggml type that is in use, found type 4/],
    [
      'a row that is no multiple of the block',
      tensor({ type: 8, dims: [33] }),
      /multiple of 32 numbers \(Q8_0\), found 33/,
    ],
    [
      'an offset off the alignment',
      tensor({ offset: 4, dims: [1] }),
      /divisible by the alignment 32, found 4/,
    ],
    [
      'an offset beyond the file',
      tensor({ offset: 128 }),
      /128 bytes at 128 of the data, found 128/,
    ],
    ['an offset beyond 2^53', tensor({ offset: 2n ** 63n }), /an offset inside the file/],
    ['more data than there is', tensor({ dims: [33] }), /132 bytes at 0 of the data, found 128/],
    ['tensors that overlap', two(32), /tensor "b": expected bytes of its own .* inside "a"/],
    [
      'a name twice',
      ggufFile(
        [],
        [0, 64].map((offset) => ({ name: 'a', dims: [16], type: 0, offset })),
        128,
      ),
      /each name once, found "a" twice/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(CheckpointError);
    expect(() => parse(bytes)).toThrow(message);
    expect(() => parse(bytes)).toThrow(/^x\.gguf: /);
  });

  it('refuses every truncation of a valid file', () => {
    const bytes = richGguf();
    const data = parse(bytes).tensors.get('cube');
    const needed = (data?.byteOffset ?? 0) + (data?.byteLength ?? 0);
    for (let length = 0; length < needed; length++) {
      expect(() => parse(bytes.subarray(0, length)), `${length} bytes`).toThrow(CheckpointError);
    }
    expect(parse(bytes.subarray(0, needed)).tensors.size).toBe(4);
  });

  it('lists a tensor that nothing decodes, and says so when it is asked for', () => {
    const file = parse(tensor({ type: 10, dims: [256] }));
    expect(file.tensors.get('t')?.storage).toBe('Q2_K');
    expect(() => requireTensor(file, 't')).toThrow(/tensor t: .*Q2_K, which is not supported/);
    expect(() => requireTensor(file, 'none')).toThrow(/tensor none: expected it to be in the file/);
    expect(() => requireTensor(file, 't', [2, 128])).toThrow(/shape \[2, 128\], found \[256\]/);
  });
});
