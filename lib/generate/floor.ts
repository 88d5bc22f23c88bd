import type { MachineRates } from '../backend/limits.js';
import type { StepWork } from '../models/index.js';

/** The shortest possible decode step of a machine, by each of its two limits. */
export interface Floor {
  readonly arithmeticMs: number;
  readonly memoryMs: number;
  /** The longer of the two. */
  readonly bound: 'arithmetic' | 'memory';
}

/** A step's work over the machine's rates. */
export function floorOf(work: StepWork, batch: number, rates: MachineRates): Floor {
  const arithmeticMs = (1e3 * batch * work.flopsPerToken) / rates.flopsPerSecond;
  const memoryMs = (1e3 * work.bytesPerStep) / rates.bytesPerSecond;
  return {
    arithmeticMs,
    memoryMs,
    bound: arithmeticMs > memoryMs ? 'arithmetic' : 'memory',
  };
}
