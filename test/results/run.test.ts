import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { gradeRun } from '../../lib/eval/index.js';
import { toDanfo } from '../../lib/plots/index.js';
import {
  ColumnWriter,
  columnsOf,
  exportTable,
  loadResults,
  mergeRuns,
  overviewOf,
  packRun,
  Run,
  RunStore,
  readCompletions,
  readHeads,
  reduceSteps,
} from '../../lib/results/index.js';
import { folderWith } from '../data/temporary.js';
import { aboutOf, answerText, completion, fileOf, makeRun, openedOf } from './runs.js';

beforeAll(() => void backend.init({ threads: 1 }));

const temporary = () => join(folderWith(), 'run');
const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n');

describe('a run on the disk', () => {
  it('keeps every field of every completion, in the order in which they finished', () => {
    const run = new Run(makeRun(temporary(), { places: [5, 0, 11] }));
    const read = [...readCompletions(run)];
    expect(read.map(({ place }) => place)).toEqual([5, 0, 11]);
    expect(read[0]?.value).toEqual({
      promptId: 'p-1',
      sampleId: 2,
      seed: 3,
      tokens: 5,
      stopReason: 'eos',
      logProb: -1.5,
      timing: { queueMs: 1, prefillMs: 20, decodeMs: 300, shareMs: 41 },
      text: answerText(1, 2),
      tokenIds: [0, 1, 2, 3, 4],
    });
    expect(run.manifest).toMatchObject({ name: 'tiny', seed: 3, n: 3, task: { problems: 4 } });
    expect(run.manifest.parts[0]?.machine.threads).toBe(1);
    expect(run.manifest.parts[0]?.versions.mambalab).toMatch(/^\d/);
  });

  it('reads the heads of lines as the whole lines, whatever the text says', () => {
    const tricky = '","text":"} \\ \u0000 😀\n,"text":';
    const run = new Run(makeRun(temporary(), { text: () => tricky }));
    const heads = [...readHeads(run)].map(({ value }) => value);
    const whole = [...readCompletions(run)].map(({ value }) => {
      const { text, tokenIds: _, ...head } = value;
      expect(text).toBe(tricky);
      return head;
    });
    expect(heads).toEqual(whole);
    // A line of another order of fields is read all the same.
    const lines = linesOf(fileOf(run.path)).map((line) => {
      const { text, ...rest } = JSON.parse(line);
      return JSON.stringify({ text, ...rest });
    });
    writeFileSync(fileOf(run.path), `${lines.join('\n')}\n`);
    expect(
      [...readHeads(run)].map(({ value: { promptId, tokens } }) => [promptId, tokens]),
    ).toEqual(whole.map(({ promptId, tokens }) => [promptId, tokens]));
  });

  it('goes on after a torn last line, and reads past one', () => {
    const path = makeRun(temporary(), { places: [0, 1, 2] });
    const file = fileOf(path);
    truncateSync(file, readFileSync(file).length - 9);
    expect([...readHeads(new Run(path))]).toHaveLength(2);
    const store = new RunStore(path, aboutOf());
    expect([...store.open(openedOf())].map(({ sample }) => sample)).toEqual([0, 1]);
    store.append(completion(0, 2, 'again'));
    store.close();
    expect([...readCompletions(new Run(path))].map(({ value }) => value.text)[2]).toBe('again');
    expect(readdirSync(path).sort()).toEqual(['completions.jsonl', 'problems.jsonl', 'run.json']);
  });

  it('refuses another run in its folder, naming what differs', () => {
    const path = makeRun(temporary());
    const open = (made: Parameters<typeof openedOf>[0]) => () =>
      new RunStore(path, aboutOf(made)).open(openedOf(made));
    expect(open({ name: 'other' })).toThrow(/run\.json: run: expected .* found another weights/);
    expect(open({ n: 4 })).toThrow(/another sampling\.n/);
  });

  it('refuses what does not belong, with file and line', () => {
    const path = makeRun(temporary());
    const file = fileOf(path);
    const clean = readFileSync(file, 'utf8');
    const [first = ''] = clean.split('\n');
    const bad: [line: string, message: RegExp][] = [
      [
        first,
        /completions\.jsonl: line 13: expected each completion once, found p-0, sample 0, which line 1/,
      ],
      [first.replace('p-0', 'p-9'), /line 13: expected one of the run's 4 problems .* "p-9"/],
      [first.replace('"sampleId":0', '"sampleId":3'), /line 13: .* sampleId 3/],
      [first.replace('"seed":3', '"seed":4'), /line 13: expected the run's seed 3, found 4/],
      [first.replace('"tokens":3', '"tokens":-3'), /line 13: expected a completion/],
      ['{"promptId":', /line 13: expected one JSON value/],
      ['', /line 13: expected one JSON value, found an empty line/],
    ];
    for (const [line, message] of bad) {
      writeFileSync(file, `${clean}${line}\n`);
      expect(() => [...readHeads(new Run(path))], line).toThrow(message);
      expect(() => [...readCompletions(new Run(path))], line).toThrow(message);
    }
  });

  it('refuses folders that are no run, of another version, or with other problems', () => {
    expect(() => new Run('/nowhere')).toThrow(/nowhere: folder: expected a run .*no such folder/);
    expect(() => new Run(folderWith({ 'a.txt': '' }))).toThrow(/found only a\.txt/);
    const path = makeRun(temporary());
    const manifest = join(path, 'run.json');
    const clean = readFileSync(manifest, 'utf8');
    writeFileSync(manifest, clean.replace('"version": 1', '"version": 7'));
    expect(() => new Run(path)).toThrow(/run\.json: version: expected 1, .*, found 7/);
    writeFileSync(manifest, clean.replace('"n": 3', '"n": "3"'));
    expect(() => new Run(path)).toThrow(/run\.json: n: expected an integer from 1 up, found "3"/);
    writeFileSync(manifest, clean);
    appendFileSync(join(path, 'problems.jsonl'), '{}\n');
    expect(() => new Run(path)).toThrow(/problems\.jsonl: file: expected the problems of the run/);
  });

  it('has one writer at a time, and takes over what a dead one left', () => {
    const path = makeRun(temporary(), { places: [0] });
    const store = new RunStore(path, aboutOf());
    store.open(openedOf());
    expect(() => new RunStore(path, aboutOf()).open(openedOf())).toThrow(
      new RegExp(`process ${process.pid} is writing it`),
    );
    store.close();
    writeFileSync(`${fileOf(path)}.lock`, '{"pid":999999999,"started":"1"}');
    const next = new RunStore(path, aboutOf());
    next.open(openedOf());
    next.close();
    expect(existsSync(`${fileOf(path)}.lock`)).toBe(false);
  });

  it('packs a finished run, which reads as before', async () => {
    const path = makeRun(temporary());
    const before = [...readCompletions(new Run(path))];
    const half = makeRun(temporary(), { places: [0] });
    await expect(packRun(half)).rejects.toThrow(/has 1 of 12 completions/);
    await packRun(path);
    expect(existsSync(fileOf(path))).toBe(false);
    expect([...readCompletions(new Run(path))]).toEqual(before);
    expect(overviewOf(path)).toMatchObject({ completions: 12, expected: 12, packed: true });
    expect(() => new RunStore(path, aboutOf()).open(openedOf())).toThrow(/not packed/);
  });
});

describe('gradeRun', () => {
  it('writes a column beside, once for each completion, as the run grows', async () => {
    const path = makeRun(temporary(), { places: [0, 1] });
    expect(await gradeRun(new Run(path))).toMatchObject({ graded: 2, completions: 2, correct: 1 });
    const before = readFileSync(fileOf(path), 'utf8');
    const store = new RunStore(path, aboutOf());
    for (const _ of store.open(openedOf()));
    store.append(completion(3, 2, 'no number here'));
    store.close();
    expect(readFileSync(fileOf(path), 'utf8').startsWith(before)).toBe(true);
    const again = await gradeRun(new Run(path));
    expect(again).toEqual({ graded: 1, completions: 3, correct: 1, undecided: 0, unanswered: 1 });
    expect((await gradeRun(new Run(path))).graded).toBe(0);
  });

  it('goes on after a torn last line', async () => {
    const path = makeRun(temporary());
    await gradeRun(new Run(path));
    const [file = ''] = readdirSync(path).filter((name) => /^grades\..*jsonl$/.test(name));
    const clean = readFileSync(join(path, file), 'utf8');
    truncateSync(join(path, file), clean.length - 5);
    expect((await gradeRun(new Run(path))).graded).toBe(1);
    expect(readFileSync(join(path, file), 'utf8')).toBe(clean);
  });

  it('ends at an abort after whole records, and refuses answers it cannot grade', async () => {
    const path = makeRun(temporary());
    const controller = new AbortController();
    const onProgress = (done: number) => done === 4 && controller.abort(new Error('enough'));
    const options = { onProgress, signal: controller.signal };
    await expect(gradeRun(new Run(path), options)).rejects.toThrow('enough');
    expect((await gradeRun(new Run(path))).graded).toBe(8);
    const odd = makeRun(temporary(), { answers: 'poems' });
    await expect(gradeRun(new Run(odd))).rejects.toThrow(
      /cannot grade answers of the kind 'poems'/,
    );
  });
});

describe('loadResults', () => {
  async function graded(made: Parameters<typeof makeRun>[1] = {}) {
    const path = makeRun(temporary(), made);
    await gradeRun(new Run(path));
    return path;
  }

  it('gives rows in the order of problems and samples, with grades and rewards', async () => {
    const path = await graded({ places: [11, 0, 3, 1] });
    const run = new Run(path);
    const column = new ColumnWriter(run, 'scores', 'prm', { model: 'prm' });
    column.append(3, { steps: [0.5, 0.25] });
    column.append(0, { steps: [] });
    column.close();
    const rows = loadResults(path).objects();
    expect(rows.map((row) => [(row as { promptId: string }).promptId, 'sampleId' in row])).toEqual(
      ['p-0', 'p-0', 'p-1', 'p-3'].map((id) => [id, true]),
    );
    expect(rows[2]).toEqual({
      model: 'tiny',
      task: 'sums',
      promptId: 'p-1',
      level: 2,
      sampleId: 0,
      seed: 3,
      gold: '2',
      answer: '2',
      correct: true,
      reward: 0.25,
      tokens: 3,
      seconds: 0.041,
      promptSeconds: 0.02,
      stopReason: 'eos',
    });
    expect(columnsOf(loadResults(path, { reduce: 'prod' })).reward[2]).toBe(0.125);
    expect(Array.from(columnsOf(loadResults(path)).reward)).toEqual([0, NaN, 0.25, NaN]);
    const more = new ColumnWriter(run, 'scores', 'orm', { model: 'orm' });
    more.close();
    expect(() => loadResults(path)).toThrow(/scores of .*prm.*; say which/);
    expect(columnsOf(loadResults(path, { scores: 'prm' })).reward[2]).toBe(0.25);
    expect(() => loadResults(path, { scores: 'no' })).toThrow(/no scores 'no'; there are/);
  });

  it('says which completions are not graded, or leaves them out', async () => {
    const path = await graded({ places: [0] });
    const store = new RunStore(path, aboutOf());
    for (const _ of store.open(openedOf()));
    store.append(completion(1, 0, '2'));
    store.close();
    expect(() => loadResults(path)).toThrow(/1 completions are not graded; run `mambalab grade/);
    expect(loadResults(path, { ungraded: 'drop' }).numRows()).toBe(1);
  });

  it('takes several runs, and refuses a completion that two of them have', async () => {
    const a = await graded({ range: { from: 0, to: 6 } });
    const b = await graded({ range: { from: 6, to: 12 } });
    const other = await graded({ seed: 4 });
    expect(loadResults([a, b, other]).numRows()).toBe(24);
    const overlapping = await graded({ range: { from: 3, to: 12 }, places: [9, 4] });
    expect(() => loadResults([a, overlapping])).toThrow(
      /completion at line 2: expected each completion of tiny, sums, seed 3 once, found p-1, sample 1, which .* has at line 5/,
    );
  });

  it('becomes a danfojs frame', async () => {
    const frame = await toDanfo(loadResults(await graded()));
    expect(frame.shape).toEqual([12, 14]);
  });

  it('becomes Parquet and CSV that say the same', async () => {
    const table = loadResults(await graded());
    const folder = folderWith();
    exportTable(table, join(folder, 'r.parquet'));
    exportTable(table, join(folder, 'r.csv'));
    const bytes = readFileSync(join(folder, 'r.parquet'));
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    const rows = await parquetReadObjects({ file });
    expect(rows).toHaveLength(12);
    expect(rows[1]).toMatchObject({ promptId: 'p-0', answer: '999', correct: false, reward: null });
    expect(rows[2]).toMatchObject({ answer: null, seed: 3n, level: 1, tokens: 5, seconds: 0.04 });
    const lines = linesOf(join(folder, 'r.csv'));
    expect(lines[0]).toBe(table.columnNames().join(','));
    expect(lines[1]).toBe('tiny,sums,p-0,1,0,3,0,0,true,,3,0.04,0.02,eos');
    expect(lines).toHaveLength(13);
    expect(() => exportTable(table, 'r.xls')).toThrow(/ends in \.parquet or \.csv, got r\.xls/);
  });
});

describe('mergeRuns', () => {
  it('makes of shards the run that they are parts of, with their grades', async () => {
    const whole = makeRun(temporary());
    const shards = [
      makeRun(temporary(), { range: { from: 6, to: 12 } }),
      makeRun(temporary(), { range: { from: 0, to: 6 } }),
    ];
    for (const path of [whole, ...shards]) await gradeRun(new Run(path));
    const merged = mergeRuns(temporary(), shards);
    expect(merged).toMatchObject({ completions: 12, total: 12 });
    expect(loadResults(merged.path).objects()).toEqual(loadResults(whole).objects());
    expect(new Run(merged.path).manifest.parts.map(({ range }) => range?.from)).toEqual([6, 0]);
    expect(() => mergeRuns(merged.path, shards)).toThrow(/a new folder, found one that is there/);
  });

  it('of some shards is a run that sampling goes on with', () => {
    const shard = makeRun(temporary(), { range: { from: 0, to: 6 } });
    const { path, completions } = mergeRuns(temporary(), [shard]);
    expect(completions).toBe(6);
    expect(overviewOf(path)).toMatchObject({ expected: 6 });
    const store = new RunStore(path, aboutOf());
    expect([...store.open(openedOf())]).toHaveLength(6);
    store.append(completion(3, 2, 'new'));
    store.close();
    expect(overviewOf(path)).toMatchObject({ completions: 7, expected: 12 });
  });

  it('refuses overlapping and foreign shards, with file and line, and leaves nothing', async () => {
    const a = makeRun(temporary(), { range: { from: 0, to: 6 } });
    const b = makeRun(temporary(), { range: { from: 3, to: 12 }, places: [11, 5] });
    const out = temporary();
    expect(() => mergeRuns(out, [a, b])).toThrow(
      /completions\.jsonl: line 2: expected a completion that no other shard has, found p-1, sample 2, which .*completions\.jsonl has at line 6/,
    );
    const foreign = makeRun(temporary(), { name: 'other', range: { from: 6, to: 12 } });
    expect(() => mergeRuns(out, [a, foreign])).toThrow(
      /run\.json: run: expected a shard of the same run as .*, found another name, another weights/,
    );
    expect(existsSync(out)).toBe(false);
    // A record that lies outside of its shard's part.
    copyFileSync(fileOf(a), fileOf(b));
    expect(() => mergeRuns(out, [b])).toThrow(
      /line 1: expected a completion of this shard \(3 to 11/,
    );
  });
});

describe('reduceSteps', () => {
  it('takes the last, the least, the product or the mean', () => {
    const steps = [0.5, 0.25, 0.75];
    expect(reduceSteps(steps)).toBe(0.75);
    expect(reduceSteps(steps, 'min')).toBe(0.25);
    expect(reduceSteps(steps, 'prod')).toBe(0.09375);
    expect(reduceSteps(steps, 'mean')).toBe(0.5);
    expect(reduceSteps([])).toBe(0);
    expect(() => reduceSteps(steps, 'max' as never)).toThrow(/expected last, min, prod, mean/);
  });
});
