/**
 * The engine's addon as TypeScript sees it: where the binary is, and the types of its entries.
 *
 * Entries throw an `Error` with a sentence that names the operation, shapes and sizes.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isBundle } from '#setup/places.mjs';

/** What `init` found. */
export interface EngineInfo {
  /** Where tensors live: `cpu` or `cuda`. */
  device: 'cpu' | 'cuda';
  /** The device's own name, where it is not the processor. */
  deviceName?: string;
  threads: number;
  /** Instruction set in use: `portable`, `avx2` or `avx512`. */
  isa: string;
  limitBytes: number;
}

/**
 * Bytes and counts of the engine's memory. `busyNanos` is time spent in kernels, on a device in asking
 * for them; `programMillis` is what captured programs took of a CUDA device, 0 on the processor.
 */
export interface MemoryInfo {
  liveBuffers: number;
  liveBytes: number;
  idleBytes: number;
  programBytes: number;
  mappedBytes: number;
  peakBytes: number;
  limitBytes: number;
  programs: number;
  ops: number;
  busyNanos: number;
  programMillis: number;
}

/** All calls of one operation with tensors of the same shapes. */
export interface ProfiledOp {
  op: string;
  /** Storage and shape of its tensors, inputs before outputs. */
  shapes: string;
  calls: number;
  ms: number;
}

/** The N-API entries of `lib/native/src/bindings.rs`. */
export interface Addon {
  init(threads: number, limitBytes: number, device: string, ordinal: number): EngineInfo;
  fallbacks(): { op: string; count: number }[];
  synchronize(): void;
  compileKernels(architecture: string, formats?: string[]): string[];
  detectIsa(): string;
  opNames(): string[];
  storageNames(): string[];
  commandBuffer(): Float64Array;
  exec(words: number): void;
  alloc(bytes: number): number;
  free(handle: number): void;
  write(handle: number, offset: number, bytes: Uint8Array): void;
  read(handle: number, offset: number, target: Uint8Array): void;
  readBegin(handle: number, offset: number, bytes: number): number;
  readEnd(read: number, target: Uint8Array): void;
  readDrop(read: number): void;
  mapFile(path: string): { handle: number; bytes: number };
  view(handle: number): ArrayBuffer;
  memory(): MemoryInfo;
  profileBegin(): void;
  profileEnd(): ProfiledOp[];
  trim(): void;
  captureBegin(): void;
  captureEnd(): number;
  captureAbort(): void;
  capturing(): boolean;
  replay(program: number): void;
  programFree(program: number): void;
}

/** The folder of mambalab's own package.json, from a source or a built file. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const up = dirname(folder);
    if (up === folder) throw new Error('mambalab: its own package.json was not found');
    folder = up;
  }
  return folder;
}

let loaded: Addon | undefined;

/**
 * Loads the addon: `MAMBALAB_NATIVE` if set, else `lib/native/mambalab.node` of the package.
 *
 * @throws Error that says how to build it where it is missing or does not load.
 */
export function loadAddon(): Addon {
  if (loaded) return loaded;
  const path = process.env.MAMBALAB_NATIVE ?? join(packageRoot(), 'lib/native/mambalab.node');
  if (!existsSync(path)) {
    throw new Error(`mambalab: the engine ${path} is not built; run \`npm run setup\``);
  }
  try {
    loaded = createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    const what = isBundle ? (cause as Error).message : 'run `npm run setup`';
    throw new Error(`mambalab: the engine ${path} does not load; ${what}`, { cause });
  }
  return loaded;
}
