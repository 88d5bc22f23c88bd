/** Documents read, shuffled, mixed, tokenised and packed while the training goes on. */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import type { TextSource, Tokenizer } from '../../data/index.js';
import { type MixedText, mixedTexts, type SourcePlace } from '../../data/training/mix.js';
import { type OpenedSource, openSource } from '../../data/training/source.js';
import type { Batch, BatchSource } from '../batch.js';
import { BatchPacker, type Piece, piecesOf } from './pack.js';
import { TokenisingPool } from './pool.js';
import { documentAt, type LossOn, type Tokenised } from './tokenise.js';

/** A source and how much of it is mixed in. */
export type StreamSource = TextSource & {
  /** Of every `sum of weights` documents this many are the source's; default 1. */
  readonly weight?: number;
};

/** Options of {@link streamed}. */
export interface StreamOptions {
  /** Tokens of a row. */
  readonly length: number;
  /** Rows of a batch. */
  readonly batch: number;
  /** Of the order, another one each epoch; default 0. */
  readonly seed?: number;
  /** Which labels of conversations count; default all. */
  readonly loss?: LossOn;
  /** What becomes of documents that are longer than a row: left out (default), or cut into rows. */
  readonly long?: 'drop' | 'split';
  /**
   * Documents among which the next one is drawn, of each source; default 4096. A source with no more is
   * shuffled whole; 0 keeps the order of files and rows.
   */
  readonly shuffle?: number;
  /** Threads that tokenise; default all cores but one, 4 at most; 0 tokenises in this thread. */
  readonly workers?: number;
}

/** What a stream gave since its beginning. */
export interface StreamCounts {
  /** Documents that were put into rows, each time anew. */
  readonly documents: number;
  /** Documents that were longer than a row and left out. */
  readonly dropped: number;
  /** Documents that were longer than a row and cut; they are among `documents`. */
  readonly split: number;
}

/** Where {@link streamed} goes on. */
export interface StreamPosition {
  readonly sources: readonly SourcePlace[];
  /** Pieces of the next document that were given. */
  readonly piece: number;
  readonly counts: StreamCounts;
  /** Hash of the files' names and sizes and of the options: a position belongs to one stream. */
  readonly stream: string;
}

/** A stream of batches. */
export interface DocumentStream extends BatchSource<StreamPosition> {
  counts(): StreamCounts;
  /** Ends its threads and closes its files; it gives nothing afterwards. */
  close(): Promise<void>;
}

const SHUFFLE = 4096;

/** A group of texts that one thread tokenises: at most so many, and of about so many characters. */
const GROUP = { texts: 32, characters: 1 << 17 };

/** Groups ahead of the reader for each thread: what is tokenised during a step. */
const AHEAD = 4;

/**
 * Batches of whole documents from sources of any size, which come round without end. Texts are drawn
 * from a buffer, sources mixed by weight (document by document, see `weight`), texts tokenised in other
 * threads and packed as `packed` does. The stream depends on sources, tokenizer and options alone, not on
 * the number of threads. Going to a position reads the sources again from the beginning of their epochs,
 * but neither parses nor tokenises what was given.
 *
 * Errors of a document are thrown when its turn comes, and again by every later `next`.
 *
 * @throws RangeError for options that make no sense, CheckpointError for files that are not there.
 *   `next` throws CheckpointError naming the file and row that is not as it should be, RangeError naming
 *   a source of which no document fits into a row.
 */
export function streamed(
  tokenizer: Tokenizer,
  sources: readonly StreamSource[],
  options: StreamOptions,
): DocumentStream {
  return new Stream(tokenizer, sources, options);
}

interface Group {
  readonly texts: readonly MixedText[];
  readonly made: Tokenised;
}

/** The document whose turn it is, in pieces that rows hold. */
interface Current {
  readonly mixed: MixedText;
  readonly pieces: readonly Piece[];
}

const START: SourcePlace = { epoch: 0, index: 0, taken: 0 };
const NONE: StreamCounts = { documents: 0, dropped: 0, split: 0 };

