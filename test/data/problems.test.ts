import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadGsm8k, loadProblems } from '../../lib/data/index.js';
import { fileWith, folderWith } from './temporary.js';

const row = (question: unknown, answer: unknown) => `${JSON.stringify({ question, answer })}\n`;

afterEach(() => vi.unstubAllEnvs());

describe('loadGsm8k', () => {
  it('takes the answer after ####, without separators', () => {
    const path = fileWith(
      't.jsonl',
      row('Q1?', 'a\n#### 1,200') + row('Q2?', 'b #### no\n#### -3'),
    );
    expect(loadGsm8k({ split: 'test', path })).toEqual([
      { id: 'gsm8k-test-0', question: 'Q1?', answer: '1200', solution: 'a\n#### 1,200' },
      { id: 'gsm8k-test-1', question: 'Q2?', answer: '-3', solution: 'b #### no\n#### -3' },
    ]);
  });

  it('stops at the limit, before rows that it does not need', () => {
    const path = fileWith('t.jsonl', `${row('Q?', '#### 1')}broken\n`);
    expect(loadGsm8k({ split: 'train', limit: 1, path })).toHaveLength(1);
    expect(() => loadGsm8k({ split: 'train', path })).toThrow(/t\.jsonl: line 2/);
  });

  it('finds the split in MAMBALAB_DATA', () => {
    const folder = folderWith();
    vi.stubEnv('MAMBALAB_DATA', folder);
    vi.stubEnv('MAMBALAB_CACHE', folder);
    expect(() => loadGsm8k({ split: 'test' })).toThrow(/gsm8k: test\.jsonl is not on this machine/);
  });

  it('names file, line and field of a row that is not as published', () => {
    const bad = (content: string) => () =>
      loadGsm8k({ split: 'test', path: fileWith('bad.jsonl', content) });
    const good = row('Q?', '#### 1');
    expect(bad(`${good}[1]\n`)).toThrow(/bad\.jsonl: line 2: expected an object .* found \[1\]/);
    expect(bad(row(7, '#### 1'))).toThrow(/line 1: .* found "question": 7/);
    expect(bad('{"question":"Q?"}\n')).toThrow(/found no "answer"/);
    expect(bad(row('Q?', 'no mark'))).toThrow(/ends with #### and a number, found no ####/);
    expect(bad(row('Q?', '#### many'))).toThrow(/found #### "many"/);
  });

  it('names the option that makes no sense', () => {
    expect(() => loadGsm8k({ split: 'dev' as 'test' })).toThrow(/split: .* got dev/);
    expect(() => loadGsm8k({ split: 'test', limit: 0 })).toThrow(/limit: .* got 0/);
  });
});

describe('loadProblems', () => {
  it('gives a dozen problems, each calculation of which is right', () => {
    const problems = loadProblems();
    expect(problems).toHaveLength(12);
    for (const { question, answer, solution } of problems) {
      expect(question).toMatch(/\?$/);
      const results = [...solution.matchAll(/(\d[\d +*/-]*?) = (\d+)/g)];
      for (const [, left, right] of results) {
        expect(Number(new Function(`return ${left};`)()), solution).toBe(Number(right));
      }
      expect(results.at(-1)?.[2]).toBe(answer);
    }
  });

  it('refuses an answer that its solution does not reach, and an id twice', () => {
    const problem = { id: 'a', question: 'Q?', answer: '1', solution: '#### 1' };
    const file = (...rows: object[]) =>
      fileWith('p.jsonl', rows.map((x) => `${JSON.stringify(x)}\n`).join(''));
    expect(loadProblems(file(problem))).toEqual([problem]);
    expect(() => loadProblems(file({ ...problem, answer: '2' }))).toThrow(/line 1: .* found 2/);
    expect(() => loadProblems(file(problem, problem))).toThrow(
      /line 2: expected a new id, found a/,
    );
  });
});
