/** A run's measurements, a JSON line for each step. */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { writeAtomic } from '../../results/write-atomic.js';

/** What is known of a training step. */
export interface StepMetrics {
  /** Counted from 1: the first step's is 1. */
  readonly step: number;
  readonly loss: number;
  /** Of all gradients together, before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Tokens read so far. */
  readonly tokens: number;
  /** Labels that counted so far. */
  readonly lossTokens: number;
  /** Of this step, its data included. */
  readonly tokensPerSecond: number;
  /** Bytes that the engine holds. */
  readonly memoryBytes: number;
  /** Losses by part, where there are several. */
  readonly parts?: Readonly<Record<string, number>>;
  /** What evaluations after this step measured. */
  readonly evaluation?: Readonly<Record<string, number>>;
}

/** Appends measurements to a file; a half-written last line is dropped when it is opened. */
export class MetricsFile {
  private readonly handle: number;
  /** What the file had up to the step at which the run goes on. */
  readonly before: readonly StepMetrics[];

  /** @param step lines of later steps are dropped: those steps are made again. */
  constructor(path: string, step: number) {
    this.before = readMetrics(path).filter((metrics) => metrics.step <= step);
    writeAtomic(path, this.before.map((metrics) => `${JSON.stringify(metrics)}\n`).join(''));
    this.handle = openSync(path, 'a');
  }

  append(metrics: StepMetrics): void {
    writeSync(this.handle, `${JSON.stringify(metrics)}\n`);
  }

  close(): void {
    closeSync(this.handle);
  }
}

/** The measurements of a run, from the first step to the last; an unfinished last line is left out. */
export function readMetrics(path: string): StepMetrics[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line, i) => {
    if (line === '') return [];
    try {
      return [JSON.parse(line) as StepMetrics];
    } catch {
      if (i === lines.length - 1) return [];
      throw new Error(`${path}: line ${i + 1} is no JSON`);
    }
  });
}
