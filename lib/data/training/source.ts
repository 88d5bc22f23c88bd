/** Where training texts come from, read once through or again and again. */
import { locate } from '../manifest.js';
import type { Draw } from '../synthetic/draw.js';
import { type DatasetName, formatOf, type TrainingText, textOfRow } from './formats.js';
import { jsonLineRows, jsonObjectRows } from './json-rows.js';
import { parquetRows } from './parquet-rows.js';
import type { Row } from './row.js';
import { type Shard, shardsOf } from './shards.js';

/** A source of training texts on the disk, or in memory. */
export type TextSource =
  | {
      /** The data set whose rows it has; without it `messages`, `prompt` and `answer`, or `text`. */
      readonly dataset?: DatasetName;
      /**
       * A file, a folder of them, or a path with `*` in its last part; default the one in
       * `MAMBALAB_DATA` or the cache, of `gsm8k`. Of a data set's folder that has a training split
       * beside others only that.
       */
      readonly path?: string;
    }
  | {
      /** What they are called in messages. */
      readonly name: string;
      readonly texts: readonly TrainingText[];
    };

/** A text that is read when it is asked for. */
export interface LazyText {
  read(): Promise<TrainingText> | TrainingText;
}

/** A source whose files were found. */
export interface OpenedSource {
  /** For messages. */
  readonly name: string;
  /** None of a source in memory. */
  readonly shards: readonly Shard[];
  /**
   * Every text once: in the order of names and rows, or with the shards (the texts of a source in
   * memory) in an order that is drawn.
   */
  texts(draw?: Draw): AsyncGenerator<LazyText>;
}

/**
 * Finds the files of a source; reads none.
 *
 * @throws CheckpointError naming what is not there; RangeError for a data set that is unknown or needs
 *   a path.
 */
export function openSource(source: TextSource): OpenedSource {
  if ('texts' in source) {
    const { name, texts } = source;
    return {
      name,
      shards: [],
      async *texts(draw) {
        for (const text of drawn(texts, draw)) yield { read: () => text };
      },
    };
  }
  const { dataset } = source;
  const format = formatOf(dataset);
  const path = source.path ?? placeOf(dataset);
  const shards = shardsOf(path, { training: dataset !== undefined });
  const columns = (shard: string) => (names: readonly string[]) => format.columns(shard, names);
  const rowsOf = (shard: string): AsyncGenerator<Row> => {
    if (/\.parquet$/i.test(shard)) return parquetRows(shard, columns(shard));
    return /\.jsonl(\.gz)?$/i.test(shard) ? jsonLineRows(shard) : jsonObjectRows(shard);
  };
  return {
    name: path,
    shards,
    async *texts(draw) {
      for (const shard of drawn(shards, draw)) {
        for await (const row of rowsOf(shard.path)) yield { read: () => textOfRow(row, format) };
      }
    },
  };
}

function placeOf(dataset: DatasetName | undefined): string {
  if (dataset === 'gsm8k') return locate('gsm8k', 'train.jsonl');
  throw new RangeError(`${dataset ?? 'source'}: expected a path to its files, got none`);
}

function drawn<T>(items: readonly T[], draw: Draw | undefined): readonly T[] {
  if (!draw) return items;
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = draw.int(0, i);
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}

/**
 * The texts of a source, one after another in the order of its files and rows: JSON Lines (`.jsonl`,
 * `.jsonl.gz`) line by line, a list of objects (`.json`) object by object, Parquet row group by row
 * group. Nothing is held whole.
 *
 * @throws CheckpointError naming the file and the row that is not as its data set's are.
 */
export async function* trainingTexts(source: TextSource): AsyncGenerator<TrainingText> {
  for await (const text of openSource(source).texts()) yield await text.read();
}
