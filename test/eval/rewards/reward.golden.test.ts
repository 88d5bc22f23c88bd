import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../../lib/backend/index.js';
import {
  gradeRun,
  loadRewardModel,
  type RewardKind,
  scoreRun,
  splitSteps,
} from '../../../lib/eval/index.js';
import { columnsOf, loadResults, Run } from '../../../lib/results/index.js';
import { folderWith } from '../../data/temporary.js';
import { makeRun } from '../../results/runs.js';
import { onGpu } from '../../same.js';

// Written by test/goldens/reward.py: a Llama in PyTorch float64, each conversation read from its start.
const folder = fileURLToPath(new URL('../../goldens/reward', import.meta.url));

interface Golden {
  readonly question: string;
  readonly completions: readonly string[];
  readonly process: readonly (readonly number[])[];
  readonly outcome: readonly (readonly number[])[];
}

const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;

beforeAll(() => void backend.init({ threads: 2 }));

// A GPU rounds what bf16 weights are multiplied with to bf16 too.
const tolerance = onGpu ? 2e-2 : 1e-5;

function distance(got: readonly number[][], want: readonly (readonly number[])[]): number {
  expect(got.map(({ length }) => length)).toEqual(want.map(({ length }) => length));
  const flat = want.flat();
  return Math.max(...got.flat().map((score, i) => Math.abs(score - (flat[i] as number))));
}

describe.each<RewardKind>(['process', 'outcome'])('a %s reward model', (kind) => {
  it.each([1, 2, 16])(
    "gives PyTorch's scores, %i at a time, and leaves nothing behind",
    (batchSize) => {
      const model = loadRewardModel(folder, { kind, batchSize });
      const { question, completions } = golden;
      model.score(question, completions);
      const before = tf.memory().numTensors;
      expect(distance(model.score(question, completions), golden[kind])).toBeLessThan(tolerance);
      // Repeated texts, and those without any.
      const more = model.score(question, [completions[2] as string, ' \n\n ', ...completions]);
      expect(distance(more, [golden[kind][2] ?? [], [], ...golden[kind]])).toBeLessThan(tolerance);
      expect(model.score(question, [])).toEqual([]);
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    },
  );
});

describe('loadRewardModel', () => {
  it('refuses answers that are no token, options that make no sense, and what is too long', () => {
    const load = (options: object) => () => loadRewardModel(folder, options);
    expect(load({ good: 'yes' })).toThrow(/'yes' is 3 tokens of this model, not one/);
    expect(load({ bad: '+' })).toThrow(/'\+' and '\+' are the same token/);
    expect(load({ kind: 'mood' })).toThrow(/kind: expected process or outcome, got mood/);
    expect(load({ batchSize: 0 })).toThrow(/batchSize: expected an integer from 1 up, got 0/);
    const model = loadRewardModel(folder);
    expect(() => model.score('', ['fine', 'x'.repeat(3000)])).toThrow(
      /completion 1 takes \d+ tokens, more than the model's context of 2048/,
    );
    model.dispose();
  });
});

describe('splitSteps', () => {
  it('parts at blank lines', () => {
    expect(splitSteps(' a\nb \n\n\n c\r\n\r\nd\n \t\n\n')).toEqual(['a\nb', 'c', 'd']);
    expect(splitSteps(' \n\n ')).toEqual([]);
  });
});

describe('scoreRun', () => {
  it("writes each completion's step scores once, as the run grows", async () => {
    const text = (prompt: number, sample: number) =>
      sample === 2 ? '' : `It is ${prompt} + ${prompt}.\n\nThe answer is ${2 * prompt + sample}.`;
    const path = makeRun(join(folderWith(), 'run'), { text, n: 3 });
    const model = loadRewardModel(folder);
    const controller = new AbortController();
    const onProgress = (done: number) => done === 6 && controller.abort(new Error('enough'));
    const options = { onProgress, signal: controller.signal };
    await expect(scoreRun(new Run(path), model, 'tiny', options)).rejects.toThrow('enough');
    expect(await scoreRun(new Run(path), model, 'tiny')).toEqual({ scored: 6, steps: 8 });
    expect(await scoreRun(new Run(path), model, 'tiny')).toEqual({ scored: 0, steps: 0 });
    await gradeRun(new Run(path));
    const { reward } = columnsOf(loadResults(path, { reduce: 'min' }));
    const want = model.score('What is 1 + 1?', [text(1, 0), text(1, 1), '']);
    expect(reward[3]).toBeCloseTo(Math.min(...(want[0] as number[])), 6);
    expect(reward[4]).toBeCloseTo(Math.min(...(want[1] as number[])), 6);
    expect(reward[5]).toBe(0);
    const outcome = loadRewardModel(folder, { kind: 'outcome' });
    await expect(scoreRun(new Run(path), outcome, 'tiny')).rejects.toThrow(/another kind/);
    model.dispose();
    outcome.dispose();
  });
});
