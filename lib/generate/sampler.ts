/**
 * The scheduler of a run: continuous batching over (prompt, sample) pairs.
 *
 * A prompt is read once and its state copied into the rows of its samples. A row that finishes is
 * refilled from the queue; reading the next prompt waits for at most one decode step. When the
 * queue is empty, last rows move into the gaps and the batch shrinks.
 *
 * On a device the next step is asked for before the draws of the last one are looked at, so that it
 * does not wait for JavaScript. A row that turns out to have ended has then drawn a token too many,
 * which is dropped; a row whose tokens are all asked for leaves at once.
 *
 * Where memory ends on the way, the run goes on with half the rows. The youngest go back into the queue;
 * drawn again later they become the same completions.
 */
import { isOutOfMemory } from '../backend/index.js';
import { isNative, nativeBackend } from '../backend/init.js';
import type { Tokenizer } from '../data/index.js';
import type { CausalModel } from '../models/index.js';
import { type BatchPlan, oneRowError, planBatch, rangeOf } from './batch-plan.js';
import type { Completion, TokenEvent } from './completion.js';
import { DecodeBatch, type FirstTokens } from './decode-batch.js';
import type { Draws } from './draws.js';
import type { Settings } from './options.js';
import { PairQueue } from './pair-queue.js';
import { forget, type ReadPrompt, readPrompt } from './prompts.js';
import { Row } from './row.js';
import { RunCounter, type RunStats, type Shrink } from './run-stats.js';
import { Slots } from './slots.js';
import { StopTexts } from './stop-texts.js';

/** First tokens that are drawn together at most: each holds the logits of the vocabulary once. */
const FIRST_DRAWS = 64;

/** Milliseconds after which a run lets other work of the process go on. */
const YIELD_MS = 20;

/** What a run reports as it goes; the tokens of a row that was put back come again. */
export type RunEvent =
  | { type: 'token'; prompt: number; sample: number; event: TokenEvent }
  | { type: 'completion'; completion: Completion }
  | { type: 'shrink'; shrink: Shrink };

/** Draws that were asked for: draw `places[i]` belongs to `rows[i]`. */
interface Flight {
  readonly draws: Draws;
  readonly rows: readonly Row[];
  /** As the rows themselves where there are none. */
  readonly places?: readonly number[];
  /** When a decode step was asked for, by the decode clock; first tokens come of none. */
  readonly askedAt?: number;
}

/** The first tokens of some samples of a prompt. */
interface Firsts extends FirstTokens {
  readonly from: number;
  readonly to: number;
}

/** The prompt whose samples are begun. */
interface Current {
  readonly index: number;
  readonly read: ReadPrompt;
  readonly queueMs: number;
  firsts: Firsts | undefined;
}

/** One sampling run. Iterate `events` once. */
export class Sampler {
  private readonly start = performance.now();
  private readonly queue: PairQueue;
  private rows: Slots<Row>;
  /** Made when rows are begun, and again where memory ended in the middle of a step. */
  private batch: DecodeBatch | undefined;
  private readonly counter: RunCounter;
  private readonly flights: Flight[] = [];
  private stepsInFlight = 0;
  private lastLanding = 0;
  private readMs = 0;
  private readonly isEos: Uint8Array;
  private readonly end: number;
  private current: Current | undefined;
  private readonly out: RunEvent[] = [];

  constructor(
    private readonly model: CausalModel,
    private readonly prompts: readonly (readonly number[])[],
    private readonly settings: Settings,
    private readonly tokenizer: Tokenizer | undefined,
    private readonly wantTokens: boolean,
    private readonly plan: BatchPlan = planBatch(model, prompts, settings),
    /** Pairs `prompt * n + sample` that are done already. */
    finished: ReadonlySet<number> = new Set(),
    /** Decode steps that are asked for before the draws of an earlier one are looked at. */
    private readonly ahead: number = stepsAhead(),
  ) {
    const { from, to } = rangeOf(prompts, settings);
    this.queue = new PairQueue(from, to, finished);
    this.end = to;
    const rows = Math.max(1, Math.min(plan.batchSize, to - from - finished.size));
    this.rows = new Slots(rows);
    this.counter = new RunCounter(rows);
    this.isEos = new Uint8Array(model.config.vocabSize);
    for (const id of model.config.eosIds) this.isEos[id] = 1;
  }

  /** What the run took so far. */
  stats(): RunStats {
    return this.counter.stats();
  }

