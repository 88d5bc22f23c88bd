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
 */
import { isNative, nativeBackend } from '../backend/init.js';
import type { Tokenizer } from '../data/index.js';
import type { CausalModel } from '../models/index.js';
import { type BatchPlan, planBatch, rangeOf } from './batch-plan.js';
import type { Completion, StopReason, TokenEvent } from './completion.js';
import { DecodeBatch, type FirstTokens } from './decode-batch.js';
import type { Draws } from './draws.js';
import type { Settings } from './options.js';
import { forget, type ReadPrompt, readPrompt } from './prompts.js';
import { RunCounter, type RunStats } from './run-stats.js';
import { Slots } from './slots.js';
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
  readonly prompt: number;
  readonly sample: number;
  /** Tokens that it may have. */
  readonly most: number;
  /** Tokens that were asked for, and those of them that are there. */
  asked: number;
  readonly tokens: number[];
  logProb: number;
  readonly texts: StopTexts;
  readonly queueMs: number;
  readonly prefillMs: number;
  readonly startedAt: number;
  shareMs: number;
  isEnded: boolean;
}

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
  private readonly rows: Slots<Row>;
  private readonly batch: DecodeBatch;
  private readonly counter: RunCounter;
  private readonly flights: Flight[] = [];
  private stepsInFlight = 0;
  private lastLanding = 0;
  private readMs = 0;
  private readonly isEos: Uint8Array;
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
    /** Decode steps that are asked for before the draws of an earlier one are looked at. */
    private readonly ahead: number = stepsAhead(),
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
        this.fill();
        if (this.ahead === 0) this.land(0);
        if (this.rows.count > 0) this.step();
        this.land(this.rows.count > 0 ? this.ahead : 0);
        if (this.out.length > 0) yield* this.out.splice(0);
        else if (this.rows.count === 0 && this.flights.length === 0 && this.done()) return;
        if (performance.now() - breath > YIELD_MS) {
          await new Promise(setImmediate);
          breath = performance.now();
        }
      }
    } finally {
      for (const { draws } of this.flights) draws.drop();
      this.forgetPrompt();
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
    while (this.rows.free > 0 && !this.done()) {
      const prompt = Math.floor(this.next / this.settings.n);
      if (this.current?.index !== prompt) {
        const isBusy = this.rows.count > 0 || this.flights.length > 0;
        if (readOne && isBusy) return;
        this.read(prompt);
        readOne = true;
      }
      this.begin(this.current as Current);
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
  private begin(current: Current): void {
    const { n, seed } = this.settings;
    const { index, read, queueMs } = current;
    const firsts = this.firstsFrom(current, this.next % n);
    const startedAt = performance.now();
    const room =
      this.model.config.contextLength - (this.prompts[index] as readonly number[]).length;
    const most = Math.min(this.settings.maxNewTokens, room);
    const rows: Row[] = [];
    const last = index * n + firsts.to;
    for (; rows.length < this.rows.free && !this.done() && this.next < last; this.next++) {
      rows.push({
        prompt: index,
        sample: this.next % n,
        most,
        asked: 1,
        tokens: [],
        logProb: 0,
        texts: new StopTexts(this.settings.stop, this.tokenizer, this.wantTokens),
        queueMs,
        prefillMs: read.prefillMs,
        startedAt,
        shareMs: 0,
        isEnded: false,
      });
    }
    const places = rows.map(({ sample }) => sample - firsts.from);
    this.flights.push({ draws: firsts.draws, rows, places });
    if (most === 1) return;
    this.batch.fill({
      state: read.state,
      tokens: firsts.tokens,
      fromTokens: places,
      toRows: rows.map((row) => this.rows.add(row)),
      keys: rows.map(({ sample }) => ({ seed, prompt: index, sample, position: 1 })),
    });
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
    const drawn = this.batch.first(read.logits, keys);
    current.firsts = { ...drawn, from: sample, to: sample + count };
    return current.firsts;
  }

  /** Asks for a step of all rows. */
  private step(): void {
    const { from, to } = this.rows.compact();
    this.batch.move(from, to);
    const askedAt = this.decodeClock();
    const rows = this.rows.all();
    this.flights.push({ draws: this.batch.step(rows.length), rows, askedAt });
    this.stepsInFlight++;
    for (const row of rows) if (++row.asked >= row.most) this.rows.remove(row);
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
    row.tokens.push(token);
    row.logProb += logProb;
    const isEnd = this.isEos[token] === 1;
    const text = isEnd ? '' : row.texts.push(token);
    const stopReason: StopReason | undefined = isEnd
      ? 'eos'
      : row.texts.stopped
        ? 'stop'
        : row.tokens.length >= row.most
          ? 'length'
          : undefined;
    if (this.wantTokens) {
      const rest = stopReason ? text + row.texts.flush() : text;
      const event = { token, text: rest, logProb };
      this.out.push({ type: 'token', prompt: row.prompt, sample: row.sample, event });
    }
    if (!stopReason) return;
    row.isEnded = true;
    this.rows.remove(row);
    this.counter.completion(row.tokens.length);
    this.out.push({ type: 'completion', completion: this.complete(row, stopReason) });
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

/** On the processor a step has run when it is asked for, so that nothing is gained by not looking. */
function stepsAhead(): number {
  return isNative() && nativeBackend().engine.info.device === 'cuda' ? 1 : 0;
}