class Stream implements DocumentStream {
  private readonly opened: readonly OpenedSource[];
  private readonly weights: readonly number[];
  private readonly pool: TokenisingPool;
  private readonly settings: Required<StreamOptions>;
  private readonly hash: string;

  /** After the batch that was given last. */
  private at: StreamPosition;
  private reader: AsyncGenerator<MixedText>;
  private hasEnded = false;
  private isClosed = false;
  private readonly ahead: Promise<Group>[] = [];
  private group: Group | undefined;
  private groupAt = 0;
  private current: Current | undefined;

  // Where the document whose turn it is stands, ahead of `at` while a batch is made.
  private places: SourcePlace[];
  private piece = 0;
  private totals = NONE;
  /** Of each source whether a document of this epoch was kept; unknown where it was entered amid. */
  private kept: (boolean | undefined)[];

  constructor(tokenizer: Tokenizer, sources: readonly StreamSource[], options: StreamOptions) {
    this.settings = settingsOf(tokenizer, options);
    if (sources.length === 0) throw new RangeError('streamed: expected sources, got none');
    this.weights = sources.map(({ weight = 1 }, i) => {
      if (Number.isFinite(weight) && weight > 0) return weight;
      throw new RangeError(
        `streamed: sources[${i}].weight: expected a positive number, got ${String(weight)}`,
      );
    });
    this.opened = sources.map((source) => openSource(source));
    this.hash = hashOf(this.opened, this.weights, this.settings);
    this.pool = new TokenisingPool(tokenizer, this.settings.loss, this.settings.workers);
    this.places = sources.map(() => START);
    this.kept = sources.map(() => undefined);
    this.at = this.here();
    this.reader = this.read();
  }

  async next(): Promise<Batch> {
    if (this.isClosed) throw new Error('streamed: the stream was closed');
    const packer = new BatchPacker(this.settings.batch, this.settings.length);
    while (packer.add(await this.upcoming())) this.take();
    this.at = this.here();
    return packer.finish();
  }

  position(): StreamPosition {
    return this.at;
  }

  counts(): StreamCounts {
    return this.at.counts;
  }

  async seek(position: StreamPosition): Promise<void> {
    const { sources, piece, counts, stream } = checkPosition(position, this.opened.length);
    if (stream !== this.hash) {
      const names = this.opened.map(({ name }) => name).join(', ');
      throw new RangeError(
        `streamed: ${names}: the position belongs to another stream: files, their sizes or options differ`,
      );
    }
    await this.reader.return(undefined);
    this.ahead.length = 0;
    this.group = undefined;
    this.current = undefined;
    this.places = [...sources];
    this.piece = piece;
    this.totals = counts;
    this.kept = sources.map(() => undefined);
    this.hasEnded = false;
    this.at = this.here();
    this.reader = this.read();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.pool.close();
    await this.reader.return(undefined);
  }

  private here(): StreamPosition {
    const { places, piece, totals, hash } = this;
    return { sources: [...places], piece, counts: totals, stream: hash };
  }

  private read(): AsyncGenerator<MixedText> {
    const { seed, shuffle } = this.settings;
    return mixedTexts(this.opened, { weights: this.weights, seed, shuffle, from: this.places });
  }

  /** The piece whose turn it is. */
  private async upcoming(): Promise<Piece> {
    while (!this.current) {
      const { mixed, document } = await this.document();
      const { length, long } = this.settings;
      this.checkEpoch(mixed);
      if (document.tokens.length <= length || long === 'split') {
        this.current = { mixed, pieces: piecesOf(document, length) };
      } else {
        this.totals = { ...this.totals, dropped: this.totals.dropped + 1 };
        this.pass(mixed);
      }
    }
    return this.current.pieces[this.piece] as Piece;
  }

  /** Goes on to the next piece. */
  private take(): void {
    const { mixed, pieces } = this.current as Current;
    this.piece++;
    if (this.piece < pieces.length) return;
    const { documents, split } = this.totals;
    this.totals = {
      ...this.totals,
      documents: documents + 1,
      split: split + Number(pieces.length > 1),
    };
    if (this.kept[mixed.source] === false) this.kept[mixed.source] = true;
    this.pass(mixed);
  }

