/**
 * The engine as the backend uses it: buffers with owners, and operations by name.
 *
 * A `NativeBuffer` is a counted reference to one native block; a `View` is a place in it with a
 * storage type. Several views may share a buffer (weights of one mapped file, rows of a state).
 */
import { availableParallelism, totalmem } from 'node:os';
import { type Addon, type EngineInfo, loadAddon, type MemoryInfo } from '../native/addon.js';

/** How a buffer's bytes are to be read; the quantised types are GGUF's blocks along the last axis. */
export type Storage =
  | 'F32'
  | 'I32'
  | 'U8'
  | 'BF16'
  | 'F16'
  | 'Q8_0'
  | 'Q4_0'
  | 'Q4_1'
  | 'Q4_K'
  | 'Q6_K';

const BLOCKS: Record<Storage, readonly [elements: number, bytes: number]> = {
  F32: [1, 4],
  I32: [1, 4],
  U8: [1, 1],
  BF16: [1, 2],
  F16: [1, 2],
  Q8_0: [32, 34],
  Q4_0: [32, 18],
  Q4_1: [32, 20],
  Q4_K: [256, 144],
  Q6_K: [256, 210],
};

/** Bytes of a row-major tensor of this storage. */
export function storageBytes(storage: Storage, shape: readonly number[]): number {
  const [elements, bytes] = BLOCKS[storage];
  const count = shape.reduce((a, b) => a * b, 1);
  return (count / elements) * bytes;
}

/** One native block, freed when the last view lets go. */
export class NativeBuffer {
  private references = 1;

  constructor(
    private readonly addon: Addon,
    readonly handle: number,
  ) {}

  retain(): this {
    this.references++;
    return this;
  }

  release(): void {
    if (--this.references === 0) this.addon.free(this.handle);
  }
}

/** A typed place in a buffer. */
export interface View {
  buffer: NativeBuffer;
  byteOffset: number;
  storage: Storage;
}

/** A view with a shape: what an operation takes. */
export interface Operand extends View {
  shape: readonly number[];
}

/** Settings of `init`. */
export interface EngineOptions {
  /** Threads including the caller's; default `MAMBALAB_THREADS`, else all processors. */
  threads?: number;
  /**
   * Largest sum of buffers in bytes; default `MAMBALAB_MEMORY`, else 80 % of the machine's memory,
   * or 95 % of what is free on a CUDA device.
   */
  memoryLimit?: number;
}

/** Where an engine's buffers live: the processor's memory, or CUDA device number `ordinal`. */
export interface Place {
  device: 'cpu' | 'cuda';
  ordinal: number;
}

function positiveInteger(value: string | number, name: string): number {
  const n = Number(value);
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new Error(`${name} must be a positive integer, got ${JSON.stringify(value)}`);
  }
  return n;
}

function settings(options: EngineOptions, { device }: Place): { threads: number; limit: number } {
  const { MAMBALAB_THREADS, MAMBALAB_MEMORY } = process.env;
  const threads =
    options.threads !== undefined
      ? positiveInteger(options.threads, 'threads')
      : MAMBALAB_THREADS
        ? positiveInteger(MAMBALAB_THREADS, 'MAMBALAB_THREADS')
        : availableParallelism();
  const limit =
    options.memoryLimit !== undefined
      ? positiveInteger(options.memoryLimit, 'memoryLimit')
      : MAMBALAB_MEMORY
        ? positiveInteger(MAMBALAB_MEMORY, 'MAMBALAB_MEMORY')
        : device === 'cuda'
          ? 0
          : Math.floor(totalmem() * 0.8);
  if (threads > 1024) throw new Error(`threads must be at most 1024, got ${threads}`);
  return { threads, limit };
}

/** Commands, buffers and programs of the native engine. One per process. */
export class Engine {
  readonly addon: Addon;
  private readonly words: Float64Array;
  private readonly ops: ReadonlyMap<string, number>;
  private readonly storages: ReadonlyMap<string, number>;
  info: EngineInfo;

  constructor(
    options: EngineOptions = {},
    private readonly place: Place = { device: 'cpu', ordinal: 0 },
  ) {
    const { threads, limit } = settings(options, place);
    this.addon = loadAddon();
    this.info = this.addon.init(threads, limit, place.device, place.ordinal);
    this.words = this.addon.commandBuffer();
    this.ops = new Map(this.addon.opNames().map((name, code) => [name, code]));
    this.storages = new Map(this.addon.storageNames().map((name, code) => [name, code]));
  }

  /** Changes threads or the memory limit of the running engine. */
  configure(options: EngineOptions): void {
    const { device, ordinal } = this.place;
    const { threads, limit } = settings({ threads: this.info.threads, ...options }, this.place);
    this.info = this.addon.init(threads, limit, device, ordinal);
  }

  allocate(bytes: number): NativeBuffer {
    return new NativeBuffer(this.addon, this.addon.alloc(bytes));
  }

  mapFile(path: string): { buffer: NativeBuffer; bytes: number } {
    const { handle, bytes } = this.addon.mapFile(path);
    return { buffer: new NativeBuffer(this.addon, handle), bytes };
  }

  write(view: View, values: ArrayBufferView): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.addon.write(view.buffer.handle, view.byteOffset, bytes);
  }

  read(view: View, target: ArrayBufferView): void {
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    this.addon.read(view.buffer.handle, view.byteOffset, bytes);
  }

  /**
   * Runs one operation. Inputs, then outputs, in the order that the native kernel states.
   *
   * @throws Error naming the operation and what does not fit.
   */
  run(op: string, operands: readonly Operand[], attrs: readonly number[] = []): void {
    const code = this.ops.get(op);
    if (code === undefined) throw new Error(`the native engine has no operation '${op}'`);
    let words = 3 + attrs.length;
    for (const o of operands) words += 4 + o.shape.length;
    const w = this.words;
    if (words > w.length) {
      throw new Error(`${op}: ${operands.length} tensors are more than one command holds`);
    }
    let at = 0;
    w[at++] = code;
    w[at++] = operands.length;
    for (const o of operands) {
      w[at++] = o.buffer.handle;
      w[at++] = o.byteOffset;
      w[at++] = this.storages.get(o.storage) as number;
      w[at++] = o.shape.length;
      for (const d of o.shape) w[at++] = d;
    }
    w[at++] = attrs.length;
    for (const a of attrs) w[at++] = a;
    this.addon.exec(at);
  }

  memory(): MemoryInfo {
    return this.addon.memory();
  }
}
