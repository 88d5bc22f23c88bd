import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type TextSource, type TrainingText, trainingTexts } from '../../../lib/data/index.js';
import { parquetRows } from '../../../lib/data/training/parquet-rows.js';
import { folderWith } from '../temporary.js';
import { writeRows } from './files.js';

let made = '';
const folder = () => made;
beforeEach(() => {
  made = folderWith();
});

const all = async (source: TextSource) => {
  const texts: TrainingText[] = [];
  for await (const text of trainingTexts(source)) texts.push(text);
  return texts;
};
const said = (user: string, assistant: string) => [
  { role: 'user', content: user },
  { role: 'assistant', content: assistant },
];

const texts = Array.from({ length: 8 }, (_, i) => ({
  text: `text ${i}: “${'é'.repeat(i)}” {[\\"`,
}));

describe('trainingTexts', () => {
  it.each(['a.jsonl', 'a.jsonl.gz', 'a.json', 'a.parquet'])('reads %s', async (name) => {
    const path = writeRows(folder(), name, texts);
    const read = await all({ path });
    expect(read).toEqual(texts.map(({ text }, i) => ({ id: `${path}:${i + 1}`, text })));
  });

  it('reads rows that are longer than what is read at once', async () => {
    const long = texts.map(({ text }, i) => ({ text: text.repeat(40_000 + i) }));
    for (const name of ['long.jsonl', 'long.json']) {
      const read = await all({ path: writeRows(folder(), name, long) });
      expect(read.map((row) => 'text' in row && row.text)).toEqual(long.map(({ text }) => text));
    }
  });

  it('takes the shards of a folder, and those of a pattern, by name', async () => {
    writeRows(folder(), 'shards/b/2.parquet', texts.slice(2, 5));
    writeRows(folder(), 'shards/a-1.jsonl', texts.slice(0, 2));
    writeRows(folder(), 'shards/b/3.json', texts.slice(5));
    writeRows(folder(), 'shards/.hidden/1.jsonl', texts);
    writeFileSync(join(folder(), 'shards', 'README.md'), 'nothing to train on');
    const contents = async (path: string) =>
      (await all({ path: join(folder(), path) })).map((row) => 'text' in row && row.text);
    expect(await contents('shards')).toEqual(texts.map(({ text }) => text));
    expect(await contents('shards/b/*.parquet')).toEqual(texts.slice(2, 5).map(({ text }) => text));
  });

  it("takes a data set's training split, not what lies beside it", async () => {
    const row = (problem: string) => [{ problem, solution: 's' }];
    writeRows(folder(), 'MATH/train/algebra/1.json', row('a'));
    writeRows(folder(), 'MATH/train/geometry/1.json', row('b'));
    writeRows(folder(), 'MATH/test/algebra/1.json', row('c'));
    const path = join(folder(), 'MATH');
    const messages = [said('a', 's'), said('b', 's')];
    expect(await all({ dataset: 'math', path })).toMatchObject(
      messages.map((m) => ({ messages: m })),
    );
    const split = join(folder(), 'MATH', 'test');
    expect(await all({ dataset: 'math', path: split })).toHaveLength(1);
  });

  it('reads an object alone, as the files of MATH are', async () => {
    const path = join(folder(), 'one.json');
    writeFileSync(path, '{"problem": "1+1 {", "level": "Level 1", "solution": "$\\\\boxed{2}$"}\n');
    expect(await all({ dataset: 'math', path })).toEqual([
      { id: `${path}:1`, messages: said('1+1 {', '$\\boxed{2}$') },
    ]);
  });
});

