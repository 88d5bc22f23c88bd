/** What this machine can do at best, measured now: the floor under every benchmark. */
import type { Operand } from './engine.js';
import { nativeBackend } from './init.js';

/** The report of {@link measureLimits}. */
export interface Limits {
  /** Float32 multiply-adds in registers on all threads, 10^9 operations a second. */
  gflops: number;
  /** Reading memory far larger than the caches on all threads, 10^9 bytes a second. */
  readGBs: number;
}

/** The best of a few runs, in seconds. */
export function bestSeconds(body: () => void, runs = 5): number {
  body();
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    body();
    best = Math.min(best, performance.now() - start);
  }
  return best / 1e3;
}

const READ_BYTES = 256 << 20;
const ROUNDS = 2_500_000;

/** Measures for about a second with the engine's threads. */
export function measureLimits(): Limits {
  const { engine } = nativeBackend();
  const elements = READ_BYTES / 4;
  const memory = engine.allocate(READ_BYTES);
  const result = engine.allocate(4);
  try {
    const x: Operand = { buffer: memory, byteOffset: 0, storage: 'F32', shape: [elements] };
    const out: Operand = { buffer: result, byteOffset: 0, storage: 'F32', shape: [1] };
    engine.run('fill', [x], [1]);
    const arithmetic = bestSeconds(() => engine.run('limitArithmetic', [out], [ROUNDS]));
    const millions = new Float32Array(1);
    engine.read(out, millions);
    const reading = bestSeconds(() => engine.run('limitRead', [x, out]));
    return {
      gflops: (millions[0] as number) / 1e3 / arithmetic,
      readGBs: READ_BYTES / 1e9 / reading,
    };
  } finally {
    memory.release();
    result.release();
  }
}
