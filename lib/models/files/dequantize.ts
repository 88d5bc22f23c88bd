import { type FloatStorage, layoutOf } from './storage.js';

/**
 * Decodes stored numbers to float32, plainly and slowly: the reference for the engine's kernels,
 * and enough for tools.
 *
 * The block formats (ggml's `ggml-quants.c`), with d and m half-precision scales of a block:
 * - Q8_0, 32 numbers: d, 32 int8 q; x = d q.
 * - Q4_0, 32 numbers: d, 16 bytes; x = d (q - 8). Low nibbles are the first 16 numbers, high
 *   nibbles the last 16.
 * - Q4_1, 32 numbers: d, m, 16 bytes as in Q4_0; x = d q + m.
 * - Q4_K, 256 numbers in 8 groups of 32: d, m, 12 bytes of eight 6-bit scales s and eight 6-bit
 *   minima t, 128 bytes; x = d s q - m t. Bytes 32 g .. 32 g + 31 hold group 2g in the low and
 *   group 2g + 1 in the high nibbles.
 * - Q6_K, 256 numbers in 16 groups of 16: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16
 *   int8 scales s, d; x = d s (q - 32).
 *
 * @param bytes at least the bytes of `count` numbers; more are ignored.
 * @param count a multiple of the storage's block.
 * @throws RangeError when `count` is not such a multiple or `bytes` is too short.
 */
export function dequantize(storage: FloatStorage, bytes: Uint8Array, count: number): Float32Array {
  const { block, bytes: blockBytes } = layoutOf(storage);
  if (!Number.isSafeInteger(count) || count < 0 || count % block !== 0) {
    throw new RangeError(`dequantize: count: expected a multiple of ${block}, got ${count}`);
  }
  const blocks = count / block;
  if (bytes.length < blocks * blockBytes) {
    const need = blocks * blockBytes;
    throw new RangeError(`dequantize: bytes: expected at least ${need}, got ${bytes.length}`);
  }
  const out = new Float32Array(count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decode = decoders[storage];
  for (let b = 0; b < blocks; b++) decode(view, b * blockBytes, out, b * block);
  return out;
}

type BlockDecoder = (view: DataView, at: number, out: Float32Array, to: number) => void;

const decoders: Readonly<Record<FloatStorage, BlockDecoder>> = {
  F32: (view, at, out, to) => {
    out[to] = view.getFloat32(at, true);
  },
  F16: (view, at, out, to) => {
    out[to] = float16(view, at);
  },
  BF16: (view, at, out, to) => {
    pattern[0] = view.getUint16(at, true) << 16;
    out[to] = patternAsFloat[0] ?? 0;
  },
  Q8_0: (view, at, out, to) => {
    const d = float16(view, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * view.getInt8(at + 2 + i);
  },
  Q4_0: (view, at, out, to) => {
    const d = float16(view, at);
    for (let i = 0; i < 16; i++) {
      const pair = view.getUint8(at + 2 + i);
      out[to + i] = d * ((pair & 15) - 8);
      out[to + 16 + i] = d * ((pair >> 4) - 8);
    }
  },
  Q4_1: (view, at, out, to) => {
    const d = float16(view, at);
    const m = float16(view, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = view.getUint8(at + 4 + i);
      out[to + i] = Math.fround(d * (pair & 15)) + m;
      out[to + 16 + i] = Math.fround(d * (pair >> 4)) + m;
    }
  },
  Q4_K: (view, at, out, to) => {
    const d = float16(view, at);
    const m = float16(view, at + 2);
    for (let group = 0; group < 8; group++) {
      const [s, t] = scaleAndMinimum(view, at + 4, group);
      const scale = Math.fround(d * s);
      const minimum = Math.fround(m * t);
      const shift = (group & 1) * 4;
      const from = at + 16 + (group >> 1) * 32;
      for (let i = 0; i < 32; i++) {
        const q = (view.getUint8(from + i) >> shift) & 15;
        out[to + group * 32 + i] = Math.fround(scale * q) - minimum;
      }
    }
  },
  Q6_K: (view, at, out, to) => {
    const d = float16(view, at + 208);
    for (let i = 0; i < 256; i++) {
      // Each half of 128 numbers has 64 low bytes and 32 high bytes; its quarters of 32 numbers
      // take the nibbles in the order low 0-31, low 32-63, high 0-31, high 32-63.
      const half = i >> 7;
      const quarter = (i >> 5) & 3;
      const j = i & 31;
      const lowByte = view.getUint8(at + half * 64 + (quarter & 1) * 32 + j);
      const highByte = view.getUint8(at + 128 + half * 32 + j);
      const low = (lowByte >> ((quarter >> 1) * 4)) & 15;
      const high = (highByte >> (quarter * 2)) & 3;
      const scale = Math.fround(d * view.getInt8(at + 192 + (i >> 4)));
      out[to + i] = scale * ((low | (high << 4)) - 32);
    }
  },
};

/**
 * The 6-bit scale and minimum of a Q4_K group, out of the 12 bytes at `at`. Groups 0 to 3 have
 * them in the low six bits of bytes 0 to 3 and 4 to 7; groups 4 to 7 have their low four bits in
 * the two nibbles of bytes 8 to 11 and their high two bits on top of the former.
 */
function scaleAndMinimum(view: DataView, at: number, group: number): [number, number] {
  const byte = (i: number): number => view.getUint8(at + i);
  if (group < 4) return [byte(group) & 63, byte(group + 4) & 63];
  const low = byte(group + 4);
  return [(low & 15) | ((byte(group - 4) >> 6) << 4), (low >> 4) | ((byte(group) >> 6) << 4)];
}

const pattern = new Uint32Array(1);
const patternAsFloat = new Float32Array(pattern.buffer);

function float16(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
