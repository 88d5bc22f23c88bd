/** Rows of Parquet files, one row group in memory at a time. */
import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { CheckpointError } from '../../models/files/errors.js';
import { reason } from '../../models/files/source.js';
import type { Row } from './row.js';

/**
 * The rows of a Parquet file with some of its columns. A row group is decoded when the first of its
 * rows is read, and forgotten with the last; a group of which no row is read is never decoded.
 *
 * @param columnsOf chooses among the names of the file's columns.
 * @throws CheckpointError naming the file that is not Parquet, or what `columnsOf` throws.
 */
export async function* parquetRows(
  path: string,
  columnsOf: (names: readonly string[]) => readonly string[],
): AsyncGenerator<Row> {
  let file: Awaited<ReturnType<typeof asyncBufferFromFile>>;
  let metadata: FileMetaData;
  try {
    file = await asyncBufferFromFile(path);
    metadata = await parquetMetadataAsync(file);
  } catch (error) {
    throw new CheckpointError(path, 'file', 'a Parquet file', reason(error));
  }
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const columns = [...columnsOf(names)];
  let rowStart = 0;
  for (const [i, { num_rows }] of metadata.row_groups.entries()) {
    const from = rowStart;
    rowStart += Number(num_rows);
    const to = rowStart;
    let decoded: Promise<Record<string, unknown>[]> | undefined;
    const decode = async () => {
      const options = { file, metadata, columns, rowStart: from, rowEnd: to, compressors };
      try {
        return await parquetReadObjects(options);
      } catch (error) {
        throw new CheckpointError(path, `row group ${i}`, 'rows of Parquet', reason(error));
      }
    };
    for (let row = from; row < to; row++) {
      const read = async () => {
        decoded ??= decode();
        return (await decoded)[row - from];
      };
      yield { file: path, number: row + 1, unit: 'row', read };
    }
  }
}
