/**
 * The scheduler of a run: continuous batching over (prompt, sample) pairs.
 *
 * A prompt is read once and its state copied into the rows of its samples. A row that finishes is
 * refilled from the queue; reading the next prompt waits for at most one decode step. When the
 * queue is empty, the last row moves into the gap and the batch shrinks.
 */
import type { Tokenizer } from '../data/index.js';
import type { CausalModel } from '../models/index.js';
import { type BatchPlan, planBatch, rangeOf } from './batch-plan.js';
import type { Completion, StopReason, TokenEvent } from './completion.js';
import { DecodeBatch, type Draw } from './decode-batch.js';
import type { Settings } from './options.js';
import { forget, type ReadPrompt, readPrompt } from './prompts.js';
import { RunCounter, type RunStats } from './run-stats.js';
import { StopTexts } from './stop-texts.js';

/** First tokens that are drawn together at most: each holds the logits of the vocabulary once. */
const FIRST_DRAWS = 64;

/** Milliseconds after which a run lets other work of the process go on. */
const YIELD_MS = 20;

/** What a run reports as it goes. */
export type RunEvent =
  | { type: 'token'; prompt: number; sample: number; event: TokenEvent }
  | { type: 'completion'; completion: Completion };

interface Row {
  prompt: number;
  sample: number;
  tokens: number[];
  logProb: number;
  texts: StopTexts;
  queueMs: number;
  prefillMs: number;
  startedAt: number;
  shareMs: number;
}

/** The prompt whose samples are begun. */
interface Current {
  readonly index: number;
  readonly read: ReadPrompt;
  readonly queueMs: number;
  /** First tokens that are drawn but not taken, by sample. */
  readonly firsts: Map<number, Draw>;
}

/** One sampling run. Iterate `events` once. */
export class Sampler {
  private readonly start = performance.now();
  private readonly rows: Row[] = [];
  private readonly batch: DecodeBatch;
  private next: number;
  private readonly end: number;
  private current: Current | undefined;
  private readonly out: RunEvent[] = [];

  constructor(
    private readonly model: CausalModel,
    private readonly prompts: readonly (readonly number[])[],
    private readonly settings: Settings,
    private readonly tokenizer: Tokenizer | undefined,
    private readonly wantTokens: boolean,
    plan: BatchPlan = planBatch(model, prompts, settings),
    /** Pairs `prompt * n + sample` that are done already. */
    private readonly finished: ReadonlySet<number> = new Set(),
  ) {
    const { from, to } = rangeOf(prompts, settings);
    this.next = from;
    this.end = to;
    const total = to - from - finished.size;
    const { batchSize, longestRow, longestPrompt } = plan;
    // Under a budget the caches do not grow: for a moment the old and the new would be there.
    const room = settings.memory ? longestRow : Math.min(longestRow, longestPrompt + 64);
    const rows = Math.max(1, Math.min(batchSize, total));
    this.batch = new DecodeBatch(model, rows, settings, room, settings.statePrecision);
    this.capacity = rows;
    this.counter = new RunCounter(rows);
  }

  private readonly capacity: number;
  private readonly counter: RunCounter;

  /** What the run took so far. */
  stats(): RunStats {
    return this.counter.stats();
  }

  async *events(): AsyncGenerator<RunEvent, void, undefined> {
    let breath = performance.now();
    try {
      while (true) {
        this.settings.signal?.throwIfAborted();
        this.fill();
        yield* this.out.splice(0);
        if (this.rows.length === 0) {
          if (this.done()) return;
          continue;
        }
        this.step();
        yield* this.out.splice(0);
        if (performance.now() - breath > YIELD_MS) {
          await new Promise(setImmediate);
          breath = performance.now();
        }
      }
    } finally {
      if (this.current) forget(this.current.read);
      this.batch.dispose();
      this.counter.stop();
    }
  }

  private done(): boolean {
    while (this.finished.has(this.next)) this.next++;
    return this.next >= this.end;
  }

  /** Takes pairs from the queue into free rows. */
  private fill(): void {
    let readOne = false;
    while (this.rows.length < this.capacity && !this.done()) {
      const prompt = Math.floor(this.next / this.settings.n);
      const sample = this.next % this.settings.n;
      if (this.current?.index !== prompt) {
        if (readOne && this.rows.length > 0) return;
        this.read(prompt);
        readOne = true;
      }
      this.next++;
      this.begin(prompt, sample);
      this.settings.signal?.throwIfAborted();
    }
  }

