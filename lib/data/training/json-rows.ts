/** Rows of JSON: a line each, or the objects of one list. */
import { CheckpointError } from '../../models/files/errors.js';
import { LineCutter, parseLine } from '../jsonl.js';
import { bytesOf } from './bytes.js';
import { ObjectCutter } from './object-cutter.js';
import type { Row } from './row.js';

/** The lines of a `.jsonl` or `.jsonl.gz` file. */
export async function* jsonLineRows(path: string): AsyncGenerator<Row> {
  const cutter = new LineCutter(path);
  for await (const chunk of bytesOf(path)) {
    for (const { bytes, line } of cutter.push(chunk)) yield lineRow(path, line, bytes);
  }
  for (const { bytes, line } of cutter.end()) yield lineRow(path, line, bytes);
}

function lineRow(file: string, line: number, bytes: Uint8Array): Row {
  // A copy: the row may wait long after its chunk.
  const own = Buffer.from(bytes);
  return { file, number: line, unit: 'line', read: () => parseLine(file, line, own) };
}

/** The objects of a `.json` file: of the one list in it, as OpenHermes-2.5 is, or one alone, as MATH's are. */
export async function* jsonObjectRows(path: string): AsyncGenerator<Row> {
  const cutter = new ObjectCutter(path);
  let number = 0;
  for await (const chunk of bytesOf(path)) {
    for (const bytes of cutter.push(chunk)) yield objectRow(path, ++number, bytes);
  }
  cutter.end();
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function objectRow(file: string, number: number, bytes: Uint8Array): Row {
  const read = () => {
    try {
      return JSON.parse(utf8.decode(bytes)) as unknown;
    } catch (error) {
      const found = (error as Error).message;
      throw new CheckpointError(file, `row ${number}`, 'one JSON object in UTF-8', found);
    }
  };
  return { file, number, unit: 'row', read };
}
