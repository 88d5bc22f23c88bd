import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '#setup/places.mjs';
import { columnsOf, findRuns, loadResults, overviewOf } from '../../lib/results/index.js';

const runs = findRuns(join(root, 'data', 'results'));

describe('the runs that ship', () => {
  it('are there', () => {
    expect(runs.map((path) => path.split(/[\\/]/).at(-1))).toEqual(
      expect.arrayContaining(['smollm2-gsm8k', 'smollm2-math-500']),
    );
  });

  it.each(runs)('%s is whole, graded and scored', (path) => {
    const { completions, expected, problems, n } = overviewOf(path);
    expect([completions, expected]).toEqual([50 * 16, 50 * 16]);
    expect([problems, n]).toEqual([50, 16]);
    const { correct, answer, gold, reward, seconds } = columnsOf(loadResults(path));
    const right = Array.from(correct, (verdict, row) => (verdict === true ? row : -1));
    expect(right.some((row) => row >= 0 && answer[row] === gold[row])).toBe(true);
    expect(Array.from(reward).every((r) => r >= 0 && r < 1)).toBe(true);
    expect(Array.from(seconds).every((s) => s > 0)).toBe(true);
  });
});