  /** Goes on to the next document. */
  private pass({ source, place: { epoch, index, taken } }: MixedText): void {
    this.places[source] = { epoch, index: index + 1, taken: taken + 1 };
    this.current = undefined;
    this.piece = 0;
    this.groupAt++;
  }

  /** The document whose turn it is. */
  private async document(): Promise<{ mixed: MixedText; document: Piece }> {
    while (!this.group || this.groupAt === this.group.texts.length) {
      await this.readAhead();
      // Stays until it was good: an error is met again by the next call.
      this.group = await (this.ahead[0] as Promise<Group>);
      void this.ahead.shift();
      this.groupAt = 0;
    }
    const mixed = this.group.texts[this.groupAt] as MixedText;
    return { mixed, document: documentAt(this.group.made, this.groupAt, mixed.text.id) };
  }

  private async readAhead(): Promise<void> {
    const most = AHEAD * Math.max(1, this.settings.workers);
    while (this.ahead.length < most && !this.hasEnded) {
      const texts: MixedText[] = [];
      let characters = 0;
      let failure: Promise<Group> | undefined;
      while (texts.length < GROUP.texts && characters < GROUP.characters && !failure) {
        try {
          const mixed = (await this.reader.next()).value as MixedText;
          texts.push(mixed);
          characters += charactersOf(mixed);
        } catch (error) {
          // Its turn comes after that of what was read before.
          failure = Promise.reject(error);
          this.hasEnded = true;
        }
      }
      if (texts.length > 0) {
        const made = this.pool.tokenise(texts.map(({ text }) => text));
        this.ahead.push(made.then((tokenised) => ({ texts, made: tokenised })));
      }
      if (failure) this.ahead.push(failure);
      // Who awaits it sees the error; until then nobody has to.
      for (const group of this.ahead.slice(-2)) group.catch(() => undefined);
    }
  }

  private checkEpoch({ source, place: { index } }: MixedText): void {
    if (index > 0) return;
    if (this.kept[source] === false) {
      const { name } = this.opened[source] as OpenedSource;
      const { length } = this.settings;
      throw new RangeError(`${name}: no document fits into rows of ${length} tokens`);
    }
    this.kept[source] = false;
  }
}

function charactersOf({ text }: MixedText): number {
  if ('text' in text) return text.text.length;
  return text.messages.reduce((sum, { content }) => sum + content.length, 0);
}

function hashOf(
  sources: readonly OpenedSource[],
  weights: readonly number[],
  { workers: _, batch: _rows, ...settings }: Required<StreamOptions>,
): string {
  const files = sources.map(({ shards }) =>
    shards.map(({ path, bytes }) => [basename(path), bytes]),
  );
  const told = JSON.stringify([files, weights, settings]);
  return createHash('sha256').update(told).digest('hex').slice(0, 16);
}

function settingsOf(tokenizer: Tokenizer, options: StreamOptions): Required<StreamOptions> {
  const { length, batch, seed = 0, loss = 'all', long = 'drop', shuffle = SHUFFLE } = options;
  const threads = Math.max(1, Math.min(4, availableParallelism() - 1));
  const { workers = tokenizer.ref === undefined ? 0 : threads } = options;
  for (const [name, value, least] of [
    ['length', length, 1],
    ['batch', batch, 1],
    ['seed', seed, 0],
    ['shuffle', shuffle, 0],
    ['workers', workers, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(
        `streamed: ${name}: expected an integer from ${least} up, got ${String(value)}`,
      );
    }
  }
  return { length, batch, seed, loss, long, shuffle, workers };
}

function checkPosition(position: StreamPosition, sources: number): StreamPosition {
  const given: unknown = position?.sources;
  if (Array.isArray(given) && given.length === sources && position.counts) return position;
  throw new RangeError(
    `streamed: expected a position in a stream of ${sources} sources, got ` +
      JSON.stringify(position)?.slice(0, 80),
  );
}
