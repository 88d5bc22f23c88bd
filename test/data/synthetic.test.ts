import { describe, expect, it } from 'vitest';
import { type Difficulty, wordProblems } from '../../lib/data/index.js';

/** Value of a sum, difference, product or quotient of integers, exactly, or NaN. */
function evaluate(expression: string): number {
  if (!/^[\d\s+\-*/()]+$/.test(expression)) return Number.NaN;
  return Number(new Function(`return (${expression});`)());
}

const calculation = /([\d(][\d\s+\-*/()]*?) = (-?\d+)/g;
const levels: Difficulty[] = ['easy', 'medium', 'hard'];

describe('wordProblems', () => {
  it.each(levels)('writes %s solutions whose every calculation is right', (difficulty) => {
    for (const { id, question, answer, solution } of wordProblems({
      seed: 11,
      count: 3000,
      difficulty,
    })) {
      const lines = solution.split('\n');
      expect(lines.at(-1), id).toBe(`#### ${answer}`);
      expect(Number.isInteger(Number(answer)) && Number(answer) >= 0, solution).toBe(true);
      let last = Number.NaN;
      for (const line of lines.slice(0, -1)) {
        const found = [...line.matchAll(calculation)];
        expect(found.length, line).toBeGreaterThan(0);
        for (const [, left, right] of found) {
          expect(evaluate(left as string), line).toBe(Number(right));
          last = Number(right);
        }
      }
      expect(last, solution).toBe(Number(answer));
      expect(question.endsWith('?'), question).toBe(true);
      expect(question + solution, question).not.toMatch(/undefined|NaN|\.\d|\s\s/);
    }
  });

  it('uses only numbers that the question gives or an earlier step found, or well-known ones', () => {
    // Sides of a rectangle, hours and minutes, percent, a working week, doubling, thirds.
    const common = new Set(['2', '3', '40', '60', '100']);
    for (const { question, solution } of wordProblems({ seed: 5, count: 3000 })) {
      const known = new Set([...common, ...(question.match(/\d+/g) ?? [])]);
      const words = { third: 3, quarter: 4, fifth: 5, sixth: 6, Half: 2, half: 2, twice: 2 };
      for (const [word, value] of Object.entries(words)) {
        if (question.includes(word) || question.includes('A third')) known.add(`${value}`);
      }
      for (const [, left, right] of solution.matchAll(calculation)) {
        for (const number of (left as string).match(/\d+/g) ?? []) {
          expect(known.has(number), `${number} in ${left} of: ${question}\n${solution}`).toBe(true);
        }
        known.add(right as string);
      }
    }
  });

  it('is the same for the same seed, and its start does not depend on the count', () => {
    const many = wordProblems({ seed: 3, count: 500 });
    expect(wordProblems({ seed: 3, count: 500 })).toEqual(many);
    expect(wordProblems({ seed: 3, count: 20 })).toEqual(many.slice(0, 20));
  });

  it('differs between seeds, also ones that differ only beyond 32 bits', () => {
    const questions = (seed: number) => wordProblems({ seed, count: 50 }).map((p) => p.question);
    expect(questions(1)).not.toEqual(questions(2));
    expect(questions(1)).not.toEqual(questions(2 ** 32 + 1));
    expect(questions(-1)).not.toEqual(questions(1));
  });

  it('varies: 2,000 problems repeat no question and reach every kind', () => {
    const problems = wordProblems({ seed: 8, count: 2000 });
    expect(new Set(problems.map((p) => p.question)).size).toBe(2000);
    const kinds = problems.map((p) => p.question.replace(/[A-Z]\w+|\d+/g, '_').slice(-40));
    expect(new Set(kinds).size).toBeGreaterThan(48);
    expect(new Set(problems.map((p) => p.id)).size).toBe(2000);
  });

  it('names the option that makes no sense', () => {
    expect(() => wordProblems({ seed: 1.5, count: 1 })).toThrow(
      /seed: expected an integer, got 1.5/,
    );
    expect(() => wordProblems({ seed: 1, count: 0 })).toThrow(/count: expected .* got 0/);
    const difficulty = 'toString' as Difficulty;
    expect(() => wordProblems({ seed: 1, count: 1, difficulty })).toThrow(/difficulty: expected/);
  });
});
