import type { Bundle } from '../link/messages.js';
import { escapeHtml, numberText, textOf } from './text.js';

/** Rows and columns that can be read piece by piece, whichever library they come from. */
export interface TableView {
  /** What the text calls it, such as `Table`. */
  title: string;
  columns: readonly string[];
  /** Type of each column where the library knows it. */
  types: readonly string[] | null;
  /** Label of each row where the library has one. */
  index: ((row: number) => unknown) | null;
  rowCount: number;
  /** Values of the rows from `start` up to `end`. */
  rows(start: number, end: number): readonly (readonly unknown[])[];
}

/** Rows that a table may have and still be shown whole. */
const mostRows = 30;
/** Rows shown of a longer one: its first and its last. */
const firstRows = 20;
const lastRows = 5;
const mostColumns = 30;
const mostCell = 200;

interface ArqueroTable {
  numRows(): number;
  columnNames(): string[];
  objects(options: { limit: number; offset: number }): Record<string, unknown>[];
}

interface DanfoFrame {
  columns: string[];
  dtypes: string[];
  index: unknown[];
  values: unknown[];
  shape: number[];
}

/** A data frame of arquero or danfojs, or a danfojs series; undefined for anything else. */
export function tableOf(value: object): TableView | undefined {
  const table = value as Partial<ArqueroTable>;
  if (
    typeof table.numRows === 'function' &&
    typeof table.columnNames === 'function' &&
    typeof table.objects === 'function'
  ) {
    return arqueroView(table as ArqueroTable);
  }
  const frame = value as Partial<DanfoFrame>;
  if (
    Array.isArray(frame.columns) &&
    Array.isArray(frame.dtypes) &&
    Array.isArray(frame.index) &&
    Array.isArray(frame.shape) &&
    Array.isArray(frame.values)
  ) {
    return danfoView(frame as DanfoFrame);
  }
  return undefined;
}

/** An array of objects, an array of arrays, or an object of columns as a table. */
export function plainTable(data: unknown): TableView | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const known = tableOf(data);
  if (known !== undefined) return known;
  if (isColumn(data)) {
    const rows = Array.from(data as ArrayLike<unknown>);
    const keys = new Set<string>();
    for (const row of rows) for (const key of Object.keys(Object(row))) keys.add(key);
    const columns = [...keys];
    return {
      title: 'Table',
      columns,
      types: null,
      index: null,
      rowCount: rows.length,
      rows: (start, end) =>
        rows
          .slice(start, end)
          .map((row) => columns.map((name) => (Object(row) as Record<string, unknown>)[name])),
    };
  }
  const entries = Object.entries(data);
  if (entries.length === 0 || !entries.every(([, column]) => isColumn(column))) return undefined;
  const columns = entries.map(([, column]) => column as ArrayLike<unknown>);
  return {
    title: 'Table',
    columns: entries.map(([name]) => name),
    types: null,
    index: null,
    rowCount: Math.max(...columns.map(({ length }) => length)),
    rows: (start, end) =>
      Array.from({ length: end - start }, (_, i) => columns.map((column) => column[start + i])),
  };
}

/** A table as HTML and as text, cut with a count where it is long. */
export function tableBundle(table: TableView, options: { limit?: number } = {}): Bundle {
  const cut = cutOf(table, options.limit);
  return { 'text/html': htmlOf(table, cut), 'text/plain': plainOf(table, cut) };
}