  private read(prompt: number): void {
    if (this.current) forget(this.current.read);
    this.current = undefined;
    const queueMs = performance.now() - this.start;
    const ids = this.prompts[prompt] as readonly number[];
    const read = readPrompt(this.model, ids, this.settings.statePrecision);
    this.counter.prefill(ids.length, read.prefillMs);
    this.current = { index: prompt, read, queueMs, firsts: new Map() };
  }

  /** Starts a pair with the token that the prompt's own logits give. */
  private begin(prompt: number, sample: number): void {
    const current = this.current as Current;
    const { read, queueMs } = current;
    const startedAt = performance.now();
    const texts = new StopTexts(this.settings.stop, this.tokenizer, this.wantTokens);
    const { prefillMs } = read;
    const times = { queueMs, prefillMs, startedAt, shareMs: 0 };
    const row = { prompt, sample, tokens: [], logProb: 0, texts, ...times };
    if (this.accept(row, this.firstOf(current, sample))) return;
    this.batch.fill(this.rows.length, read.state);
    this.rows.push(row);
  }

  /** The first token of a sample; those of the next samples are drawn with it. */
  private firstOf({ index, read, firsts }: Current, sample: number): Draw {
    if (!firsts.has(sample)) {
      const { n, seed } = this.settings;
      const count = Math.min(n - sample, this.end - index * n - sample, FIRST_DRAWS);
      const samples = Array.from({ length: count }, (_, i) => sample + i);
      const keys = samples.map((one) => ({ seed, prompt: index, sample: one, position: 0 }));
      const draws = this.batch.first(read.logits, keys);
      for (const [i, draw] of draws.entries()) firsts.set(samples[i] as number, draw);
    }
    const draw = firsts.get(sample) as Draw;
    firsts.delete(sample);
    return draw;
  }

  private step(): void {
    const inputs = this.rows.map((row) => ({
      token: row.tokens[row.tokens.length - 1] as number,
      seed: this.settings.seed,
      prompt: row.prompt,
      sample: row.sample,
      position: row.tokens.length,
    }));
    const before = performance.now();
    const draws = this.batch.step(inputs);
    const stepMs = performance.now() - before;
    this.counter.step(inputs.length, stepMs);
    for (const row of this.rows) row.shareMs += stepMs / inputs.length;
    // From the back, so that a row moved into a gap has been looked at already.
    for (let i = this.rows.length - 1; i >= 0; i--) {
      if (!this.accept(this.rows[i] as Row, draws[i] as Draw)) continue;
      const last = this.rows.length - 1;
      this.batch.move(last, i);
      this.rows[i] = this.rows[last] as Row;
      this.rows.pop();
    }
  }

  /** Adds a token to its completion; true where that ends it. */
  private accept(row: Row, { token, logProb }: Draw): boolean {
    row.tokens.push(token);
    row.logProb += logProb;
    const isEnd = this.model.config.eosIds.includes(token);
    const text = isEnd ? '' : row.texts.push(token);
    const room =
      this.model.config.contextLength - (this.prompts[row.prompt] as readonly number[]).length;
    const most = Math.min(this.settings.maxNewTokens, room);
    const stopReason: StopReason | undefined = isEnd
      ? 'eos'
      : row.texts.stopped
        ? 'stop'
        : row.tokens.length >= most
          ? 'length'
          : undefined;
    if (this.wantTokens) {
      const rest = stopReason ? text + row.texts.flush() : text;
      const event = { token, text: rest, logProb };
      this.out.push({ type: 'token', prompt: row.prompt, sample: row.sample, event });
    }
    if (!stopReason) return false;
    this.counter.completion(row.tokens.length);
    this.out.push({ type: 'completion', completion: this.complete(row, stopReason) });
    return true;
  }

  private complete(row: Row, stopReason: StopReason): Completion {
    const { prompt, sample, tokens, logProb, queueMs, prefillMs, startedAt, shareMs } = row;
    const kept = stopReason === 'eos' ? tokens.slice(0, -1) : tokens;
    const text = row.texts.finalText(kept);
    const decodeMs = performance.now() - startedAt;
    return {
      prompt,
      sample,
      tokens,
      text,
      logProb,
      stopReason,
      timing: { queueMs, prefillMs, decodeMs, shareMs },
    };
  }
}
