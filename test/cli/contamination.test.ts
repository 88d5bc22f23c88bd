import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadProblems } from '../../lib/data/index.js';
import { mambalab } from './run.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambalab-contamination-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const [problem] = loadProblems() as [ReturnType<typeof loadProblems>[number]];

function file(texts: readonly string[]): string {
  const path = join(folder, 'train.jsonl');
  writeFileSync(path, texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
  return path;
}

describe('contamination', () => {
  it('writes a line for each overlap, and its exit code says that there is one', async () => {
    const path = file(['clean', `Here: ${problem.question.toUpperCase()} Solve it.`]);
    const { code, out, err } = await mambalab('contamination', path, '--against', 'grade-school');
    expect(code).toBe(3);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ id: `${path}:2`, problem: problem.id, share: 1 }]);
    expect(err).toBe(
      '1 of 2 texts (50.00 %) share 13 words in a row, or a shorter problem whole, with 1 of 12 test problems\n',
    );
  });

  it('ends with 0 where nothing overlaps, and says so in JSON', async () => {
    const args = [file(['clean']), '--against', 'grade-school', 'algebra', '--problems', '5'];
    const { code, out } = await mambalab('--json', 'contamination', ...args);
    expect(code).toBe(0);
    const counts = { texts: 1, overlapping: 0, overlaps: 0, problems: 10, problemsFound: 0 };
    expect(JSON.parse(out)).toEqual(counts);
  });

  it('writes a file whole or not at all', async () => {
    const out = join(folder, 'overlaps.jsonl');
    const args = ['--against', 'grade-school', '--out', out, '--n', '5'];
    const good = await mambalab('contamination', file([problem.question]), ...args);
    expect([good.code, good.out]).toEqual([3, '']);
    const kept = readFileSync(out, 'utf8');
    expect(JSON.parse(kept).problem).toBe(problem.id);
    const bad = file([problem.question]);
    writeFileSync(bad, `${readFileSync(bad, 'utf8')}{}\n`);
    const failed = await mambalab('contamination', bad, ...args);
    expect(failed.code).toBe(1);
    expect(failed.err).toContain(`${bad}: line 2: expected messages`);
    expect(readFileSync(out, 'utf8')).toBe(kept);
    expect(readdirSync(folder).sort()).toEqual(['overlaps.jsonl', 'train.jsonl']);
    expect(existsSync(out)).toBe(true);
  });

  it('says what is wrong with a call', async () => {
    const none = await mambalab('contamination');
    expect([none.code, none.err]).toEqual([
      2,
      expect.stringContaining('expected files or folders'),
    ]);
    const task = await mambalab('contamination', 'x', '--against', 'cake');
    expect([task.code, task.err]).toEqual([2, expect.stringContaining('gsm8k')]);
    expect((await mambalab('contamination', 'x', '--n', '0')).code).toBe(2);
    const help = await mambalab('contamination', '--help');
    expect(help.out).toContain('Exit code: 0 where nothing overlaps, 3');
  });
});