describe('published rows', () => {
  const conversations = [
    { from: 'system', value: 'Be brief.' },
    { from: 'human', value: 'hi' },
    { from: 'gpt', value: 'ho' },
  ];
  it.each([
    [
      'openmathinstruct-2',
      { problem: 'p', generated_solution: 's', expected_answer: '1', problem_source: 'math' },
      { messages: said('p', 's') },
    ],
    ['finemath-4plus', { url: 'u', text: 't', score: '4.5' }, { text: 't' }],
    [
      'openhermes-2.5',
      { conversations, source: 'x' },
      { messages: [{ role: 'system', content: 'Be brief.' }, ...said('hi', 'ho')] },
    ],
    [
      'gsm8k',
      { question: 'q', answer: 'a <<1+1=2>>2\n#### 2' },
      { messages: said('q', 'a 2\n#### 2') },
    ],
    ['math', { problem: 'p', solution: 's', level: 'Level 1' }, { messages: said('p', 's') }],
    [undefined, { messages: said('a', 'b') }, { messages: said('a', 'b') }],
    [undefined, { prompt: 'a', answer: 'b' }, { messages: said('a', 'b') }],
    [undefined, { text: 'a' }, { text: 'a' }],
  ] as const)('%s: %j', async (dataset, row, content) => {
    for (const name of ['row.jsonl', 'row.parquet']) {
      const path = writeRows(folder(), name, [row]);
      const read = await all({ path, ...(dataset && { dataset }) });
      expect(read).toEqual([{ id: `${path}:1`, ...content }]);
    }
  });

  it.each([
    ['openmathinstruct-2', { problem: 'p' }, 'no "generated_solution"'],
    ['finemath-4plus', { text: 3 }, '"text": 3'],
    ['openhermes-2.5', { conversations: [{ from: 'cat', value: 'm' }] }, '"from":"cat"'],
    ['gsm8k', { question: 'q', answer: 'a' }, 'no ####'],
    [undefined, { messages: [{ role: 'user' }] }, '{"role":"user"}'],
    [undefined, { question: 'q' }, 'messages, prompt and answer, or text'],
  ] as const)('%s without its field names file and row', async (dataset, row, message) => {
    const path = writeRows(folder(), 'bad.jsonl', [row]);
    const reading = all({ path, ...(dataset && { dataset }) });
    await expect(reading).rejects.toThrow(`${path}: line 1: expected`);
    await expect(all({ path, ...(dataset && { dataset }) })).rejects.toThrow(message);
  });
});

describe('what cannot be read is named', () => {
  const write = (name: string, content: string | Uint8Array) => {
    const path = join(folder(), name);
    writeFileSync(path, content);
    return path;
  };

  it.each([
    ['x.jsonl', '{"text": "a"}\n{"text": \n', 'line 2: expected one JSON value'],
    ['x.json', '[{"text": "a"} {"text": "b"}]', 'byte 15: expected a comma or the end of the list'],
    ['x.json', '[{"text": "a"}, ]', 'byte 16: expected an object'],
    ['x.json', '[1]', 'byte 1: expected an object or the end of the list'],
    ['x.json', '[{"text": "a"}', 'expected the rest of the JSON'],
    ['x.json', '[{"text": a}]', 'row 1: expected one JSON object'],
    ['x.jsonl.gz', 'no gzip', 'expected a readable gzip file'],
    ['x.parquet', 'no parquet at all', 'expected a Parquet file'],
    ['x.csv', 'a,b', 'expected one that ends in .jsonl, .jsonl.gz, .json, .json.gz, .parquet'],
    ['x.jsonl.zst', 'a', 'expected one that ends in'],
  ])('%s: %s', async (name, content, message) => {
    const path = write(name, content);
    const error: Error = await all({ path }).then(
      () => new Error('it was read'),
      (e) => e,
    );
    expect(error.message).toContain(`${path}: `);
    expect(error.message).toContain(message);
  });

  it('columns that a Parquet file lacks, a row group that is damaged', async () => {
    const path = writeRows(folder(), 'columns.parquet', [{ question: 'q' }]);
    await expect(all({ path, dataset: 'finemath-4plus' })).rejects.toThrow(
      `${path}: columns: expected text, found question`,
    );
    await expect(all({ path })).rejects.toThrow('messages, prompt and answer, or text');
  });

  it('a file that is not there, an empty folder, a data set that is unknown or has no path', async () => {
    await expect(all({ path: join(folder(), 'none.jsonl') })).rejects.toThrow('none.jsonl');
    await expect(all({ path: join(folder(), 'none-*.jsonl') })).rejects.toThrow('none-*.jsonl');
    await expect(all({ dataset: 'math' })).rejects.toThrow('math: expected a path');
    await expect(all({ dataset: 'maths' as 'math', path: folder() })).rejects.toThrow(
      "no data set 'maths'; there are openmathinstruct-2",
    );
  });

  it('a gzip file that ends early', async () => {
    const path = writeRows(folder(), 'cut.jsonl.gz', texts);
    truncateSync(path, 60);
    await expect(all({ path })).rejects.toThrow(`${path}: file: expected a readable gzip file`);
  });
});

it('decodes only the row groups of which a row is read', async () => {
  const path = writeRows(folder(), 'groups.parquet', texts, 3);
  // Damages the first group: it starts behind the file's four magic bytes.
  const bytes = new Uint8Array(30).fill(255);
  const { openSync, writeSync, closeSync } = await import('node:fs');
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, 4);
  closeSync(file);
  const rows = [];
  for await (const row of parquetRows(path, () => ['text'])) rows.push(row);
  expect(rows).toHaveLength(8);
  expect(await rows[4]?.read()).toEqual(texts[4]);
  await expect(rows[0]?.read()).rejects.toThrow(`${path}: row group 0`);
});
