import type { ChartOptions } from './coverage.js';
import type { Figure } from './figure.js';
import { lines } from './lines.js';

/** Generation speed measured at one batch size. */
export interface ThroughputPoint {
  /** Sequences decoded together. */
  readonly batch: number;
  /** New tokens of all sequences together, per second. */
  readonly tokensPerSecond: number;
  /** Slowest and fastest of several runs, where there were several. */
  readonly low?: number;
  readonly high?: number;
  /** The model or engine measured, where there are several. */
  readonly series?: string;
}

/** Tokens per second against batch size, on a scale of powers of two: the paper's Figure 2. */
export function throughput(points: readonly ThroughputPoint[], options: ChartOptions = {}): Figure {
  return lines(
    points.map(({ batch, tokensPerSecond, ...rest }) => ({
      x: batch,
      y: tokensPerSecond,
      ...rest,
    })),
    {
      title: 'Throughput against batch size',
      ...options,
      x: { title: 'Batch size (sequences)', scale: 'log2' },
      y: { title: 'Throughput (tokens/s)', zero: true },
    },
  );
}