  async *events(): AsyncGenerator<RunEvent, void, undefined> {
    let breath = performance.now();
    try {
      while (true) {
        this.settings.signal?.throwIfAborted();
        let failure = this.attempt(() => this.fill());
        if (this.ahead === 0) this.land(0);
        if (!failure && this.rows.count > 0) failure = this.attempt(() => this.step());
        this.land(this.rows.count > 0 ? this.ahead : 0);
        if (this.out.length > 0) yield* this.out.splice(0);
        else if (this.rows.count === 0 && this.flights.length === 0 && this.done()) return;
        if (failure) throw failure;
        if (performance.now() - breath > YIELD_MS) {
          await new Promise(setImmediate);
          breath = performance.now();
        }
      }
    } finally {
      for (const { draws } of this.flights) draws.drop();
      this.forgetPrompt();
      this.batch?.dispose();
      this.counter.stop();
    }
  }

  private done(): boolean {
    return this.queue.first === undefined;
  }

  /** Takes pairs from the queue into free rows. */
  private fill(): void {
    let readOne = false;
    for (let pair = this.queue.first; pair !== undefined; pair = this.queue.first) {
      if (this.rows.free === 0) return;
      const prompt = Math.floor(pair / this.settings.n);
      if (this.current?.index !== prompt) {
        const isBusy = this.rows.count > 0 || this.flights.length > 0;
        if (readOne && isBusy) return;
        this.read(prompt);
        readOne = true;
      }
      this.begin(this.current as Current, pair);
      this.settings.signal?.throwIfAborted();
    }
  }

  private read(prompt: number): void {
    this.forgetPrompt();
    const queueMs = performance.now() - this.start;
    const ids = this.prompts[prompt] as readonly number[];
    const read = readPrompt(this.model, ids, this.settings.statePrecision);
    this.counter.prefill(ids.length, read.prefillMs);
    this.readMs += read.prefillMs;
    this.current = { index: prompt, read, queueMs, firsts: undefined };
  }

  private forgetPrompt(): void {
    if (!this.current) return;
    this.forgetFirsts(this.current);
    forget(this.current.read);
    this.current = undefined;
  }

  /** Flights keep the draws that rows were begun with. */
  private forgetFirsts(current: Current): void {
    current.firsts?.tokens.dispose();
    if (!this.flights.some(({ draws }) => draws === current.firsts?.draws)) {
      current.firsts?.draws.drop();
    }
    current.firsts = undefined;
  }

  /** Starts pairs of the prompt, as many as rows are free, with tokens that the prompt's own logits give. */
  private begin(current: Current, first: number): void {
    const { n, seed } = this.settings;
    const { index, read, queueMs } = current;
    const firsts = this.firstsFrom(current, first % n);
    const { contextLength } = this.model.config;
    const room = contextLength - (this.prompts[index] as readonly number[]).length;
    const most = Math.min(this.settings.maxNewTokens, room);
    const rows: Row[] = [];
    const last = index * n + firsts.to;
    while (rows.length < this.rows.free && (this.queue.first ?? last) < last) {
      const pair = this.queue.shift() as number;
      const texts = new StopTexts(this.settings.stop, this.tokenizer, this.wantTokens);
      const { prefillMs } = read;
      const sample = pair % n;
      rows.push(new Row({ pair, prompt: index, sample, most, texts, queueMs, prefillMs }));
    }
    const samples = rows.map(({ about }) => about.sample);
    const places = samples.map((sample) => sample - firsts.from);
    this.flights.push({ draws: firsts.draws, rows, places });
    if (most === 1) return;
    try {
      this.decoding().fill({
        state: read.state,
        tokens: firsts.tokens,
        fromTokens: places,
        toRows: rows.map((row) => this.rows.add(row)),
        keys: samples.map((sample) => ({ seed, prompt: index, sample, position: 1 })),
      });
    } catch (error) {
      this.putBack(rows);
      throw error;
    }
  }

  private decoding(): DecodeBatch {
    const { settings, plan } = this;
    const { longestRow, longestPrompt } = plan;
    // Under a budget the caches do not grow: for a moment the old and the new would be there.
    const room = settings.memory ? longestRow : Math.min(longestRow, longestPrompt + 64);
    const rows = this.rows.capacity;
    const precision = settings.statePrecision;
    this.batch ??= new DecodeBatch(this.model, rows, settings, room, precision, longestRow);
    return this.batch;
  }

  /** The first tokens of a sample and of those after it. */
  private firstsFrom(current: Current, sample: number): Firsts {
    const { index, read, firsts } = current;
    if (firsts && sample < firsts.to) return firsts;
    this.forgetFirsts(current);
    const { n, seed } = this.settings;
    const count = Math.min(n - sample, this.end - index * n - sample, FIRST_DRAWS);
    const keys = Array.from({ length: count }, (_, i) => {
      return { seed, prompt: index, sample: sample + i, position: 0 };
    });
    const drawn = this.decoding().first(read.logits, keys);
    current.firsts = { ...drawn, from: sample, to: sample + count };
    return current.firsts;
  }

