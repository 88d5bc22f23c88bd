import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dequantize } from '../../../lib/models/files/dequantize.js';
import { type FloatStorage, layoutOf } from '../../../lib/models/files/storage.js';

// Written by test/goldens/smollm2.py with gguf-py.
const path = new URL('../../goldens/dequantize.json', import.meta.url);
const goldens = Object.entries(
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, { bytes: string; float32: string }>,
) as [FloatStorage, { bytes: string; float32: string }][];

function floats(base64: string): number[] {
  const bytes = Buffer.from(base64, 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

describe('dequantize', () => {
  it.each(goldens)('reads %s as gguf-py does', (storage, golden) => {
    const expected = floats(golden.float32);
    const bytes = Buffer.from(golden.bytes, 'base64');
    expect(bytes.length).toBe(
      (expected.length / layoutOf(storage).block) * layoutOf(storage).bytes,
    );
    expect([...dequantize(storage, bytes, expected.length)]).toEqual(expected);
  });

  it('reads the special values of half precision', () => {
    const bits = Uint16Array.of(0x7c00, 0xfc00, 0x0001, 0x8000, 0x3c00, 0x7bff);
    const values = dequantize('F16', new Uint8Array(bits.buffer), 6);
    expect([...values]).toEqual([Infinity, -Infinity, 2 ** -24, -0, 1, 65504]);
    expect(dequantize('F16', Uint8Array.of(0, 0x7e), 1)[0]).toBeNaN();
    expect(dequantize('BF16', Uint8Array.of(0xc0, 0x7f), 1)[0]).toBeNaN();
  });

  it('refuses part of a block and too few bytes', () => {
    expect(() => dequantize('Q8_0', new Uint8Array(34), 31)).toThrow(/a multiple of 32, got 31/);
    expect(() => dequantize('Q6_K', new Uint8Array(209), 256)).toThrow(/at least 210, got 209/);
  });
});
