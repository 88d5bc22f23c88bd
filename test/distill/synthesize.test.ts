import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init } from '../../lib/backend/index.js';
import { loadTask, loadTokenizer, trainingTexts } from '../../lib/data/index.js';
import { type SynthesizeOptions, synthesize } from '../../lib/distill/index.js';
import { gradeGsm8k } from '../../lib/eval/index.js';
import { sample } from '../../lib/generate/index.js';
import * as models from '../../lib/models/index.js';
import { mambalab } from '../cli/run.js';
import { folderWith } from '../data/temporary.js';

const ref = fileURLToPath(new URL('../../data/mini/teacher', import.meta.url));
const tokenizer = loadTokenizer(ref);
const task = loadTask('stories', { split: 'train', problems: 10, seed: 3 });
const options = { n: 6, temperature: 1.6, maxNewTokens: 120, seed: 4, batchSize: 16 };

let teacher: models.Model;
beforeAll(() => {
  init({ threads: 2 });
  teacher = models.load(ref);
});
afterAll(() => teacher.dispose());

interface Row {
  readonly prompt: string;
  readonly answer: string;
  readonly problem: string;
}

const make = (folder: string, more: Partial<SynthesizeOptions> = {}) =>
  synthesize(teacher, tokenizer, task, { folder, ...options, ...more });
const rowsOf = (path: string): Row[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('synthesize', () => {
  it('keeps what is right, finished and new, and accounts for the rest', async () => {
    const folder = folderWith();
    const { path, manifest } = await make(folder);
    const { counts, file } = manifest;
    const rows = rowsOf(path);

    // The same worked out from the sampler itself.
    const completions = await sample(
      teacher,
      task.problems.map(({ question }) =>
        tokenizer.applyChatTemplate([{ role: 'user', content: question }], {
          addGenerationPrompt: true,
        }),
      ),
      options,
    ).all();
    const right = completions.filter(({ prompt, text, stopReason }) => {
      const { answer } = task.problems[prompt] as (typeof task.problems)[number];
      return stopReason !== 'length' && gradeGsm8k(text, answer).correct === true;
    });
    const keys = right.map(({ prompt, text }) => `${prompt} ${text.trim().split(/\s+/).join(' ')}`);
    expect(rows).toHaveLength(new Set(keys).size);
    expect(counts).toMatchObject({
      ...{ problems: 10, sampled: 60, kept: rows.length, surplus: 0 },
      solved: new Set(right.map(({ prompt }) => prompt)).size,
      duplicates: keys.length - new Set(keys).size,
      unfinished: completions.filter(({ stopReason }) => stopReason === 'length').length,
    });
    const { sampled, unfinished, wrong, duplicates, surplus, kept } = counts;
    expect(unfinished + wrong + duplicates + surplus + kept).toBe(sampled);
    // The temperature makes some of each kind, or the checks above check nothing.
    for (const count of [wrong, duplicates, kept]) expect(count).toBeGreaterThan(2);

    const byId = new Map(task.problems.map((problem) => [problem.id, problem]));
    for (const { prompt, answer, problem } of rows) {
      const { question, answer: gold } = byId.get(problem) as (typeof task.problems)[number];
      expect(prompt).toBe(question);
      expect(gradeGsm8k(answer, gold).correct).toBe(true);
    }
    expect(file.sha256).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
    expect(manifest.teacher).toEqual({ ref: 'teacher', fingerprint: teacher.fingerprint() });
    expect(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(manifest)),
    );
    const texts = [];
    for await (const text of trainingTexts({ path })) texts.push(text);
    expect(texts[0]).toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant' }] });
  });

  it('keeps the first of a problem where it keeps few', async () => {
    const [all, one] = [await make(folderWith()), await make(folderWith(), { most: 1 })];
    const first = new Map<string, Row>();
    for (const row of rowsOf(all.path)) if (!first.has(row.problem)) first.set(row.problem, row);
    expect(rowsOf(one.path)).toEqual([...first.values()]);
    const { kept, surplus } = one.manifest.counts;
    expect(surplus).toBeGreaterThan(0);
    expect(kept + surplus).toBe(all.manifest.counts.kept);
  });

  it('goes on after a stop and ends with the same bytes', async () => {
    const [whole, parts] = [folderWith(), folderWith()];
    const { path } = await make(whole);
    const controller = new AbortController();
    const stopped = make(parts, {
      signal: controller.signal,
      onProgress: (done) => done === 20 && controller.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(existsSync(join(parts, 'solutions.jsonl'))).toBe(false);
    const before = readFileSync(join(parts, 'completions.jsonl'), 'utf8').split('\n').length - 1;
    expect(before).toBeGreaterThanOrEqual(20);
    expect(before).toBeLessThan(60);
    const rest = await make(parts, { batchSize: 5 });
    expect(readFileSync(rest.path)).toEqual(readFileSync(path));
    const manifests = [whole, parts].map((folder) => readFileSync(join(folder, 'manifest.json')));
    expect(manifests[1]).toEqual(manifests[0]);
    expect(readdirSync(parts).sort()).toEqual(readdirSync(whole).sort());
    await expect(make(parts, { seed: 5 })).rejects.toThrow('sampling.seed');
  });

  it('refuses what makes no sense', async () => {
    await expect(make(folderWith(), { most: 0 })).rejects.toThrow('most: expected a positive');
    await expect(make(folderWith(), { n: 0 })).rejects.toThrow('n must be an integer from 1');
  });
});

describe('mambalab synthesize', () => {
  const args = ['--task', 'stories', '--problems', '4', '--n', '3', '--max-new-tokens', '120'];

  it('writes the folder and says what became of the solutions', async () => {
    const out = join(folderWith(), 'made');
    const first = await mambalab('synthesize', ref, ...args, '--out', out);
    expect(first).toMatchObject({ code: 0, err: '' });
    const rows = rowsOf(join(out, 'solutions.jsonl'));
    expect(first.out).toContain(
      `${join(out, 'solutions.jsonl')}: ${rows.length} of 12 solutions, of `,
    );
    const again = await mambalab('--json', 'synthesize', ref, ...args, '--out', out);
    expect(JSON.parse(again.out).manifest.counts).toMatchObject({ sampled: 12, kept: rows.length });
  });

  it('says what is wrong with a call', async () => {
    const call = await mambalab('synthesize', ref, '--task', 'stories', '--most', '0');
    expect([call.code, call.err]).toEqual([2, expect.stringContaining('--most')]);
    expect((await mambalab('synthesize', ref)).err).toContain('--task');
  });
});
