/**
 * The time of decoding against the batch, prefill excluded (Figure 2 of "Thinking Slow, Fast",
 * arXiv 2502.20339), each point beside the machine's own limit.
 */
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { isOutOfMemory, memory } from '../backend/index.js';
import { type MachineRates, measureRates } from '../backend/limits.js';
import { type StatePrecision, statePrecisionOf } from '../layers/state-precision.js';
import { type Model, stepWork } from '../models/index.js';
import { planBatch } from './batch-plan.js';
import { DecodeBatch } from './decode-batch.js';
import { type Floor, floorOf } from './floor.js';
import { settingsOf } from './options.js';
import { forget, type ReadPrompt, readPrompt } from './prompts.js';

/** Options of {@link inferenceTime}. */
export interface InferenceTimeOptions {
  /** Rows decoded together; default 1, 2, 4, ... until memory ends or `mostRows`. */
  batches?: readonly number[];
  /** Where the default batches end; default 1024. */
  mostRows?: number;
  /** Tokens that every row has seen before the first timed step; default 512. */
  context?: number;
  /** Tokens decoded in every row, 3 or more; default 32. */
  newTokens?: number;
  /** Tokens that every row has room for, such as those of a longer run; default context + newTokens. */
  readonly room?: number;
  /** How keys, values and recurrent states are kept; default f32. */
  statePrecision?: StatePrecision;
  /** Bytes that a batch may take beside what is held already; default what the machine has left. */
  memory?: number;
  /** What the machine reaches; default measured now (some seconds). */
  rates?: MachineRates;
  /** Ends the measurement with the signal's reason. */
  signal?: AbortSignal;
}

/** What every point has. */
interface Point {
  readonly batch: number;
  /** Tokens that every row had seen. */
  readonly context: number;
  /** Tokens decoded in every row. */
  readonly newTokens: number;
  /** Bytes of states and scratch that the batch takes. */
  readonly bytes: number;
}

/** A batch that was decoded. */
export interface MeasuredPoint extends Point {
  readonly outOfMemory: false;
  /** Milliseconds of a step of the whole batch, drawing its tokens too: the median. */
  readonly stepMs: number;
  /** Seconds of all `newTokens` of every row at that rate. */
  readonly seconds: number;
  /** New tokens of all rows a second. */
  readonly tokensPerSecond: number;
  readonly floor: Floor;
  /** The longer limit over the measured step. */
  readonly shareOfFloor: number;
}

/** A batch that the memory does not hold. */
export interface OutOfMemoryPoint extends Point {
  readonly outOfMemory: true;
  /** What it would have needed and what there was, or the allocation that failed. */
  readonly reason: string;
}

/** One batch size of one model. */
export type InferencePoint = MeasuredPoint | OutOfMemoryPoint;

/**
 * Times decode steps at growing batches. The context is one prompt of tokens without a meaning, read
 * once and copied into all rows; the first step, which traces the program, does not count. A batch that
 * the memory does not hold is a point that says so, and so are the larger ones that were asked for.
 *
 * @throws RangeError where an option is out of range, or context and new tokens exceed the model's.
 */
export async function* inferenceTime(
  model: Model,
  options: InferenceTimeOptions = {},
): AsyncGenerator<InferencePoint, void, undefined> {
  const { context, newTokens, batches, mostRows, room: tokens } = checked(model, options);
  const statePrecision = statePrecisionOf(
    'inferenceTime: statePrecision',
    options.statePrecision ?? 'f32',
  );
  const rates = options.rates ?? measureRates();
  const prompt = promptOf(model, context);
  let read: ReadPrompt | undefined;
  let ended: string | undefined;
  try {
    for (let i = 0; ; i++) {
      const batch = batches ? batches[i] : 2 ** i;
      if (batch === undefined || batch > mostRows || (ended !== undefined && !batches)) return;
      options.signal?.throwIfAborted();
      await setImmediate();
      const bytes = bytesOf(model, prompt, batch, tokens - context, statePrecision);
      const base = { batch, context, newTokens, bytes };
      const room = options.memory ?? bytesLeft();
      if (bytes > room) ended = needs(bytes, room);
      if (ended === undefined) {
        read ??= readPrompt(model, prompt, statePrecision);
        const steps = attempt(() => timeSteps(model, read as ReadPrompt, batch, newTokens, tokens));
        if (Array.isArray(steps)) {
          const stepMs = middle(steps);
          const seen = context + newTokens / 2;
          const work = stepWork(model.config, model.bytes, batch, seen, statePrecision);
          const floor = floorOf(work, batch, rates);
          yield {
            ...base,
            outOfMemory: false,
            stepMs,
            seconds: (newTokens * stepMs) / 1e3,
            tokensPerSecond: (1e3 * batch) / stepMs,
            floor,
            shareOfFloor: Math.max(floor.arithmeticMs, floor.memoryMs) / stepMs,
          };
          continue;
        }
        ended = steps;
      }
      yield { ...base, outOfMemory: true, reason: ended };
    }
  } finally {
    if (read) forget(read);
  }
}

