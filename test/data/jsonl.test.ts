import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { JsonlWriter, readJsonl } from '../../lib/data/index.js';
import { CheckpointError } from '../../lib/models/files/errors.js';
import { fileWith, folderWith } from './temporary.js';

const values = (path: string, skipTornLine = false) =>
  [...readJsonl(path, { skipTornLine })].map(({ value }) => value);

describe('readJsonl', () => {
  it('gives each value with its line number', () => {
    const path = fileWith('a.jsonl', '{"a":1}\n[2]\r\n"é"');
    expect([...readJsonl(path)]).toEqual([
      { value: { a: 1 }, line: 1 },
      { value: [2], line: 2 },
      { value: 'é', line: 3 },
    ]);
  });

  it('reads lines that lie across the pieces it reads by', () => {
    const long = Array.from({ length: 5 }, (_, i) => `${i}`.repeat(200_000 + i));
    const path = fileWith('a.jsonl', long.map((x) => `${JSON.stringify(x)}\n`).join(''));
    expect(values(path)).toEqual(long);
  });

  it('names file and line of what is not JSON, not UTF-8 or empty', () => {
    const bad = (content: string | Uint8Array) => () => values(fileWith('bad.jsonl', content));
    expect(bad('1\n{"a":\n')).toThrow(/bad\.jsonl: line 2: expected one JSON value, found /);
    expect(bad('1\n\n2\n')).toThrow(/line 2: expected one JSON value, found an empty line/);
    expect(bad(Uint8Array.of(0x31, 0x0a, 0x22, 0xff, 0x22))).toThrow(/line 2: .*not UTF-8/);
    expect(bad('{')).toThrow(CheckpointError);
  });

  it('says so when there is no such file or it is a folder', () => {
    const folder = folderWith();
    expect(() => values(join(folder, 'none.jsonl'))).toThrow(/none\.jsonl.*no such file/);
    expect(() => values(folder)).toThrow(folder);
  });

  it('passes over a torn last line only where that is asked for', () => {
    const path = fileWith('a.jsonl', '1\n{"b":');
    expect(values(path, true)).toEqual([1]);
    expect(() => values(path)).toThrow(/line 2/);
  });
});

describe('JsonlWriter', () => {
  it('appends lines that are in the file at once, and goes on where it stopped', () => {
    const path = join(folderWith(), 'deep', 'a.jsonl');
    const first = new JsonlWriter(path);
    first.append({ text: 'two\nlines' });
    expect(values(path)).toEqual([{ text: 'two\nlines' }]);
    first.close();
    const second = new JsonlWriter(path);
    second.append(2);
    second.close();
    expect(values(path)).toEqual([{ text: 'two\nlines' }, 2]);
  });

  it('cuts off a torn line, however long, before it goes on', () => {
    const torn = `"${'x'.repeat(600_000)}`;
    for (const [content, kept] of [
      [`1\n2\n${torn}`, [1, 2]],
      [torn, []],
      ['', []],
    ] as const) {
      const path = fileWith('a.jsonl', content);
      const writer = new JsonlWriter(path);
      writer.append('next');
      writer.close();
      expect(values(path)).toEqual([...kept, 'next']);
    }
  });

  it('refuses what JSON cannot say and work after closing', () => {
    const path = join(folderWith(), 'a.jsonl');
    const writer = new JsonlWriter(path);
    expect(() => writer.append(undefined)).toThrow(/a value that JSON can say/);
    writer.close();
    writer.close();
    expect(() => writer.append(1)).toThrow(/the writer is closed/);
    expect(statSync(path).size).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});
