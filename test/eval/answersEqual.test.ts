import { describe, expect, it } from 'vitest';
import { loadGsm8k, loadMath500, locate } from '../../lib/data/index.js';
import { answersEqual, extractAnswer, gradeMath } from '../../lib/eval/index.js';
import { fuzz } from './fuzz.js';
import { equalGolds } from './math500-equal.js';
import { pairs } from './pairs.js';

/** Whether a published set is there; it is fetched with `mambalab data fetch`. */
function isHere(id: string): boolean {
  try {
    locate(id);
    return true;
  } catch {
    console.warn(`${id} is not there: its answers are not graded (mambalab data fetch ${id})`);
    return false;
  }
}

describe('the pairs', () => {
  it('are at least 400, each once', () => {
    expect(pairs.length).toBeGreaterThanOrEqual(400);
    expect(new Set(pairs.map(({ a, b }) => JSON.stringify([a, b]))).size).toBe(pairs.length);
  });

  it('have no pair called equal that is not, and every equal one is found', () => {
    const verdicts = pairs.map((p) => ({ ...p, verdict: answersEqual(p.a, p.b) }));
    expect(verdicts.filter((p) => p.verdict === true && !p.equal)).toEqual([]);
    expect(verdicts.filter((p) => p.equal && p.verdict !== true)).toEqual([]);
    // What is not equal may be undecided, which no grade counts as right; few are.
    const open = verdicts.filter((p) => p.verdict === 'undecided');
    expect(open.length).toBeLessThan(0.05 * pairs.length);
  });

  it('have the same verdict both ways, and every answer equals itself', () => {
    for (const { a, b } of pairs) {
      expect([a, b, answersEqual(b, a)]).toEqual([a, b, answersEqual(a, b)]);
      for (const x of [a, b]) expect(answersEqual(x, x)).toBe(true);
    }
  });
});

describe.skipIf(!isHere('math-500'))('MATH-500', () => {
  it('each answer is found in its own solution and equals it', () => {
    const problems = loadMath500();
    expect(problems.length).toBe(500);
    const wrong = problems.filter((p) => gradeMath(p.solution ?? '', p.answer).correct !== true);
    expect(wrong.map((p) => p.id)).toEqual([]);
  });

  it('of all pairs of different answers, those called equal are the ones that are', () => {
    const golds = [...new Set(loadMath500().map((p) => p.answer))];
    const equal: string[] = [];
    golds.forEach((a, i) => {
      for (const b of golds.slice(i + 1))
        if (answersEqual(a, b) === true) equal.push(`${a} | ${b}`);
    });
    expect(equal).toEqual(equalGolds);
  });
});

it.skipIf(!isHere('gsm8k'))('all answers of GSM8K are found in their own solutions', () => {
  const problems = loadGsm8k({ split: 'test' });
  expect(problems.length).toBe(1319);
  const wrong = problems.filter((p) => {
    const found = extractAnswer(p.solution ?? '', { task: 'gsm8k' });
    return found === undefined || answersEqual(found, p.answer) !== true;
  });
  expect(wrong.map((p) => p.id)).toEqual([]);
});

describe('bad input', () => {
  it.each([
    ['unbalanced braces', '\\frac{1}{2', '\\frac{{1}{2}'],
    ['a megabyte of braces', '{'.repeat(1e6), '{'.repeat(1e6 - 1)],
    ['null bytes', '1\0', '1'],
    ['a tower of powers', '9^{9^{9^{9}}}', '9^{9^{9^{8}}}'],
    ['a huge factorial', '10000000!', '10000001!'],
    ['a long power of a sum', '(x+1)^{2000}', '(x+1)^{1999}(x+2)'],
    ['a deep nest', `${'\\sqrt{'.repeat(500)}2${'}'.repeat(500)}`, '1'],
    ['many factors', '(x+1)'.repeat(400), '(x+2)'.repeat(400)],
    ['long numbers', '7'.repeat(5000), '7'.repeat(5001)],
    ['many items', Array.from({ length: 500 }, (_, i) => i).join(', '), '1, 2'],
  ])('%s: no error, never a wrong yes', (_, a, b) => {
    expect(answersEqual(a, b)).not.toBe(true);
    expect(answersEqual(a, a)).toBe(true);
  });

  it('what is not a string is an error that says so', () => {
    for (const x of [undefined, null, 5, {}, []]) {
      expect(() => answersEqual(x as never, '1')).toThrow(/answers must be strings, got/);
      expect(() => extractAnswer(x as never, { task: 'math' })).toThrow(/must be a string, got/);
    }
    expect(() => extractAnswer('', { task: 'law' as never })).toThrow(/task must be .*"law"/);
  });
});

describe('answers of completions', () => {
  it.each([
    ['the last balanced box', 'So \\boxed{1}. No: \\boxed{\\frac{1}{2}}.', '\\frac{1}{2}'],
    ['a box that does not close', 'So \\boxed{1}. Then \\boxed{2', '1'],
    ['an fbox', '\\fbox{7}', '7'],
    ['a box without braces', '\\boxed 5', '5'],
    ["the paper's phrase", 'The final answer is: $\\boxed{12}$. I hope it is correct.', '12'],
    [
      'a phrase with dollars',
      'Therefore, the final answer is $x^2+1$. I hope it is correct.',
      'x^2+1',
    ],
    ['a phrase without dollars', 'Hence the answer is 3/4.', '3/4'],
    ['a turn that was made up', 'The answer is 4.<|eot_id|>The answer is 5.', '4'],
    ['nothing', 'I do not know.', undefined],
    ['an empty box', 'So \\boxed{}.', undefined],
  ])('%s', (_, text, want) => {
    expect(extractAnswer(text, { task: 'math' })).toBe(want);
  });

  it.each([
    ['The answer is (B).', 'B'],
    ['**C**', 'C'],
    ['The correct answer is: $\\boxed{\\text{D}}$', 'D'],
    ['A. because it is', 'A'],
    ['A cat sat.', undefined],
    ['Because', undefined],
  ])('a choice: %s', (text, want) => {
    expect(extractAnswer(text, { task: 'choice' })).toBe(want);
  });
});

it('a fuzz finds no error, no verdict that depends on the order, no answer unlike itself', () => {
  expect(fuzz({ seed: 1, milliseconds: 5000 })).toMatchObject({ faults: [] });
});
