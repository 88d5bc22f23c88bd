import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { init } from '../../lib/backend/index.js';
import { loadTokenizer, miniProblems } from '../../lib/data/index.js';
import { type OpenedData, openData } from '../../lib/distill/config/open-data.js';
import type { DataConfig } from '../../lib/distill/config/parts.js';
import { readConfig } from '../../lib/distill/config/read.js';
import { runConfig } from '../../lib/distill/config/run.js';
import { sftConfig, trainConfig } from '../../lib/distill/config/schema.js';
import type { StreamPosition } from '../../lib/distill/index.js';
import { writeRows } from '../data/training/files.js';

const tokenizerFolder = fileURLToPath(new URL('../../data/mini/tokenizer', import.meta.url));
const tokenizer = loadTokenizer(tokenizerFolder);
const problems = miniProblems({ family: 'stories', split: 'train', seed: 2, count: 60 });

let folder: string;
let shards: string;
const open: OpenedData[] = [];

beforeAll(() => void init({ threads: 2 }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-config-data-'));
  shards = join(folder, 'shards');
  const rows = problems.map(({ question, solution }) => ({ problem: question, solution }));
  writeRows(shards, 'train-0.parquet', rows.slice(0, 40), 10);
  writeRows(shards, 'train-1.jsonl', rows.slice(40));
});
afterEach(async () => {
  for (const data of open.splice(0)) await data.close();
  rmSync(folder, { recursive: true });
});

const data = (more: object): DataConfig => ({
  ...{ sources: [{ dataset: 'math', path: shards }], length: 160, batch: 2, seed: 0, loss: 'all' },
  ...more,
});

async function opened(more: object, lines: string[] = []): Promise<OpenedData> {
  const made = await openData(data(more), tokenizer, (line) => void lines.push(line));
  open.push(made);
  return made;
}

const isStream = ({ batches }: OpenedData) => 'stream' in (batches.position() as StreamPosition);

describe('openData', () => {
  it('keeps small files in memory, and streams where it is asked or weighted', async () => {
    expect(isStream(await opened({}))).toBe(false);
    expect(isStream(await opened({ stream: true }))).toBe(true);
    expect(isStream(await opened({ shuffle: 10 }))).toBe(true);
    const weighted = [{ path: join(shards, 'train-1.jsonl'), weight: 2 }];
    writeRows(folder, 'text.jsonl', [{ text: 'a' }]);
    const path = join(folder, 'text.jsonl');
    expect(isStream(await opened({ sources: [path] }))).toBe(false);
    expect(isStream(await opened({ sources: [{ path, weight: 2 }] }))).toBe(true);
    await expect((await opened({ sources: weighted })).batches.next()).rejects.toThrow('train-1');
  });

  it('streams files above 64 MB', async () => {
    const path = join(folder, 'large.jsonl');
    writeFileSync(path, `${JSON.stringify({ text: 'x '.repeat(33e6) })}\n`);
    expect(isStream(await opened({ sources: [path] }))).toBe(true);
  });

  it('has the same documents either way, task problems among them', async () => {
    const sources = [
      { dataset: 'math', path: shards },
      { task: 'algebra', problems: 10, split: 'train', style: 'question' },
    ];
    const idsOf = async (stream: boolean) => {
      const { batches } = await opened({ sources, stream, length: 600, batch: 1 });
      const ids = new Set<string>();
      for (let i = 0; i < 60; i++) for (const id of (await batches.next()).ids ?? []) ids.add(id);
      return [...ids].sort();
    };
    const memory = await idsOf(false);
    expect(memory).toHaveLength(70);
    expect(await idsOf(true)).toEqual(memory);
  });

  it('says how many documents there are and how many are too long', async () => {
    const lines: string[] = [];
    await opened({ length: 80 }, lines);
    await opened({ length: 80, long: 'split' }, lines);
    expect(lines[0]).toMatch(/^data: \d+ documents; \d+ are longer than a row of 80 and left out$/);
    expect(lines[1]).toMatch(/^data: 60 documents; \d+ are longer .* and cut into several$/);
    const stream = await opened({ length: 80, stream: true }, lines);
    await stream.batches.next();
    await stream.close();
    expect(lines[2]).toMatch(/^data: \d+ documents were read; \d+ are longer .* and left out$/);
    await expect(opened({ length: 2 })).rejects.toThrow('no document fits into rows of 2 tokens');
  });
});