function checked(model: Model, options: InferenceTimeOptions) {
  const { context = 512, newTokens = 32, mostRows = 1024, batches } = options;
  const { room = context + newTokens } = options;
  const numbers: [string, number, number][] = [
    ['context', context, 1],
    ['newTokens', newTokens, 3],
    ['mostRows', mostRows, 1],
    ['room', room, context + newTokens],
    ...(batches ?? []).map((n): [string, number, number] => ['batches', n, 1]),
  ];
  for (const [name, value, least] of numbers) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(
        `inferenceTime: ${name} must be whole numbers from ${least}, got ${value}`,
      );
    }
  }
  const { contextLength } = model.config;
  if (room > contextLength) {
    throw new RangeError(
      `inferenceTime: a context of ${context} and ${room - context} new tokens do not fit the model's ` +
        `context of ${contextLength}`,
    );
  }
  const sorted = batches && [...batches].sort((a, b) => a - b);
  return {
    context,
    newTokens,
    mostRows: batches ? Number.POSITIVE_INFINITY : mostRows,
    batches: sorted,
    room,
  };
}

/** Tokens over the whole vocabulary, in an order that repeats late. */
function promptOf({ config }: Model, length: number): number[] {
  return Array.from({ length }, (_, i) => (i * 7919 + 13) % config.vocabSize);
}

function bytesOf(
  model: Model,
  prompt: readonly number[],
  batch: number,
  newTokens: number,
  statePrecision: StatePrecision,
) {
  const rows = { n: batch, batchSize: batch };
  const settings = settingsOf({ ...rows, maxNewTokens: newTokens, statePrecision });
  const { states, scratch } = planBatch(model, [prompt], settings).bytes;
  return states + scratch;
}

/** What the engine may still allocate, and no more than the machine has free. */
function bytesLeft(): number {
  const { limitBytes, bytes, programBytes } = memory();
  return Math.min(limitBytes - bytes - programBytes, process.availableMemory());
}

function needs(bytes: number, room: number): string {
  const gib = (n: number) => `${(n / 2 ** 30).toFixed(2)} GiB`;
  return `states and scratch take about ${gib(bytes)}, ${gib(Math.max(0, room))} are free`;
}

/** The result, or the engine's message where its memory ended. */
function attempt<T>(body: () => T): T | string {
  try {
    return body();
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    return error.message;
  }
}

/** The median, and of an even number the upper of the two. */
function middle(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
}

/** Milliseconds of each decode step but the first. */
function timeSteps(
  model: Model,
  read: ReadPrompt,
  rows: number,
  newTokens: number,
  room: number,
): number[] {
  const settings = settingsOf({ temperature: 1 });
  const batch = new DecodeBatch(model, rows, settings, room, read.state.precision);
  try {
    const all = Array.from({ length: rows }, (_, row) => row);
    const tokens = tf.tensor1d(
      all.map((row) => row % model.config.vocabSize),
      'int32',
    );
    const keys = all.map((sample) => ({ seed: 0, prompt: 0, sample, position: 0 }));
    batch.fill({ state: read.state, tokens, fromTokens: all, toRows: all, keys });
    tokens.dispose();
    const times: number[] = [];
    for (let step = 0; step < newTokens; step++) {
      const start = performance.now();
      const draws = batch.step(rows);
      draws.ids();
      draws.logProbs();
      times.push(performance.now() - start);
    }
    return times.slice(1);
  } finally {
    batch.dispose();
  }
}
