import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Followed, statusOf } from '../../lib/cli/reproduce/display.js';
import { describeStage, readStage } from '../../lib/cli/reproduce/stage.js';
import { slowness, type Timed, timeLeft } from '../../lib/cli/reproduce/time-left.js';
import { progress } from '../../lib/plots/index.js';

const notebook = (state: Timed['state'], expected: number | null, more: object = {}): Timed => ({
  state,
  expected,
  seconds: 0,
  alone: true,
  ...more,
});

describe('the time left', () => {
  it('is what was expected, less what is gone, where all went as expected', () => {
    const all = [
      notebook('executed', 40, { seconds: 40 }),
      notebook('running', 60, { seconds: 20 }),
      notebook('waiting', 100),
    ];
    expect(timeLeft(all, 1)).toEqual({ seconds: 40 + 100, atLeast: false });
  });

  it('is corrected by what was measured, and by one notebook alone not wholly', () => {
    const twice = [notebook('executed', 270, { seconds: 540 }), notebook('waiting', 100)];
    expect(slowness(twice)).toBeCloseTo(570 / 300, 9);
    expect(timeLeft(twice, 1).seconds).toBeCloseTo(190, 9);
    expect(slowness([notebook('executed', 3, { seconds: 30 })])).toBeCloseTo(60 / 33, 9);
  });

  it('learns from a notebook that is over its time, and from no failed one', () => {
    expect(slowness([notebook('running', 30, { seconds: 90 })])).toBe(2);
    expect(slowness([notebook('running', 30, { seconds: 10 })])).toBe(1);
    expect(slowness([notebook('failed', 30, { seconds: 900 })])).toBe(1);
  });

  it('is no less than what the stage takes, and only a bound where nothing is known', () => {
    const all = [notebook('running', 10, { seconds: 9, stageLeft: 50 }), notebook('waiting', null)];
    expect(timeLeft(all, 1)).toEqual({ seconds: 50, atLeast: true });
  });

  it('has those that may side by side, and the others one after another', () => {
    const beside = [10, 20, 60].map((expected) => notebook('waiting', expected, { alone: false }));
    const all = [notebook('waiting', 100), ...beside];
    expect(timeLeft(all, 1).seconds).toBe(190);
    expect(timeLeft(all, 2).seconds).toBe(160);
    expect(timeLeft(all, 8).seconds).toBe(160);
  });
});

describe('the stage of a notebook', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stage-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is what plots.progress wrote for it', () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const file = join(folder, 'progress.json');
    vi.stubEnv('MAMBALAB_PROGRESS', file);
    const bar = progress(200, { label: 'Llamba, algebra', unit: 'completions' });
    expect(readStage(file)?.text).toBe('Llamba, algebra: 0/200');
    bar.advance(50);
    bar.done();
    expect(readStage(file)?.text).toBe('Llamba, algebra: done');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ count: 50, total: 200 });
  });

  it('is no reason for a run to fail where it cannot be written or read', () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.stubEnv('MAMBALAB_PROGRESS', join(folder, 'gone', 'progress.json'));
    expect(() => progress(2).done()).not.toThrow();
    const file = join(folder, 'progress.json');
    expect(readStage(file)).toBeUndefined();
    for (const text of ['', '{"label"', 'null', '[]', '{"label": "x", "count": -1}']) {
      writeFileSync(file, text);
      expect(readStage(file)).toBeUndefined();
    }
  });

  it('has a rate, and the time of its rest once some of it is done', () => {
    const state = { label: 'L', unit: 'steps', total: 1000, seconds: 10, finished: false };
    expect(describeStage({ ...state, count: 100 })).toEqual({
      text: 'L: 100/1,000, 10 steps/s',
      left: 90,
    });
    expect(describeStage({ ...state, count: 1 })).toEqual({ text: 'L: 1/1,000, 0.1 steps/s' });
    const open = { label: '', unit: '', seconds: 10, finished: false, count: 20 };
    expect(describeStage(open)).toEqual({ text: '20, 2/s' });
  });
});

it('the line of a reproduction names what runs, its stage, and the time left of the whole', () => {
  const followed = (name: string, state: Timed['state'], more: object = {}): Followed => ({
    name,
    expected: 100,
    alone: false,
    state,
    began: 0,
    seconds: 0,
    doing: 'executing',
    progressFile: name,
    ...more,
  });
  const all = [
    followed('01-a', 'executed', { seconds: 100 }),
    followed('02-b', 'running', { began: 1000 }),
    followed('03-c', 'running', { began: 1000, doing: 'writing HTML' }),
    followed('04-d', 'waiting'),
  ];
  const stages: Record<string, object> = { '02-b': { text: 'Llamba, algebra: 3/9', left: 7 } };
  const stageOf = (file: string) => stages[file] as ReturnType<typeof readStage>;
  expect(statusOf(all, 2, 41_000, stageOf)).toBe(
    '1/4 done, about 1 min 50 s left | 02-b (40 s) Llamba, algebra: 3/9 | 03-c (40 s) writing HTML',
  );
});
