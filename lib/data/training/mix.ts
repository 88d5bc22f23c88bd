/** Sources without end, shuffled and mixed: the order of a training's documents. */
import { type Draw, drawFrom } from '../synthetic/draw.js';
import type { TrainingText } from './formats.js';
import type { LazyText, OpenedSource } from './source.js';

/** How far a source was read. */
export interface SourcePlace {
  /** How often all its texts were given. */
  readonly epoch: number;
  /** Texts of this epoch that were given. */
  readonly index: number;
  /** Texts that were given in all epochs. */
  readonly taken: number;
}

/** A text with the place of its source before it was given. */
export interface MixedText {
  readonly text: TrainingText;
  /** Index of its source. */
  readonly source: number;
  readonly place: SourcePlace;
}

/** Options of {@link mixedTexts}. */
export interface MixOptions {
  /** Of each source: how many of its texts come for how many of the others'. */
  readonly weights: readonly number[];
  readonly seed: number;
  /** Texts among which the next one is drawn; 0 keeps the order of files and rows. */
  readonly shuffle: number;
  /** Where to go on, a place of each source. */
  readonly from: readonly SourcePlace[];
}

/**
 * Texts without end, by turns in proportion to the weights: after any number of texts each source has
 * given its share of them to within one. Each source comes round by itself, every epoch in another order.
 *
 * The order depends on the sources, weights, seed and buffer alone; from a place on it is what it would
 * have been. Texts before the place are passed over without being parsed.
 *
 * @throws RangeError naming a source without texts; what reading one throws.
 */
export async function* mixedTexts(
  sources: readonly OpenedSource[],
  { weights, seed, shuffle, from }: MixOptions,
): AsyncGenerator<MixedText> {
  const taken = from.map((place) => place.taken);
  const readers = sources.map((source, i) => {
    // Two streams of draws for each source and epoch: the shards' order and the buffer's.
    const draws = (epoch: number): Draws | undefined => {
      const stream = 2 * (epoch * sources.length + i);
      if (shuffle === 0) return undefined;
      return { shards: drawFrom(seed, stream), texts: drawFrom(seed, stream + 1), size: shuffle };
    };
    return endless(source, from[i] as SourcePlace, draws);
  });
  try {
    for (;;) {
      const source = nextSource(taken, weights);
      const { value } = await (readers[source] as ReturnType<typeof endless>).next();
      const { text, epoch, index } = value as Placed;
      yield { text, source, place: { epoch, index, taken: taken[source] as number } };
      taken[source] = (taken[source] as number) + 1;
    }
  } finally {
    for (const reader of readers) await reader.return();
  }
}

/**
 * Of the sources that have given less than their share of all texts, the next included, the one with the
 * least `(taken + 1) / weight`, the first on a tie (Balinski and Young's quota method).
 */
function nextSource(taken: readonly number[], weights: readonly number[]): number {
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const share = (sum(taken) + 1) / sum(weights);
  let next = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, given] of taken.entries()) {
    const weight = weights[i] as number;
    const due = (given + 1) / weight;
    if (given >= share * weight || due >= least) continue;
    next = i;
    least = due;
  }
  return next;
}

interface Draws {
  readonly shards: Draw;
  readonly texts: Draw;
  readonly size: number;
}

interface Placed {
  readonly text: TrainingText;
  readonly epoch: number;
  readonly index: number;
}

async function* endless(
  source: OpenedSource,
  from: SourcePlace,
  drawsOf: (epoch: number) => Draws | undefined,
): AsyncGenerator<Placed, void, undefined> {
  let { epoch, index } = from;
  for (;;) {
    const draws = drawsOf(epoch);
    for await (const text of shuffled(source.texts(draws?.shards), draws, index)) {
      yield { text, epoch, index };
      index++;
    }
    if (index === 0) throw new RangeError(`${source.name}: expected rows, found none`);
    epoch++;
    index = 0;
  }
}

/**
 * The texts of one pass after the first `skip`, the next always drawn from a full buffer; the buffer
 * empties at the end. What is drawn depends on counts only, so texts that are passed over need not be
 * read.
 */
async function* shuffled(
  texts: AsyncIterable<LazyText>,
  draws: Draws | undefined,
  skip: number,
): AsyncGenerator<TrainingText> {
  const buffer: LazyText[] = [];
  let given = 0;
  const size = draws?.size ?? 1;
  const drawn = (): LazyText => {
    const i = draws ? draws.texts.int(0, buffer.length - 1) : 0;
    const text = buffer[i] as LazyText;
    const last = buffer.pop() as LazyText;
    if (i < buffer.length) buffer[i] = last;
    given++;
    return text;
  };
  for await (const text of texts) {
    if (given < skip) buffer.push(text);
    else {
      // Read now, so that no row keeps its row group alive while it waits.
      const read = await text.read();
      buffer.push({ read: () => read });
    }
    if (buffer.length < size) continue;
    const next = drawn();
    if (given > skip) yield await next.read();
  }
  while (buffer.length > 0) {
    const next = drawn();
    if (given > skip) yield await next.read();
  }
}
