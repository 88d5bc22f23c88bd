import type { ColumnTable } from 'arquero';
import { type Displayable, escapeHtml, jupyterDisplay, type MimeBundle } from './display.js';
import { formatNumber } from './format.js';

/** Options of {@link table}. */
export interface TableOptions {
  /** Rows shown; 20 by default. What is left out is counted below. */
  readonly limit?: number;
  /** How to write the values of a column, by its name. */
  readonly format?: Readonly<Record<string, (value: unknown) => string>>;
}

interface Rendered {
  readonly names: readonly string[];
  /** Whether each column holds numbers, which are aligned to the right. */
  readonly numeric: readonly boolean[];
  readonly rows: readonly (readonly string[])[];
  readonly footer: string;
}

const CELL = 'padding: 0.25em 0.9em; white-space: pre-wrap; vertical-align: top;';

/**
 * Shows an arquero table in a notebook: HTML, with aligned text where HTML is not drawn.
 *
 * @throws RangeError where the limit is not a whole number of rows
 */
export function table(source: ColumnTable, options: TableOptions = {}): Displayable {
  const rendered = render(source, options);
  return {
    [jupyterDisplay](): MimeBundle {
      return { 'text/html': toHtml(rendered), 'text/plain': toText(rendered) };
    },
  };
}

function render(source: ColumnTable, { limit = 20, format = {} }: TableOptions): Rendered {
  if (!Number.isInteger(limit) || limit < 0) {
    throw new RangeError(`table: limit must be a whole number of rows, got ${String(limit)}`);
  }
  const names = source.columnNames();
  const total = source.numRows();
  const shown = source.slice(0, limit);
  const columns = names.map((name) => Array.from(shown.array(name) as ArrayLike<unknown>));
  const rows = Array.from({ length: shown.numRows() }, (_, row) =>
    names.map((name, column) => (format[name] ?? formatCell)(columns[column]?.[row])),
  );
  const size = `${total} ${total === 1 ? 'row' : 'rows'}`;
  return {
    names,
    numeric: columns.map((values) => {
      const present = values.filter((value) => value !== null && value !== undefined);
      const isNumber = (value: unknown) => typeof value === 'number' || typeof value === 'bigint';
      return present.length > 0 && present.every(isNumber);
    }),
    rows,
    footer: rows.length < total ? `${rows.length} of ${size}` : size,
  };
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value === 'number') {
    return formatNumber(value);
  }
  if (value instanceof Date) {
    return value.toISOString();
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function toHtml({ names, numeric, rows, footer }: Rendered): string {
  const cell = (tag: string, text: string, column: number) =>
    `<${tag} style="text-align: ${numeric[column] ? 'right' : 'left'}; ${CELL}">` +
    `${escapeHtml(text)}</${tag}>`;
  const line = (tag: string, texts: readonly string[]) =>
    `<tr>${texts.map((text, column) => cell(tag, text, column)).join('')}</tr>`;
  return (
    '<table style="border-collapse: collapse; font-variant-numeric: tabular-nums;">' +
    `<thead>${line('th', names)}</thead>` +
    `<tbody>${rows.map((row) => line('td', row)).join('')}</tbody></table>` +
    `<div style="opacity: 0.7; padding: 0.25em 0.9em;">${footer}</div>`
  );
}

function toText({ names, numeric, rows, footer }: Rendered): string {
  const lines = [names, ...rows].map((row) => row.map((text) => text.replaceAll(/\s+/g, ' ')));
  const widths = names.map((_, column) =>
    lines.reduce((width, line) => Math.max(width, line[column]?.length ?? 0), 0),
  );
  const aligned = lines.map((line) =>
    line
      .map((text, column) => {
        const width = widths[column] ?? 0;
        return numeric[column] ? text.padStart(width) : text.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [aligned[0], rule, ...aligned.slice(1), footer].join('\n');
}
