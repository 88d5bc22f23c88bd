import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { needsOf } from '../../lib/cli/reproduce/needs.js';
import type { Planned } from '../../lib/cli/reproduce/plan.js';
import { requireRoom, roomAt } from '../../lib/cli/reproduce/room.js';
import { openExperiment, type PlannedRun } from '../../lib/experiment/index.js';

const MIB = 2 ** 20;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'room-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const planned = (more: object): Planned => ({
  notebook: { name: 'n', path: '', title: '', summary: '' },
  inputs: '',
  because: 'forced',
  last: null,
  expected: null,
  hints: { measuresTime: true, takes: {} },
  samples: false,
  ...more,
});
const beside = (memoryMiB: number) =>
  planned({ hints: { measuresTime: false, takes: { mini: { memoryMiB } } } });

describe('what a plan needs', () => {
  it('is the largest notebook that runs alone, or the largest that run side by side', () => {
    const alone = planned({ hints: { measuresTime: true, takes: { mini: { memoryMiB: 900 } } } });
    const plan = [alone, beside(500), beside(700), beside(600)];
    const memory = (jobs: number) => needsOf(plan, { scale: 'mini', jobs }).memoryBytes / MIB;
    expect([1, 2, 3].map(memory)).toEqual([900, 1300, 1800]);
  });

  it('is nothing where all is up to date', () => {
    const plan = [planned({ because: null, samples: true })];
    expect(needsOf(plan, { scale: 'mini', jobs: 1 })).toEqual({ memoryBytes: 0, diskBytes: 0 });
  });

  it('has the states of the largest model, unless they lie on a GPU', () => {
    const experiment = openExperiment({ scale: 'mini', runs: folder, samples: 4, problems: 10 });
    const run = (memoryBytes: number) =>
      ({ memoryBytes, problems: 10, samples: 4 }) as unknown as PlannedRun;
    const of = (onGpu: boolean, runs: PlannedRun[]) =>
      needsOf([planned({ samples: true })], {
        scale: 'mini',
        jobs: 1,
        onGpu,
        experiment: { experiment, runs },
      });
    const none = of(false, []).memoryBytes;
    expect(of(false, [run(5 * MIB), run(7 * MIB)]).memoryBytes).toBe(none + 7 * MIB);
    expect(of(true, [run(7 * MIB)]).memoryBytes).toBe(none);
  });

  it('counts the completions that are not on the disk yet', () => {
    const experiment = openExperiment({ scale: 'mini', runs: folder, samples: 4, problems: 10 });
    const runs = [{ memoryBytes: 0, problems: 10, samples: 4 } as unknown as PlannedRun];
    const disk = () =>
      needsOf([planned({ samples: true })], {
        scale: 'mini',
        jobs: 1,
        experiment: { experiment, runs },
      }).diskBytes;
    const before = disk();
    for (const name of [
      'teacher-small-0-algebra-10x4-seed1',
      'teacher-small-0-algebra-10x4-seed2',
    ]) {
      mkdirSync(join(folder, 'mini', name), { recursive: true });
      writeFileSync(join(folder, 'mini', name, 'completions.jsonl'), 'x'.repeat(1000));
    }
    expect(before - disk()).toBe(1000);
  });
});

describe('the room that is there', () => {
  it('is enough or is named with what is needed', () => {
    const needs = { memoryBytes: 3 * 2 ** 30, diskBytes: 200 * MIB };
    expect(() => requireRoom(needs, needs, 'out')).not.toThrow();
    const there = { memoryBytes: 2 ** 30, diskBytes: 100 * MIB };
    expect(() => requireRoom(needs, { ...there, diskBytes: 2 ** 40 }, 'out')).toThrow(
      /^not enough memory: the plan needs about 3 GiB, 1 GiB are free.*\nnothing was started$/,
    );
    expect(() => requireRoom(needs, there, '/some/out')).toThrow(
      /not enough memory[\s\S]*not enough disk: \/some\/out needs about 200 MiB, 100 MiB are free there/,
    );
  });

  it('is that of the folder that a new folder will lie in', () => {
    const { memoryBytes, diskBytes } = roomAt(join(folder, 'not', 'yet'));
    expect(memoryBytes).toBeGreaterThan(MIB);
    expect(diskBytes).toBeGreaterThan(0);
  });
});
