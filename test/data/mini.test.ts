import { describe, expect, it } from 'vitest';
import { atlasQuestions, atlasText, type Level, miniProblems } from '../../lib/data/index.js';
import { atlas } from '../../lib/data/mini/atlas.js';

/** Value of a sum, difference, product, quotient or power of numbers; NaN of anything else. */
function evaluate(expression: string): number {
  const plain = expression.replaceAll('\\cdot', '*').replaceAll('^', '**');
  if (!/^[\d\s+\-*/()]+$/.test(plain)) return Number.NaN;
  return Number(new Function(`return (${plain});`)());
}

/** The sides of every equation in a solution: between dollar signs in algebra, plain in stories. */
function equations(solution: string): string[][] {
  const spans = solution.includes('$')
    ? [...solution.matchAll(/\$([^$]*)\$/g)].map(([, math]) => math as string)
    : [...solution.matchAll(/([\d(][\d\s+\-*/()]*? = \d+)/g)].map(([math]) => math);
  return spans.map((math) => math.split(' = ')).filter((sides) => sides.length > 1);
}

const families = ['stories', 'algebra'] as const;
const levels: readonly Level[] = [1, 2, 3, 4, 5];

/** Names, things and wording of a story taken away: its numbers in the order of the steps. */
const skeleton = (solution: string) => solution.replace(/[^\d+\-*/=]+/g, ' ');

describe('miniProblems', () => {
  it.each(families)('writes %s whose every calculation is right', (family) => {
    let calculations = 0;
    for (const { id, question, answer, solution } of miniProblems({
      family,
      split: 'train',
      seed: 3,
      count: 3000,
    })) {
      expect(question + solution, id).not.toMatch(/undefined|NaN|\.\d| {2}|\+ -|- -/);
      for (const sides of equations(solution)) {
        const values = sides.map(evaluate).filter((value) => !Number.isNaN(value));
        expect(new Set(values).size, `${sides.join(' = ')} in ${solution}`).toBeLessThan(2);
        calculations += values.length - 1;
      }
      const end = family === 'stories' ? `#### ${answer}` : `\\boxed{${answer}}$.`;
      expect(solution.endsWith(end), solution).toBe(true);
    }
    expect(calculations).toBeGreaterThan(3000);
  });

  it.each(families)('shares no problem of %s between training and test', (family) => {
    const of = (split: 'train' | 'test', count: number) =>
      miniProblems({ family, split, seed: 5, count });
    const train = new Set(of('train', 20_000).map((p) => p.question.replace(/[A-Z]\w+/g, '_')));
    const test = of('test', 1000);
    expect(test.filter((p) => train.has(p.question.replace(/[A-Z]\w+/g, '_')))).toEqual([]);
    if (family === 'stories') {
      const seen = new Set(of('train', 20_000).map((p) => skeleton(p.solution)));
      const long = test.filter((p) => p.level >= 3);
      expect(long.filter((p) => seen.has(skeleton(p.solution))).length).toBeLessThan(5);
    }
  });

  it.each(levels)('asks for as many calculations of a story as level %i says', (level) => {
    for (const { solution } of miniProblems({
      family: 'stories',
      split: 'test',
      seed: 1,
      count: 200,
      level,
    })) {
      expect(solution.split('\n\n')).toHaveLength(level + 1);
    }
  });

  it('has thousands of plots', () => {
    const plots = miniProblems({ family: 'stories', split: 'train', seed: 2, count: 20_000 }).map(
      ({ question }) => question.replace(/[A-Z]\w+|\d+/g, '_'),
    );
    expect(new Set(plots).size).toBeGreaterThan(5000);
  });

  it('is the same for a seed, whatever the count, and another for another seed', () => {
    const options = { family: 'algebra', split: 'test', seed: 9 } as const;
    const many = miniProblems({ ...options, count: 300 });
    expect(miniProblems({ ...options, count: 40 })).toEqual(many.slice(0, 40));
    expect(miniProblems({ ...options, seed: 10, count: 40 })).not.toEqual(many.slice(0, 40));
    expect(new Set(many.map((p) => p.question)).size).toBe(300);
  });

  it('names the option that makes no sense', () => {
    const good = { family: 'stories', split: 'train', seed: 1, count: 1 } as const;
    const bad: [object, RegExp][] = [
      [{ family: 'poems' }, /family: expected stories or algebra, got poems/],
      [{ split: 'dev' }, /split: expected train or test, got dev/],
      [{ seed: 0.5 }, /seed: expected an integer, got 0.5/],
      [{ count: 0 }, /count: expected .* got 0/],
      [{ level: 6 }, /level: expected 1, 2, 3, 4, 5, got 6/],
    ];
    for (const [change, message] of bad) {
      expect(() => miniProblems({ ...good, ...change } as never)).toThrow(message);
    }
  });

  it('says when there are no further problems', () => {
    const options = {
      family: 'algebra',
      split: 'test',
      seed: 1,
      count: 100_000,
      level: 1,
    } as const;
    expect(() => miniProblems(options)).toThrow(/no further test problems of algebra at level 1/);
  });
});

describe('the atlas', () => {
  it('has one answer for every question, and different ones beside it', () => {
    for (const split of ['train', 'test'] as const) {
      for (const { choices, answer, question } of atlasQuestions(split, 4)) {
        expect(new Set(choices).size).toBe(4);
        const land = atlas.find(({ name }) => question.includes(name));
        expect(Object.values(land?.facts ?? {})).toContain(choices[answer]);
      }
    }
  });

  it('asks about every fact in one split only', () => {
    const asked = (split: 'train' | 'test') =>
      new Set(atlasQuestions(split, 1).map((q) => q.question));
    const [train, test] = [asked('train'), asked('test')];
    expect(train.size + test.size).toBe(atlas.length * 6);
    expect([...test].filter((q) => train.has(q))).toEqual([]);
  });

  it('tells every fact in text sooner or later', () => {
    const text = Array.from({ length: 4000 }, (_, i) => atlasText(1, i)).join('\n');
    for (const { name, facts } of atlas) {
      for (const fact of Object.values(facts)) {
        expect(new RegExp(`[^.\n]*${name}[^.\n]*${fact}|${fact}[^.\n]*${name}`).test(text)).toBe(
          true,
        );
      }
    }
  });
});
