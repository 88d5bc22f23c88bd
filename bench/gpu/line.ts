/** What the benchmarks on a GPU print: a JSON line for every measurement. */

/** One measurement beside its limit and its peer. */
export interface GpuLine {
  readonly bench: string;
  /** The model or the kernel, with its sizes. */
  readonly model: string;
  /** What was computed with: how weights and products are kept. */
  readonly precision: string;
  readonly batch: number;
  /** Tokens that a row has seen, or the length of a sequence. */
  readonly context: number;
  readonly ms: number;
  /** The shortest time that this device's measured rates allow. */
  readonly floorMs: number;
  /** `floorMs / ms`. */
  readonly share: number;
  /** Who else was timed in the same run; none where nobody was. */
  readonly peer?: string;
  readonly peerMs?: number;
  readonly device: string;
}

/** A batch that the device's memory does not hold. */
export interface GpuOutOfMemory
  extends Pick<GpuLine, 'bench' | 'model' | 'precision' | 'batch' | 'context' | 'device'> {
  /** What it needs and what there is. */
  readonly outOfMemory: string;
}

/** Prints that a batch does not fit. */
export function printOutOfMemory(line: GpuOutOfMemory): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const rounded = (value: number) => Number(value.toPrecision(4));

/** Prints a line, numbers to four digits. */
export function print(line: Omit<GpuLine, 'share'>): void {
  const { ms, floorMs, peerMs } = line;
  const numbers = {
    ms: rounded(ms),
    floorMs: rounded(floorMs),
    share: rounded(floorMs / ms),
    ...(peerMs !== undefined && { peerMs: rounded(peerMs) }),
  };
  process.stdout.write(`${JSON.stringify({ ...line, ...numbers })}\n`);
}

/** Sampling as a whole beside its peer. */
export interface SamplingLine extends Pick<GpuLine, 'bench' | 'model' | 'precision' | 'batch'> {
  /** Tokens of the prompt, tokens that every completion has, completions of a row one after another. */
  readonly prompt: number;
  readonly newTokens: number;
  readonly rounds: number;
  /** New tokens of all rows over the whole time, the prompt's too. */
  readonly tokensPerSecond: number;
  /** Share of the time in which decode steps ran in the engine. */
  readonly stepShare: number;
  readonly peer?: string;
  readonly peerTokensPerSecond?: number;
  readonly device: string;
}

/** Prints a line, numbers to four digits. */
export function printSampling(line: SamplingLine): void {
  const { tokensPerSecond, stepShare, peerTokensPerSecond } = line;
  const numbers = {
    tokensPerSecond: rounded(tokensPerSecond),
    stepShare: rounded(stepShare),
    ...(peerTokensPerSecond !== undefined && { peerTokensPerSecond: rounded(peerTokensPerSecond) }),
  };
  process.stdout.write(`${JSON.stringify({ ...line, ...numbers })}\n`);
}
