/** Tables for other programs. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { parquetWriteFile } from 'hyparquet-writer';
import { COLUMN_NAMES, columnsOf, type ResultsColumns, type ResultsTable } from './table.js';

type Name = (typeof COLUMN_NAMES)[number];

/** Parquet's types; `correct` is null where the grader could not decide, `reward` where there is none. */
const types = {
  model: 'STRING',
  task: 'STRING',
  promptId: 'STRING',
  level: 'DOUBLE',
  sampleId: 'INT32',
  seed: 'INT64',
  gold: 'STRING',
  answer: 'STRING',
  correct: 'BOOLEAN',
  reward: 'DOUBLE',
  tokens: 'INT32',
  seconds: 'DOUBLE',
  promptSeconds: 'DOUBLE',
  stopReason: 'STRING',
} as const satisfies Record<Name, string>;

/**
 * Writes a table as Parquet (`.parquet`) or CSV (`.csv`), one row for a completion. Empty (null) are an
 * answer or a level that is not there, a verdict that is undecided, and a reward that is NaN.
 *
 * @throws RangeError for another ending.
 */
export function exportTable(table: ResultsTable, path: string): void {
  const write = /\.parquet$/i.test(path)
    ? writeParquet
    : /\.csv$/i.test(path)
      ? writeCsv
      : undefined;
  if (write === undefined) {
    throw new RangeError(`exportTable: expected a path that ends in .parquet or .csv, got ${path}`);
  }
  const temporary = `${path}.new-${process.pid}`;
  try {
    write(columnsOf(table), temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The value as other programs have it. */
function plain(name: Name, value: unknown): unknown {
  if (value === undefined || (name === 'correct' && value === 'undecided')) return null;
  return typeof value === 'number' && Number.isNaN(value) ? null : value;
}

function writeParquet(columns: ResultsColumns, filename: string): void {
  parquetWriteFile({
    filename,
    columnData: COLUMN_NAMES.map((name) => {
      const isWide = types[name] === 'INT64';
      const data = Array.from(columns[name] as ArrayLike<unknown>, (value) =>
        isWide ? BigInt(value as number) : plain(name, value),
      );
      return { name, data, type: types[name], nullable: true };
    }),
  });
}

/** Rows that are written at once. */
const ROWS = 10_000;

function writeCsv(columns: ResultsColumns, path: string): void {
  const all = COLUMN_NAMES.map((name) => columns[name] as ArrayLike<unknown>);
  const rows = all[0]?.length ?? 0;
  const descriptor = openSync(path, 'wx');
  try {
    writeAll(descriptor, `${COLUMN_NAMES.join(',')}\n`);
    for (let start = 0; start < rows; start += ROWS) {
      const lines: string[] = [];
      for (let row = start; row < Math.min(rows, start + ROWS); row++) {
        lines.push(COLUMN_NAMES.map((name, i) => cell(plain(name, all[i]?.[row]))).join(','));
      }
      writeAll(descriptor, `${lines.join('\n')}\n`);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/** A cell as RFC 4180 has it. */
function cell(value: unknown): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
