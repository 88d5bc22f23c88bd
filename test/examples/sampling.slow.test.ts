import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { passAtK } from '../../lib/eval/index.js';
import { findRuns, loadResults } from '../../lib/results/index.js';
import { folderWith } from '../data/temporary.js';
import { runExample } from './run.js';

/** Expects a share as it is printed, with one decimal of a per cent. */
function expectPercent(printed: string | undefined, share: number): void {
  expect(Math.abs(Number(printed) - 100 * share)).toBeLessThan(0.051);
}

describe('sample-and-grade', () => {
  it('prints the coverage that its counts come to', async () => {
    const { code, out, err } = await runExample('sample-and-grade', '--problems', '6');
    expect([code, err]).toEqual([0, '']);
    const counts = [...out.matchAll(/^stories-test-1-\d: (\d) of 8$/gm)].map(([, n]) => Number(n));
    expect(counts).toHaveLength(6);
    const right = counts.reduce((sum, n) => sum + n, 0);
    expect(right).toBeGreaterThan(0);
    expect(right).toBeLessThan(48);
    const lines = [...out.matchAll(/^ +(\d+) +([\d.]+)% {2}([\d.]+)% to ([\d.]+)%$/gm)];
    expect(lines.map(([, k]) => Number(k))).toEqual([1, 2, 4, 8]);
    for (const [, k, coverage, low, high] of lines) {
      const mean = counts.reduce((sum, c) => sum + passAtK(8, c, Number(k)), 0) / counts.length;
      expectPercent(coverage, mean);
      expect(Number(low)).toBeLessThanOrEqual(Number(coverage));
      expect(Number(high)).toBeGreaterThanOrEqual(Number(coverage));
    }
  });

  it('says what is wrong with an option', async () => {
    const bad = await runExample('sample-and-grade', '--problems', 'few');
    expect(bad).toMatchObject({ code: 2, out: '' });
    expect(bad.err).toContain("--problems: expected a positive integer, got 'few'");
    const unknown = await runExample('sample-and-grade', '--problem', '3');
    expect(unknown.code).toBe(2);
    expect(unknown.err).toMatch(/--problem'.*\nusage: .*sample-and-grade\.js.*\[--problems 8\]/s);
  });
});

it('new-figure draws accuracy by level, danfo groups the same completions', async () => {
  const folder = folderWith();
  const [runs, svg] = [join(folder, 'runs'), join(folder, 'deep', 'figure.svg')];
  const sizes = ['--problems', '12', '--samples', '4', '--runs', runs];

  const figure = await runExample('new-figure', ...sizes, '--out', svg);
  expect(figure.code, figure.err).toBe(0);
  const rows = findRuns(join(runs, 'mini')).flatMap(
    (path) => loadResults(path).objects() as Record<string, unknown>[],
  );
  expect(rows).toHaveLength(2 * 12 * 4);
  const lines = [...figure.out.matchAll(/^(Llam\S+), level (\d): ([\d.]+)% \(/gm)];
  expect(lines).toHaveLength(2 * new Set(rows.map(({ level }) => level)).size);
  for (const [, model, level, share] of lines) {
    const asked = rows.filter((row) => row.model === model && row.level === Number(level));
    const right = asked.filter(({ correct }) => correct === true);
    expectPercent(share, right.length / asked.length);
  }
  const drawn = readFileSync(svg, 'utf8');
  for (const text of ['<svg', 'Accuracy by level', 'Llama-1.3M', 'Llamba-1.5M', '12 problems']) {
    expect(drawn).toContain(text);
  }

  // Nothing on stderr: no progress of sampling, the runs of the figure are taken.
  const frame = await runExample('danfo', ...sizes);
  expect([frame.code, frame.err]).toEqual([0, '']);
  const ofStudent = rows.filter(({ model }) => model === 'Llamba-1.5M');
  for (const verdict of [true, false]) {
    const group = ofStudent.filter(({ correct }) => correct === verdict);
    const tokens = group.reduce((sum, row) => sum + Number(row.tokens), 0) / group.length;
    const line = new RegExp(`│? ${verdict} +│ ([\\d.]+)…? +│ [\\d.e-]+…? +│ (\\d+) `);
    const [, mean, count] = line.exec(frame.out) ?? [];
    expect(Number(mean)).toBeCloseTo(tokens, 4);
    expect(Number(count)).toBe(group.length);
  }
});
