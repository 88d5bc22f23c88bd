import type { Bundle } from '../link/messages.js';
import { escapeHtml, textOf } from './text.js';

/** What is read of a tensor of tfjs or of any library that has the same face. */
export interface TensorLike {
  shape: readonly number[];
  dtype: string;
  size: number;
  isDisposed?: boolean;
  dataSync(): ArrayLike<number | string>;
}

/** Values that are read to show a tensor; of a larger one only shape and type are said. */
const mostValues = 2 ** 24;
const cornerRows = 6;
const cornerColumns = 8;

/** Whether a value is a tensor with values, in contrast to a layer's symbolic one. */
export function isTensor(value: object): value is TensorLike {
  const { shape, dtype, dataSync, size } = value as Partial<TensorLike>;
  return (
    typeof dataSync === 'function' &&
    typeof dtype === 'string' &&
    typeof size === 'number' &&
    Array.isArray(shape) &&
    shape.every((length) => Number.isInteger(length))
  );
}

/** Shape, type, statistics and the first corner of the values. */
export function tensorBundle(tensor: TensorLike): Bundle {
  const { shape, dtype, size } = tensor;
  const count = `${size.toLocaleString('en')} value${size === 1 ? '' : 's'}`;
  const title = `Tensor ${dtype} [${shape.join(', ')}], ${count}`;
  if (tensor.isDisposed) return textAndHtml([`${title}, disposed`], null);
  if (size > mostValues) return textAndHtml([`${title}, too many to be read for a look`], null);
  if (size === 0) return textAndHtml([title], null);
  const values = tensor.dataSync();
  const width = values.length / size;
  const lines =
    width === 1 && typeof values[0] === 'number' ? [title, statistics(values)] : [title];
  return textAndHtml(lines, cornerOf(shape, values, width, dtype));
}

/** Least, mean, greatest and spread of the finite values, and how many are not finite. */
function statistics(values: ArrayLike<unknown>): string {
  let [count, sum, nans, infinities] = [0, 0, 0, 0];
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    if (Number.isFinite(value)) {
      count += 1;
      sum += value;
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    } else if (Number.isNaN(value)) nans += 1;
    else infinities += 1;
  }
  const parts: string[] = [];
  if (count > 0) {
    const mean = sum / count;
    let squares = 0;
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i] as number;
      if (Number.isFinite(value)) squares += (value - mean) ** 2;
    }
    const spread = Math.sqrt(squares / count);
    for (const [name, value] of [
      ['min', least],
      ['mean', mean],
      ['max', greatest],
      ['std', spread],
    ] as const) {
      parts.push(`${name} ${short(value)}`);
    }
  }
  if (nans > 0) parts.push(`${nans.toLocaleString('en')} NaN`);
  if (infinities > 0) parts.push(`${infinities.toLocaleString('en')} infinite`);
  return parts.join(', ');
}

interface Corner {
  /** Where in the tensor it is, such as `[0, :, :]`. */
  place: string;
  rows: string[][];
}

/** The first rows and columns of the last two axes, at the start of all others. */
function cornerOf(
  shape: readonly number[],
  values: ArrayLike<unknown>,
  width: number,
  dtype: string,
): Corner {
  const columns = shape.at(-1) ?? 1;
  const rows = shape.at(-2) ?? 1;
  const text = (at: number): string => {
    if (width === 2) {
      const [real, imaginary] = [values[2 * at] as number, values[2 * at + 1] as number];
      return `${short(real)}${imaginary < 0 ? '-' : '+'}${short(Math.abs(imaginary))}i`;
    }
    const value = values[at];
    if (dtype === 'bool') return value ? 'true' : 'false';
    return typeof value === 'number' ? short(value) : textOf(value).slice(0, 40);
  };
  const out: string[][] = [];
  for (let row = 0; row < Math.min(rows, cornerRows); row += 1) {
    const line: string[] = [];
    for (let column = 0; column < Math.min(columns, cornerColumns); column += 1) {
      line.push(text(row * columns + column));
    }
    if (columns > cornerColumns) line.push('…');
    out.push(line);
  }
  if (rows > cornerRows) out.push(out[0]!.map(() => '⋮'));
  const place =
    shape.length > 2 ? `[${[...shape.slice(0, -2).map(() => '0'), ':', ':'].join(', ')}]` : '';
  return { place, rows: out };
}

function short(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  return String(Number(value.toPrecision(4)));
}

function textAndHtml(lines: string[], corner: Corner | null): Bundle {
  const plain = [...lines];
  let html = lines.map((line) => `<div>${escapeHtml(line)}</div>`).join('');
  if (corner !== null) {
    const widest = Math.max(...corner.rows.flat().map((text) => text.length));
    if (corner.place !== '') {
      plain.push(corner.place);
      html += `<div><small>${corner.place}</small></div>`;
    }
    plain.push(
      ...corner.rows.map((row) =>
        row
          .map((text) => text.padStart(widest))
          .join('  ')
          .trimEnd(),
      ),
    );
    const cells = corner.rows.map(
      (row) => `<tr>${row.map((text) => `<td>${escapeHtml(text)}</td>`).join('')}</tr>`,
    );
    html += `<table style="text-align: right"><tbody>${cells.join('')}</tbody></table>`;
  }
  return { 'text/html': html, 'text/plain': plain.join('\n') };
}
