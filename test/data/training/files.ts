/** Files of training data for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';

export type Rows = readonly Readonly<Record<string, unknown>>[];

const lines = (rows: Rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Writes rows as the name's ending says; Parquet in row groups of `group` rows. */
export function writeRows(folder: string, name: string, rows: Rows, group = 3): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  if (name.endsWith('.parquet')) {
    const names = Object.keys(rows[0] ?? {});
    const columnData = names.map((key) => {
      const data = rows.map((row) => row[key]);
      const type = typeof data[0] === 'string' ? ('STRING' as const) : ('JSON' as const);
      return { name: key, data, type };
    });
    parquetWriteFile({ filename: path, columnData, rowGroupSize: group });
  } else if (name.endsWith('.jsonl.gz')) writeFileSync(path, gzipSync(lines(rows)));
  else if (name.endsWith('.jsonl')) writeFileSync(path, lines(rows));
  else writeFileSync(path, JSON.stringify(rows, null, 1));
  return path;
}