  /** Asks for a step of all rows. */
  private step(): void {
    const batch = this.decoding();
    this.closeGaps(batch);
    const askedAt = this.decodeClock();
    const rows = this.rows.all();
    this.flights.push({ draws: batch.step(rows.length), rows, askedAt });
    this.stepsInFlight++;
    for (const row of rows) if (++row.asked >= row.about.most) this.rows.remove(row);
  }

  private closeGaps(batch: DecodeBatch): void {
    const { from, to } = this.rows.compact();
    batch.move(from, to);
  }

  /**
   * Does what takes memory; where that ends the run shrinks.
   *
   * @returns the error that ends the run, where it has one row already.
   */
  private attempt(body: () => void): Error | undefined {
    try {
      body();
      return undefined;
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      return this.shrink(error);
    }
  }

  private shrink(error: Error): Error | undefined {
    const inUse = this.rows.count;
    this.land(0);
    const hadPrompt = this.current !== undefined;
    this.forgetPrompt();
    const from = this.rows.capacity;
    const to = Math.max(1, Math.floor(from / 2));
    if (from === 1) {
      // What a row in progress needs may be the prompt's memory, or that of a row that has just ended.
      const isFreed = hadPrompt && this.rows.count === 1 && this.batch?.isWhole === true;
      if (!isFreed && this.rows.count === inUse) {
        return oneRowError(error, this.model, this.prompts, this.settings);
      }
    }
    this.rebuild(to);
    if (to === from) return undefined;
    const shrink = { from, to, reason: error.message };
    this.counter.shrink(shrink);
    this.out.push({ type: 'shrink', shrink });
    return undefined;
  }

  /** Makes the batch one of `size` rows; those with the fewest tokens go back into the queue. */
  private rebuild(size: number): void {
    const byTokens = this.rows.items().sort((a, b) => b.tokens.length - a.tokens.length);
    this.putBack(byTokens.slice(size));
    const isCut = this.cutBatch(size);
    if (!isCut) this.putBack(this.rows.items());
    const kept = isCut ? this.rows.all() : [];
    this.rows = new Slots(size);
    for (const row of kept) this.rows.add(row);
  }

  /** Whether the batch has become one of `size` rows and kept those in use; else there is none any more. */
  private cutBatch(size: number): boolean {
    const { batch } = this;
    try {
      if (batch?.isWhole) {
        this.closeGaps(batch);
        batch.truncate(size);
        return true;
      }
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
    }
    batch?.dispose();
    this.batch = undefined;
    return false;
  }

  /** Gives rows' pairs back to the queue. */
  private putBack(rows: readonly Row[]): void {
    for (const row of rows) {
      row.isEnded = true;
      this.rows.remove(row);
      this.queue.putBack(row.about.pair);
    }
  }

  /** Takes the draws of all steps but the last `kept`, and of first tokens before them. */
  private land(kept: number): void {
    while (this.stepsInFlight > kept || (kept === 0 && this.flights.length > 0)) {
      const { draws, rows, places, askedAt } = this.flights.shift() as Flight;
      const [ids, logProbs] = [draws.ids(), draws.logProbs()];
      if (askedAt !== undefined) this.share(rows, askedAt);
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i] as Row;
        if (row.isEnded) continue;
        const at = places ? (places[i] as number) : i;
        this.accept(row, ids[at] as number, logProbs[at] as number);
      }
    }
  }

  /** Milliseconds without those of reading prompts, which may lie between a step and its draws. */
  private decodeClock(): number {
    return performance.now() - this.readMs;
  }

  /** Divides the time of a step among the rows whose draws count. */
  private share(rows: readonly Row[], askedAt: number): void {
    const now = this.decodeClock();
    const stepMs = now - Math.max(askedAt, this.lastLanding);
    this.lastLanding = now;
    this.stepsInFlight--;
    let counting = 0;
    for (const row of rows) if (!row.isEnded) counting++;
    if (counting === 0) return;
    this.counter.step(counting, stepMs);
    for (const row of rows) if (!row.isEnded) row.shareMs += stepMs / counting;
  }

  /** Adds a token to its completion, and ends it where that is its last. */
  private accept(row: Row, token: number, logProb: number): void {
    const [text, stopReason] = row.accept(token, logProb, this.isEos[token] === 1);
    if (this.wantTokens) {
      const { prompt, sample, texts } = row.about;
      const rest = stopReason ? text + texts.flush() : text;
      this.out.push({ type: 'token', prompt, sample, event: { token, text: rest, logProb } });
    }
    if (!stopReason) return;
    row.isEnded = true;
    this.rows.remove(row);
    this.counter.completion(row.tokens.length);
    this.out.push({ type: 'completion', completion: row.complete(stopReason) });
  }
}

/** On the processor a step has run when it is asked for, so that nothing is gained by not looking. */
function stepsAhead(): number {
  return isNative() && nativeBackend().engine.info.device === 'cuda' ? 1 : 0;
}
