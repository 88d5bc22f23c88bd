/**
 * How tensors are stored: numbers per block and bytes per block.
 *
 * Plain types have one number per block. The others are the block formats of ggml: a group of
 * numbers shares its scales (github.com/ggml-org/ggml, `ggml-common.h` and `docs/gguf.md`).
 */
const layouts = {
  F64: { block: 1, bytes: 8 },
  F32: { block: 1, bytes: 4 },
  F16: { block: 1, bytes: 2 },
  BF16: { block: 1, bytes: 2 },
  F8_E4M3: { block: 1, bytes: 1 },
  F8_E5M2: { block: 1, bytes: 1 },
  I8: { block: 1, bytes: 1 },
  I16: { block: 1, bytes: 2 },
  I32: { block: 1, bytes: 4 },
  I64: { block: 1, bytes: 8 },
  U8: { block: 1, bytes: 1 },
  U16: { block: 1, bytes: 2 },
  U32: { block: 1, bytes: 4 },
  U64: { block: 1, bytes: 8 },
  BOOL: { block: 1, bytes: 1 },
  Q4_0: { block: 32, bytes: 18 },
  Q4_1: { block: 32, bytes: 20 },
  Q5_0: { block: 32, bytes: 22 },
  Q5_1: { block: 32, bytes: 24 },
  Q8_0: { block: 32, bytes: 34 },
  Q2_K: { block: 256, bytes: 84 },
  Q3_K: { block: 256, bytes: 110 },
  Q4_K: { block: 256, bytes: 144 },
  Q5_K: { block: 256, bytes: 176 },
  Q6_K: { block: 256, bytes: 210 },
  Q8_K: { block: 256, bytes: 292 },
  IQ2_XXS: { block: 256, bytes: 66 },
  IQ2_XS: { block: 256, bytes: 74 },
  IQ2_S: { block: 256, bytes: 82 },
  IQ3_XXS: { block: 256, bytes: 98 },
  IQ3_S: { block: 256, bytes: 110 },
  IQ1_S: { block: 256, bytes: 50 },
  IQ1_M: { block: 256, bytes: 56 },
  IQ4_NL: { block: 32, bytes: 18 },
  IQ4_XS: { block: 256, bytes: 136 },
  TQ1_0: { block: 256, bytes: 54 },
  TQ2_0: { block: 256, bytes: 66 },
  MXFP4: { block: 32, bytes: 17 },
  NVFP4: { block: 64, bytes: 36 },
  Q1_0: { block: 128, bytes: 18 },
} as const satisfies Record<string, { block: number; bytes: number }>;

/** The name of a way to store numbers, as GGUF and safetensors spell it. */
export type Storage = keyof typeof layouts;

/** Storages whose numbers can be decoded here (the rest are only listed). */
export type FloatStorage = 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'Q4_1' | 'Q4_K' | 'Q6_K';

const floats: ReadonlySet<Storage> = new Set<FloatStorage>([
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_1',
  'Q4_K',
  'Q6_K',
]);

const integers: ReadonlySet<Storage> = new Set<Storage>([
  'I8',
  'I16',
  'I32',
  'I64',
  'U8',
  'U16',
  'U32',
  'U64',
  'BOOL',
]);

/** Whether weights of this storage can be turned into float32. */
export function isFloatStorage(storage: Storage): storage is FloatStorage {
  return floats.has(storage);
}

/** Whether anything here can read numbers of this storage. */
export function isSupported(storage: Storage): boolean {
  return floats.has(storage) || integers.has(storage);
}

/** Numbers per block and bytes per block. */
export function layoutOf(storage: Storage): { readonly block: number; readonly bytes: number } {
  return layouts[storage];
}

/** The storage that a ggml type number stands for, if it is one of today's. */
export function storageOfGgmlType(type: number): Storage | undefined {
  return ggmlTypes[type];
}

const ggmlTypes: Readonly<Record<number, Storage>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  8: 'Q8_0',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  30: 'BF16',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
  41: 'Q1_0',
};

/** The product of the dimensions, or undefined where a JavaScript number cannot hold it. */
export function elementCount(shape: readonly number[]): number | undefined {
  // With a zero dimension the others may be anything, but their product still has to be a size.
  let count = 1;
  let nonZero = 1;
  for (const size of shape) {
    count *= size;
    nonZero *= Math.max(size, 1);
    if (!Number.isSafeInteger(nonZero)) return undefined;
  }
  return count;
}
