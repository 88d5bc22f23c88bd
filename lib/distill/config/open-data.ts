/** The documents that a configuration names, as batches: from memory, or read on and on. */
import {
  loadTask,
  solvedMessages,
  type TextSource,
  type Tokenizer,
  type TrainingText,
  trainingTexts,
} from '../../data/index.js';
import { openSource } from '../../data/training/source.js';
import type { BatchSource } from '../batch.js';
import { type Piece, piecesOf } from '../data/pack.js';
import { type StreamOptions, type StreamSource, streamed } from '../data/streamed.js';
import { documentOf } from '../data/tokenise.js';
import { packed } from '../packed-documents.js';
import { type DataConfig, withoutUndefined } from './parts.js';

/** Packed data of a configuration. */
export interface OpenedData {
  readonly batches: BatchSource;
  /** Ends threads and closes files; of a stream it says what was read. */
  close(): Promise<void>;
}

/** Files that are together no larger are kept in memory where nothing is said of it. */
const IN_MEMORY = 64e6;

/**
 * Opens the sources of a configuration. From memory, all are read and tokenised now, and documents that
 * are longer than a row are left out or cut, as it says; a stream reads nothing yet.
 *
 * @param log takes a line that says how many documents there are, or were, and how many are longer.
 * @throws CheckpointError naming the file and row that is no document; RangeError where none is left.
 */
export async function openData(
  config: DataConfig,
  tokenizer: Tokenizer,
  log: (line: string) => void = () => undefined,
): Promise<OpenedData> {
  const { sources, length, batch, seed, loss, long, shuffle, workers } = config;
  const opened = sources.map((source) => streamSource(source));
  const options: StreamOptions = {
    ...{ length, batch, seed, loss },
    ...withoutUndefined({ long, shuffle, workers }),
  };
  return isStream(config, opened)
    ? openStream(opened, tokenizer, options, log)
    : await openMemory(opened, tokenizer, options, log);
}

function isStream(
  { stream, shuffle, workers }: DataConfig,
  sources: readonly StreamSource[],
): boolean {
  if (stream !== undefined) return stream;
  const asked = [shuffle, workers, ...sources.map(({ weight }) => weight)];
  if (asked.some((value) => value !== undefined)) return true;
  const shards = sources.flatMap((source) => openSource(source).shards);
  return shards.reduce((sum, { bytes }) => sum + bytes, 0) > IN_MEMORY;
}

function openStream(
  sources: readonly StreamSource[],
  tokenizer: Tokenizer,
  options: StreamOptions,
  log: (line: string) => void,
): OpenedData {
  const stream = streamed(tokenizer, sources, options);
  return {
    batches: stream,
    close() {
      const { documents, dropped, split } = stream.counts();
      log(described(`${documents} documents were read`, options.length, dropped, split));
      return stream.close();
    },
  };
}

async function openMemory(
  sources: readonly StreamSource[],
  tokenizer: Tokenizer,
  { length, batch, seed = 0, loss = 'all', long = 'drop' }: StreamOptions,
  log: (line: string) => void,
): Promise<OpenedData> {
  const pieces: Piece[] = [];
  let [documents, dropped, split] = [0, 0, 0];
  for (const source of sources) {
    for await (const text of trainingTexts(source)) {
      const document = documentOf(tokenizer, text, loss);
      const isLong = document.tokens.length > length;
      if (isLong && long === 'drop') {
        dropped++;
        continue;
      }
      documents++;
      split += Number(isLong);
      pieces.push(...piecesOf(document, length));
    }
  }
  if (pieces.length === 0) {
    const names = sources.map((source) => openSource(source).name).join(', ');
    throw new RangeError(
      `data: ${names}: no document fits into rows of ${length} tokens; ${dropped} are longer`,
    );
  }
  log(described(`${documents} documents`, length, dropped, split));
  return {
    batches: packed(pieces, { length, batch, seed }),
    close: () => Promise.resolve(),
  };
}

function described(what: string, length: number, dropped: number, split: number): string {
  const say = (count: number, done: string) =>
    count > 0 ? [`${count} are longer than a row of ${length} and ${done}`] : [];
  return `data: ${[what, ...say(dropped, 'left out'), ...say(split, 'cut into several')].join('; ')}`;
}

type Source = DataConfig['sources'][number];

function streamSource(source: Source): StreamSource {
  if (typeof source === 'string') return { path: source };
  if (!('task' in source)) return withoutUndefined(source) as TextSource;
  const { task: name, problems: count, split, seed, style, weight } = source;
  const { problems, answers } = loadTask(name, {
    split,
    ...withoutUndefined({ problems: count, seed }),
  });
  const texts = problems.map(
    (problem): TrainingText => ({
      id: problem.id,
      messages: solvedMessages(problem, { style, answers }),
    }),
  );
  return { name, texts, ...withoutUndefined({ weight }) };
}
