/** A run's completions on the disk: one JSON line each, what tables need at its head. */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parseLine, type RawLine, splitLines } from '../data/jsonl.js';
import type { Completion, StopReason, Timing } from '../generate/index.js';
import { CheckpointError, show } from '../models/files/errors.js';
import { isObject } from '../models/files/json.js';
import { type ByteSource, memorySource, openFile, reason } from '../models/files/source.js';
import { FILES, type Run } from './run.js';

/** What a completion's line says before its text. */
export interface CompletionHead {
  readonly promptId: string;
  readonly sampleId: number;
  readonly seed: number;
  /** How many tokens were drawn. */
  readonly tokens: number;
  readonly stopReason: StopReason;
  readonly logProb: number;
  /** Milliseconds. */
  readonly timing: Timing;
}

/** A completion's line. */
export interface CompletionRecord extends CompletionHead {
  readonly text: string;
  readonly tokenIds: readonly number[];
}

/** A line that was read: its place among the completions of the run. */
export interface Placed<T> {
  readonly value: T;
  readonly place: number;
  readonly line: number;
}

/** The line of a completion: its fields in the order in which {@link readHeads} expects them. */
export function recordOf(completion: Completion, promptId: string, seed: number): CompletionRecord {
  const { sample, tokens, text, logProb, stopReason, timing } = completion;
  const { queueMs, prefillMs, decodeMs, shareMs } = timing;
  return {
    promptId,
    sampleId: sample,
    seed,
    tokens: tokens.length,
    stopReason,
    logProb,
    timing: {
      queueMs: microseconds(queueMs),
      prefillMs: microseconds(prefillMs),
      decodeMs: microseconds(decodeMs),
      shareMs: microseconds(shareMs),
    },
    text,
    tokenIds: tokens,
  };
}

/** The completion of a line. */
export function completionOf(record: CompletionRecord, prompt: number): Completion {
  const { sampleId, tokenIds, text, logProb, stopReason, timing } = record;
  return {
    prompt,
    sample: sampleId,
    tokens: [...tokenIds],
    text,
    logProb,
    stopReason,
    timing: { ...timing },
  };
}

/**
 * A run's completions, in the order in which they finished. A last line that a killed run was writing
 * is passed over.
 *
 * @throws CheckpointError naming the file and line of what is no completion, not one of the run's, or
 *   one that came before.
 */
export function* readCompletions(run: Run): Generator<Placed<CompletionRecord>> {
  yield* placed(run, (path, { bytes, line }) => {
    const value = parseLine(path, line, bytes);
    if (!isHead(value) || !isBody(value)) {
      throw new CheckpointError(path, `line ${line}`, 'a completion', show(value));
    }
    return value;
  });
}

/** {@link readCompletions} without texts and tokens: only the head of each line is parsed. */
export function* readHeads(run: Run): Generator<Placed<CompletionHead>> {
  yield* placed(run, (path, { bytes, line }) => {
    const value = headOf(bytes) ?? parseLine(path, line, bytes);
    if (!isHead(value)) {
      throw new CheckpointError(path, `line ${line}`, 'a completion', show(value));
    }
    return value;
  });
}

function* placed<T extends CompletionHead>(
  run: Run,
  parse: (path: string, line: RawLine) => T,
): Generator<Placed<T>> {
  const source = openCompletions(run);
  if (source === undefined) return;
  const firstLine = new Int32Array(run.total);
  try {
    for (const raw of splitLines(source, { skipTornLine: true })) {
      const { line } = raw;
      const value = parse(source.path, raw);
      if (value.seed !== run.manifest.seed) {
        const expected = `the run's seed ${run.manifest.seed}`;
        throw new CheckpointError(source.path, `line ${line}`, expected, show(value.seed));
      }
      const place = run.placeOf(source.path, line, value.promptId, value.sampleId);
      const first = firstLine[place] as number;
      if (first > 0) {
        const found = `${value.promptId}, sample ${value.sampleId}, which line ${first} has`;
        throw new CheckpointError(source.path, `line ${line}`, 'each completion once', found);
      }
      firstLine[place] = line;
      yield { value, place, line };
    }
  } finally {
    source.close();
  }
}

function openCompletions(run: Run): (ByteSource & { close(): void }) | undefined {
  const path = run.file(FILES.completions);
  if (existsSync(path)) return openFile(path);
  const packed = run.file(FILES.packed);
  if (!existsSync(packed)) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = gunzipSync(readFileSync(packed));
  } catch (error) {
    throw new CheckpointError(packed, 'file', 'completions packed with gzip', reason(error));
  }
  return { ...memorySource(packed, bytes), close: () => undefined };
}

const mark = Buffer.from(',"text":');

/**
 * The fields before the text. The mark cannot lie inside a JSON string, where its quotes would be
 * escaped; anything that is not written in this order is left to the parser of whole lines.
 */
function headOf(bytes: Uint8Array): unknown {
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = line.indexOf(mark);
  if (at < 0 || line[line.length - 1] !== 0x7d) return undefined;
  try {
    return JSON.parse(`${line.toString('utf8', 0, at)}}`);
  } catch {
    return undefined;
  }
}

function isHead(value: unknown): value is CompletionHead {
  if (!isObject(value)) return false;
  const { promptId, sampleId, tokens, stopReason, logProb, timing } = value;
  return (
    typeof promptId === 'string' &&
    isWhole(sampleId) &&
    isWhole(tokens) &&
    (stopReason === 'eos' || stopReason === 'stop' || stopReason === 'length') &&
    typeof logProb === 'number' &&
    isObject(timing) &&
    isDuration(timing.prefillMs) &&
    isDuration(timing.shareMs)
  );
}

function isBody(value: CompletionHead): value is CompletionRecord {
  const { text, tokenIds } = value as Partial<CompletionRecord>;
  return typeof text === 'string' && Array.isArray(tokenIds) && tokenIds.every(isWhole);
}

function isWhole(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0;
}

function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
