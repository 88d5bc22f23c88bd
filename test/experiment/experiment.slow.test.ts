/** The experiment at its smallest: runs are kept, go on after a kill, and give findings. */
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { init } from '../../lib/backend/index.js';
import {
  Experiment,
  findings,
  openExperiment,
  readFindings,
  saveFindings,
} from '../../lib/experiment/index.js';
import { columnsOf } from '../../lib/results/index.js';
import { worldModel } from '../../lib/world/index.js';

let runs: string;
beforeAll(() => {
  init();
  runs = mkdtempSync(join(tmpdir(), 'experiment-'));
});
afterAll(() => rmSync(runs, { recursive: true, force: true }));

const open = (seed = 1) => openExperiment({ scale: 'mini', problems: 6, samples: 4, seed, runs });

describe('the experiment', () => {
  it('samples, grades and scores once, and reads that again', async () => {
    const lab = open();
    const first = await lab.results('gsm', ['teacher-small', 'llamba-small'], { rewards: true });
    expect(Object.keys(first)).toEqual(['Llama-1.3M', 'Llamba-1.5M']);
    for (const table of Object.values(first)) {
      const { promptId, reward, correct } = columnsOf(table);
      expect(promptId.length).toBe(24);
      expect(Array.from(reward).every((x) => x >= 0 && x <= 1)).toBe(true);
      expect(Array.from(correct).every((x) => typeof x === 'boolean')).toBe(true);
    }
    const again = await lab.results('gsm', ['teacher-small', 'llamba-small'], { rewards: true });
    for (const name of Object.keys(first)) {
      expect(columnsOf(again[name] as never)).toEqual(columnsOf(first[name] as never));
    }
  });

  it('ends with the completions of an unkilled run', async () => {
    const lab = open();
    const table = (await lab.results('gsm', ['teacher-small']))['Llama-1.3M'] as never;
    const before = columnsOf(table);
    const folder = join(runs, 'mini');
    const name = readdirSync(folder).find((entry) => entry.startsWith('teacher-small')) as string;
    const file = join(folder, name, 'completions.jsonl');
    const lines = readFileSync(file, 'utf8').split('\n');
    // As a kill leaves it: half of the completions, and a torn line.
    truncateSync(file, Buffer.byteLength(`${lines.slice(0, 12).join('\n')}\n`));
    appendFileSync(file, (lines[12] as string).slice(0, 20));
    for (const entry of readdirSync(join(folder, name))) {
      if (/^(grades|scores)/.test(entry)) rmSync(join(folder, name, entry));
    }
    const resumed = columnsOf((await lab.results('gsm', ['teacher-small']))['Llama-1.3M'] as never);
    expect(Array.from(resumed.answer)).toEqual(Array.from(before.answer));
    expect(Array.from(resumed.tokens)).toEqual(Array.from(before.tokens));
  });

  it('has other completions for another temperature, and keeps both', async () => {
    const options = { scale: 'mini', problems: 2, samples: 4, runs: join(runs, 'temperatures') };
    const answersOf = async (temperature?: number) => {
      const lab = openExperiment({ ...options, ...(temperature !== undefined && { temperature }) });
      const table = (await lab.results('gsm', ['teacher-small']))['Llama-1.3M'] as never;
      return Array.from(columnsOf(table).answer);
    };
    const usual = await answersOf();
    const greedy = await answersOf(0);
    expect(new Set(greedy).size).toBeLessThanOrEqual(2);
    expect(readdirSync(join(options.runs, 'mini'))).toHaveLength(2);
    expect(await answersOf()).toEqual(usual);
  });

  it('has other problems for another seed', () => {
    const questions = (seed: number) =>
      open(seed)
        .task('math')
        .problems.map((p) => p.question);
    expect(questions(1)).toEqual(questions(1));
    expect(questions(2)).not.toEqual(questions(1));
  });

  it('finds a number, an interval and a verdict for every claim, and keeps them', async () => {
    const lab = open();
    const found = await findings(lab);
    expect(found.length).toBeGreaterThan(25);
    for (const { interval, verdict, claim } of found) {
      expect(verdict, claim).toMatch(/^(supported|not supported|undecided)$/);
      expect(interval.low, claim).toBeLessThanOrEqual(interval.high);
    }
    saveFindings(lab, found);
    expect(readFindings(runs, 'mini')?.findings.map(({ claim }) => claim)).toEqual(
      found.map(({ claim }) => claim),
    );
  }, 600_000);

  it('finds what can be found where there is a teacher alone, and no reward model', async () => {
    const { scale, seed, folder } = open();
    const teachers = scale.models.filter(({ role }) => role === 'teacher-small');
    const alone = { ...scale, name: 'smollm' as const, models: teachers, rewardModel: undefined };
    const own = teachers.map((model) => ({ ...model, ref: worldModel(model.ref) }));
    const lab = new Experiment({ ...alone, models: own }, seed, folder);
    expect((await findings(lab)).map(({ claim }) => claim)).toEqual([
      'Coverage rises with completions',
    ]);
  });

  it('refuses what it does not have', async () => {
    expect(() => openExperiment({ scale: 'huge' })).toThrow(/MAMBALAB_SCALE must be one of mini/);
    expect(() => openExperiment({ samples: 1 })).toThrow(/MAMBALAB_SAMPLES: expected an integer/);
    expect(() => openExperiment({ temperature: -1 })).toThrow(/temperature: expected a number/);
    const smollm = openExperiment({ scale: 'smollm', runs });
    await expect(smollm.results('math', ['llamba-small'])).rejects.toThrow(/it has teacher-small/);
    const paper = openExperiment({ scale: 'paper', runs });
    await expect(paper.results('math', ['teacher-small', 'llamba-small'])).rejects.toThrow(
      /models of the scale paper are missing:\n.*Llama-3.2-1B-Instruct.*\n.*Llamba-1B-distilled/,
    );
  });
});