describe('a configuration of data', () => {
  const read = (sources: unknown[], more: object = {}) => {
    const path = join(folder, 'config.json');
    const config = {
      ...{ recipe: 'sft', model: 'm', steps: 1, run: { folder: 'r' } },
      learningRate: { kind: 'constant', rate: 1 },
      data: { sources, length: 8, batch: 1, ...more },
    };
    writeFileSync(path, JSON.stringify(config));
    return readConfig(sftConfig, path).then(
      ({ data: { sources: found } }) => found,
      (error: Error) => error.message,
    );
  };

  it('takes data sets, paths, folders, tasks and weights', async () => {
    const sources = [
      { dataset: 'openmathinstruct-2', path: 'omi/data', weight: 3 },
      { dataset: 'gsm8k' },
      { path: 'fine/*.parquet', weight: 0.5 },
      'own.jsonl',
    ];
    expect(await read(sources)).toEqual(sources);
    expect(await read([{ task: 'gsm8k', weight: 2 }])).toEqual([
      { task: 'gsm8k', weight: 2, split: 'train', style: 'question' },
    ]);
  });

  it('lists all that is wrong, with the nearest names', async () => {
    const message = await read(
      [
        { dataset: 'openmathinstruct2', path: 'x' },
        { datset: 'gsm8k', path: 'x' },
        { path: 'x', weight: -1 },
        { task: 'gsm9k' },
        { dataset: 'math' },
      ],
      { long: 'spilt', sufle: 3 },
    );
    for (const part of [
      'data.sources.0.dataset: Invalid option: expected one of "openmathinstruct-2"',
      "did you mean 'openmathinstruct-2'?",
      "data.sources.1: unknown field 'datset'; did you mean 'dataset'?",
      'data.sources.2.weight: Too small',
      'data.sources.4.path: Invalid input: expected string',
      'data.sources.3.task: Invalid option',
      "did you mean 'gsm8k'?",
      "did you mean 'split'?",
      "data: unknown field 'sufle'; did you mean 'shuffle'?",
    ]) {
      expect(message).toContain(part);
    }
  });

  it('refuses what belongs to a stream where there is none', async () => {
    const message = await read(['a', { path: 'b', weight: 2 }], { stream: false, workers: 1 });
    expect(message).toContain('data.workers: this belongs to a stream');
    expect(message).toContain('data.sources.1.weight: this belongs to a stream');
  });
});

it('a run on a stream goes on where it was stopped, with other threads', async () => {
  const config = (name: string, workers: number): z.output<typeof trainConfig> =>
    trainConfig.parse({
      recipe: 'llama',
      tokenizer: tokenizerFolder,
      model: { dModel: 32, nLayers: 2, nHeads: 2, nKvHeads: 1, dMlp: 64 },
      steps: 8,
      learningRate: { kind: 'constant', rate: 1e-3 },
      data: {
        sources: [
          { dataset: 'math', path: shards, weight: 2 },
          { task: 'algebra', problems: 8, weight: 1 },
        ],
        ...{ length: 96, batch: 2, long: 'split', shuffle: 8, workers },
      },
      run: { folder: join(folder, name), saveEvery: 100 },
    });
  const whole = await runConfig(config('whole', 0));
  const controller = new AbortController();
  const stopped = runConfig(config('parts', 1), {
    signal: controller.signal,
    onStep: ({ step }) => step === 3 && controller.abort(new Error('enough')),
  });
  await expect(stopped).rejects.toThrow('enough');
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const rest = await runConfig(config('parts', 2), { log });
  const losses = ({ metrics }: typeof rest) => metrics.map(({ loss, tokens }) => [loss, tokens]);
  expect(losses(rest)).toEqual(losses(whole));
  expect(lines.join('\n')).toMatch(
    /data: \d+ documents were read; \d+ are longer than a row of 96/,
  );
});
