import { describe, expect, it } from 'vitest';
import { loadMath500, loadTask, taskNames } from '../../lib/data/index.js';
import { fileWith } from './temporary.js';

const math = {
  unique_id: 'test/algebra/1.json',
  problem: 'What is $1+1$?',
  answer: '2',
  solution: '$1+1=\\boxed{2}$.',
  subject: 'Algebra',
  level: 3,
};
const lines = (...rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('loadMath500', () => {
  it('reads subject and level, whatever the order of the fields', () => {
    const { level, ...rest } = math;
    const path = fileWith('m.jsonl', lines(math, { level, ...rest, unique_id: 'b' }));
    const want = {
      id: 'test/algebra/1.json',
      question: math.problem,
      answer: '2',
      solution: math.solution,
      subject: 'Algebra',
      level: 3,
    };
    expect(loadMath500({ path })).toEqual([want, { ...want, id: 'b' }]);
    expect(loadMath500({ path, limit: 1 })).toEqual([want]);
  });

  it('names the line that is not as published', () => {
    const bad = (...rows: unknown[]) => {
      const path = fileWith('m.jsonl', lines(...rows));
      return () => loadMath500({ path });
    };
    expect(bad(math, math)).toThrow(/m\.jsonl: line 2: expected a new unique_id, found test/);
    expect(bad({ ...math, level: 'Level 3' })).toThrow(/line 1: expected an integer level/);
    expect(bad({ ...math, answer: '' })).toThrow(/found "answer": ""/);
    expect(() => loadMath500({ limit: 0 })).toThrow(/limit: expected a positive integer, got 0/);
  });
});

describe('loadTask', () => {
  it.each(['synthetic', 'stories', 'algebra', 'grade-school'] as const)('loads %s', (name) => {
    const { problems, answers } = loadTask(name, { problems: 5 });
    expect(problems).toHaveLength(5);
    expect(answers).toBe(name === 'algebra' ? 'math' : 'gsm8k');
  });

  it('takes problems at random, the first of a longer choice the same', () => {
    const ids = (count: number, shuffle: number) =>
      loadTask('grade-school', { problems: count, shuffle }).problems.map(({ id }) => id);
    const all = loadTask('grade-school').problems.map(({ id }) => id);
    expect(new Set(ids(12, 1))).toEqual(new Set(all));
    expect(ids(12, 1)).not.toEqual(all);
    expect(ids(12, 1)).not.toEqual(ids(12, 2));
    expect(ids(5, 1)).toEqual(ids(12, 1).slice(0, 5));
  });

  it('names the option that makes no sense', () => {
    expect(() => loadTask('nothing' as never)).toThrow(
      `there is no task 'nothing'; there are ${taskNames.join(', ')}`,
    );
    expect(() => loadTask('grade-school', { problems: 0 })).toThrow(/problems: .* got 0/);
    expect(() => loadTask('grade-school', { problems: 13 })).toThrow(/has 12 problems, not 13/);
    expect(() => loadTask('math-500', { split: 'train' })).toThrow(/no training split/);
    expect(() => loadTask('synthetic', { path: 'x' })).toThrow(/takes no path, got x/);
  });
});
