/** What a run took. */

/** A batch that became smaller, because memory ended. */
export interface Shrink {
  /** Rows before. */
  readonly from: number;
  /** Rows from then on. */
  readonly to: number;
  /** What the engine said. */
  readonly reason: string;
}

/** Counts and times of a sampling run so far. */
export interface RunStats {
  readonly wallMs: number;
  /** Reading prompts. */
  readonly prefillMs: number;
  /**
   * Decode steps, each from when it was its turn until its draws were there; a step none of whose draws
   * counted is left out, here and in `steps`.
   */
  readonly decodeMs: number;
  /** Tokens of the prompts that were read; a prompt's samples share one reading. */
  readonly promptTokens: number;
  /** Tokens drawn. */
  readonly tokens: number;
  readonly completions: number;
  readonly steps: number;
  /** Share of the batch's rows that were in use, on average over the steps. */
  readonly occupancy: number;
  /** Where memory ended on the way and the run went on with fewer rows. */
  readonly shrunk: readonly Shrink[];
}

/** Adds up a run. */
export class RunCounter {
  private readonly start = performance.now();
  private end: number | undefined;
  private prefillMs = 0;
  private decodeMs = 0;
  private promptTokens = 0;
  private tokens = 0;
  private completions = 0;
  private steps = 0;
  private rowSteps = 0;
  private placeSteps = 0;
  private readonly shrunk: Shrink[] = [];

  constructor(private rows: number) {}

  prefill(tokens: number, milliseconds: number): void {
    this.promptTokens += tokens;
    this.prefillMs += milliseconds;
  }

  step(rows: number, milliseconds: number): void {
    this.steps++;
    this.rowSteps += rows;
    this.placeSteps += this.rows;
    this.decodeMs += milliseconds;
  }

  completion(tokens: number): void {
    this.completions++;
    this.tokens += tokens;
  }

  shrink(shrink: Shrink): void {
    this.shrunk.push(shrink);
    this.rows = shrink.to;
  }

  /** The run is over. */
  stop(): void {
    this.end ??= performance.now();
  }

  stats(): RunStats {
    const { prefillMs, decodeMs, promptTokens, tokens, completions, steps } = this;
    const wallMs = (this.end ?? performance.now()) - this.start;
    const occupancy = steps === 0 ? 0 : this.rowSteps / this.placeSteps;
    const shrunk = [...this.shrunk];
    const counts = { promptTokens, tokens, completions, steps, occupancy };
    return { wallMs, prefillMs, decodeMs, ...counts, shrunk };
  }
}
