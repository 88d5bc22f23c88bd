import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../../lib/models/files/checkpoint.js';
import { CheckpointError } from '../../../lib/models/files/errors.js';
import { readHuggingFaceFolder } from '../../../lib/models/files/huggingface.js';
import { parseSafetensors } from '../../../lib/models/files/safetensors.js';
import { memorySource } from '../../../lib/models/files/source.js';
import { folderWith } from '../../data/temporary.js';
import { richSafetensors, safetensorsFile } from './safetensors-bytes.js';

const parse = (bytes: Uint8Array) => parseSafetensors(memorySource('x.safetensors', bytes));
const one = (entry: object, dataBytes = 8) => safetensorsFile({ t: entry }, dataBytes);
const pair = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

describe('readSafetensors', () => {
  it('reads types, shapes, places and metadata', () => {
    const bytes = richSafetensors();
    const { tensors, metadata } = parse(bytes);
    expect([...metadata]).toEqual([['format', 'pt']]);
    const dataStart = bytes.length - 43;
    expect(tensors.get('b')).toEqual({
      name: 'b',
      storage: 'BF16',
      shape: [4],
      byteOffset: dataStart + 24,
      byteLength: 8,
      path: 'x.safetensors',
    });
    expect(tensors.get('scalar')?.shape).toEqual([]);
    expect(tensors.get('empty')?.byteLength).toBe(0);
    expect(tensors.get('flags')?.storage).toBe('BOOL');
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(), /length of the header/],
    [
      'a header longer than the file',
      safetensorsFile({}, 0).with(0, 9),
      /length of the header .* found 9/,
    ],
    ['a header that is no JSON', safetensorsFile('{"t":', 0), /header: expected one JSON object/],
    ['a header that is a list', safetensorsFile([], 0), /one JSON object, found \[\]/],
    ['a tensor that is no object', safetensorsFile({ t: 1 }, 0), /tensor "t": expected an object/],
    ['an unknown type', one({ ...pair, dtype: 'F4' }), /a dtype of F64, .* found "F4"/],
    ['a type named like a method', one({ ...pair, dtype: 'toString' }), /found "toString"/],
    ['a negative size', one({ ...pair, shape: [-2] }), /a shape .* found \[-2\]/],
    ['a size that is a fraction', one({ ...pair, shape: [0.5] }), /found \[0\.5\]/],
    [
      'a product beyond 2^53',
      one({ ...pair, shape: [2 ** 40, 2 ** 40] }),
      /fewer than 2\^53 bytes/,
    ],
    [
      'offsets that are no pair',
      one({ ...pair, data_offsets: [0] }),
      /data_offsets \[begin, end\]/,
    ],
    ['offsets the wrong way round', one({ ...pair, data_offsets: [8, 0] }), /within 8 bytes/],
    ['offsets beyond the file', one({ ...pair, data_offsets: [8, 16] }), /within 8 bytes/],
    ['offsets that do not fit the shape', one({ ...pair, data_offsets: [0, 4] }), /8 bytes apart/],
    ['bytes that no tensor has', one(pair, 12), /data: expected 8 bytes, .* found 12 bytes/],
    [
      'overlapping tensors',
      safetensorsFile({ a: pair, b: { ...pair, data_offsets: [4, 12] } }, 12),
      /tensor "b": .* inside "a"/,
    ],
    [
      'a name twice',
      safetensorsFile(`{"t":${JSON.stringify(pair)},"t":${JSON.stringify(pair)}}`, 8),
      /"t" twice/,
    ],
    [
      'a name twice, one escaped',
      safetensorsFile(`{"t":${JSON.stringify(pair)},"\\u0074":${JSON.stringify(pair)}}`, 8),
      /"t" twice/,
    ],
    [
      'metadata that are no strings',
      safetensorsFile({ __metadata__: { a: 1 } }, 0),
      /"__metadata__"/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(CheckpointError);
    expect(() => parse(bytes)).toThrow(message);
  });

  it('refuses every truncation of a valid file', () => {
    const bytes = richSafetensors();
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parse(bytes.subarray(0, length)), `${length} bytes`).toThrow(CheckpointError);
    }
  });
});

describe('readHuggingFaceFolder', () => {
  const shards = {
    'config.json': '{"model_type":"llama"}',
    'model-1.safetensors': safetensorsFile({ a: pair }, 8),
    'model-2.safetensors': safetensorsFile({ b: pair, c: { ...pair, data_offsets: [8, 16] } }, 16),
  };
  const index = (map: object) => JSON.stringify({ metadata: {}, weight_map: map });
  const sharded = (map: object) =>
    folderWith({ ...shards, 'model.safetensors.index.json': index(map) });

  it('puts shards together by their index', () => {
    const folder = sharded({ a: 'model-1.safetensors', b: 'model-2.safetensors' });
    const file = readHuggingFaceFolder(folder);
    expect(file.config).toEqual({ model_type: 'llama' });
    expect([...file.tensors.keys()]).toEqual(['a', 'b']);
    expect(file.tensors.get('b')?.path).toBe(join(folder, 'model-2.safetensors'));
    expect(readCheckpoint(folder).format).toBe('huggingface');
  });

  it.each<[string, object, RegExp]>([
    [
      'a tensor that its shard lacks',
      { b: 'model-1.safetensors' },
      /at "b": expected the tensor in/,
    ],
    [
      'a shard that is not there',
      { a: 'model-3.safetensors' },
      /model-3\.safetensors: .*no such file/,
    ],
    [
      'a shard in another folder',
      { a: '../model-1.safetensors' },
      /a safetensors file name, found/,
    ],
    ['a shard that is no name', { a: 3 }, /a safetensors file name, found 3/],
  ])('refuses an index with %s', (_, map, message) => {
    expect(() => readHuggingFaceFolder(sharded(map))).toThrow(message);
  });

  it('says what a folder lacks', () => {
    expect(() => readHuggingFaceFolder(folderWith())).toThrow(
      /a config\.json in it, found an empty/,
    );
    expect(() => readHuggingFaceFolder(folderWith({ 'config.json': '{}' }))).toThrow(
      /model\.safetensors or one safetensors file, found config\.json/,
    );
    expect(() => readHuggingFaceFolder(folderWith({ 'config.json': '[]' }))).toThrow(
      /config\.json: content: expected one JSON object, found \[\]/,
    );
    expect(() => readCheckpoint(join(folderWith(), 'none'))).toThrow(/none: .*no such file/);
  });
});