function isColumn(value: unknown): boolean {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function arqueroView(table: ArqueroTable): TableView {
  const columns = table.columnNames();
  return {
    title: 'Table',
    columns,
    types: null,
    index: null,
    rowCount: table.numRows(),
    rows: (offset, end) =>
      end === offset
        ? []
        : table
            .objects({ offset, limit: end - offset })
            .map((row) => columns.map((name) => row[name])),
  };
}

function danfoView({ columns, dtypes, index, values, shape }: DanfoFrame): TableView {
  const isSeries = shape.length === 1 || !Array.isArray(values[0]);
  return {
    title: isSeries ? 'Series' : 'DataFrame',
    columns: columns.map(String),
    types: dtypes,
    index: (row) => index[row],
    rowCount: index.length,
    rows: (start, end) => values.slice(start, end).map((row) => (Array.isArray(row) ? row : [row])),
  };
}

interface Cut {
  /** Numbers of the rows that are shown; null stands for those left out. */
  rows: { number: number | null; values: readonly unknown[] }[];
  columns: readonly string[];
  /** How much there is, when not all of it is shown. */
  note: string;
}

function cutOf(table: TableView, limit?: number): Cut {
  const { rowCount } = table;
  const most = limit ?? mostRows;
  const first = rowCount <= most ? rowCount : (limit ?? firstRows);
  const last = rowCount <= most || limit !== undefined ? 0 : lastRows;
  const columns = table.columns.slice(0, mostColumns);
  const take = (start: number, end: number): Cut['rows'] =>
    table
      .rows(start, end)
      .map((values, i) => ({ number: start + i, values: values.slice(0, columns.length) }));
  const rows = take(0, first);
  if (first < rowCount) rows.push({ number: null, values: columns.map(() => '…') });
  if (last > 0) rows.push(...take(rowCount - last, rowCount));
  const count = (n: number, what: string): string =>
    `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
  const size = `${count(rowCount, 'row')} × ${count(table.columns.length, 'column')}`;
  const shown = [
    ...(first < rowCount ? [`${first + last} rows`] : []),
    ...(columns.length < table.columns.length ? [`${columns.length} columns`] : []),
  ];
  return {
    rows,
    columns,
    note: shown.length === 0 ? size : `${size}, of which ${shown.join(' and ')} are shown`,
  };
}

function cellText(value: unknown): string {
  if (typeof value === 'number') return numberText(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) {
    return value.toISOString().replace(/T00:00:00\.000Z$/, '');
  }
  const text = typeof value === 'string' ? value : textOf(value).replaceAll(/\s*\n\s*/g, ' ');
  return text.length > mostCell ? `${text.slice(0, mostCell)}…` : text;
}

const isNumber = (value: unknown): boolean =>
  typeof value === 'number' || typeof value === 'bigint';

function htmlOf(table: TableView, { rows, columns, note }: Cut): string {
  const align = (value: unknown): string =>
    ` style="text-align: ${isNumber(value) ? 'right' : 'left'}"`;
  const head = columns.map((name, i) => {
    const type = table.types?.[i];
    const below = type === undefined ? '' : `<br><small>${escapeHtml(type)}</small>`;
    const sample = rows[0]?.values[i];
    return `<th${align(sample)}>${escapeHtml(name)}${below}</th>`;
  });
  const corner = table.index === null ? '' : '<th></th>';
  const body = rows.map(({ number, values }) => {
    const label = number === null ? '⋮' : cellText(table.index?.(number));
    const first = table.index === null ? '' : `<th>${escapeHtml(label)}</th>`;
    const cells = values.map((value, i) => {
      const like = number === null ? rows[0]?.values[i] : value;
      return `<td${align(like)}>${escapeHtml(cellText(value))}</td>`;
    });
    return `<tr>${first}${cells.join('')}</tr>`;
  });
  return (
    `<table><thead><tr>${corner}${head.join('')}</tr></thead>` +
    `<tbody>\n${body.join('\n')}\n</tbody></table>\n<div><small>${escapeHtml(note)}</small></div>`
  );
}

function plainOf(table: TableView, { rows, columns, note }: Cut): string {
  const hasIndex = table.index !== null;
  const lines = [
    [...(hasIndex ? [''] : []), ...columns],
    ...rows.map(({ number, values }) => [
      ...(hasIndex ? [number === null ? '⋮' : cellText(table.index?.(number))] : []),
      ...values.map((value) => cellText(value).replaceAll(/\s+/g, ' ').slice(0, 40)),
    ]),
  ];
  const widths = lines[0]!.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const numeric = widths.map((_, i) => isNumber(rows[0]?.values[hasIndex ? i - 1 : i]));
  const aligned = lines.map((line) =>
    line
      .map((text, i) => (numeric[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
  return [...aligned, `${table.title}: ${note}`].join('\n');
}
