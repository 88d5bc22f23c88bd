/** Random answers, from grammar and from garbage, against what must hold for all. */
import { answersEqual, extractAnswer } from '../../lib/eval/index.js';
import { pairs } from './pairs.js';

export interface FuzzReport {
  readonly compared: number;
  readonly equal: number;
  readonly undecided: number;
  readonly slowestMs: number;
  readonly slowest: readonly [string, string];
  readonly faults: readonly string[];
}

const ATOMS = [
  '1',
  '2',
  '12',
  '0.5',
  'x',
  'y',
  '\\pi',
  'e',
  'i',
  '\\infty',
  '1000',
  '-3',
  '\\alpha',
  '7!',
];
const SHAPES: readonly ((a: string, b: string) => string)[] = [
  (a, b) => `${a}+${b}`,
  (a, b) => `${a}-${b}`,
  (a, b) => `${a}\\cdot ${b}`,
  (a, b) => `\\frac{${a}}{${b}}`,
  (a, b) => `\\left(${a}\\right)^{${b}}`,
  (a, b) => `\\sqrt{${a}${b}}`,
  (a, b) => `(${a},${b})`,
  (a, b) => `\\{${a},${b}\\}`,
  (a, b) => `${a}, ${b}`,
  (a, b) => `${a}=${b}`,
  (a, b) => `${a}<${b}`,
  (a, b) => `(${a})(${b})`,
  (a, b) => `\\sin ${a}+\\log_{2}{${b}}`,
  (a, b) => `${a}\\pm ${b}`,
  (a, b) => `\\begin{pmatrix}${a}\\\\${b}\\end{pmatrix}`,
  (a, b) => `\\binom{${a}}{${b}}`,
  (a, b) => `[${a},${b})\\cup(${b},${a}]`,
  (a) => `${a}\\text{ cm}`,
  (a) => `${a}\\%`,
  (a) => `${a}^\\circ`,
];
const GARBAGE = "\\{}[]()^_$&%,.;:=<>+-*/|!' 0123456789abcxyz\0é∞√";

/** Compares random answers until the time is over. The same seed makes the same answers. */
export function fuzz({ seed, milliseconds }: { seed: number; milliseconds: number }): FuzzReport {
  let state = seed >>> 0;
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const grown = (depth: number): string =>
    depth === 0 || below(4) === 0 ? pick(ATOMS) : pick(SHAPES)(grown(depth - 1), grown(depth - 1));
  const spoiled = (text: string): string => {
    let s = text;
    for (let n = below(4); n >= 0; n--) {
      const at = below(s.length + 1);
      s = s.slice(0, at) + (below(2) ? pick([...GARBAGE]) : '') + s.slice(at + below(3));
    }
    return s;
  };
  const answer = (): string => {
    const kind = below(6);
    if (kind < 3) return grown(1 + below(4));
    if (kind === 3) return pick(pairs).a;
    if (kind === 4) return spoiled(below(2) ? pick(pairs).b : grown(3));
    return Array.from({ length: below(60) }, () => pick([...GARBAGE])).join('');
  };
  const faults: string[] = [];
  const report = {
    compared: 0,
    equal: 0,
    undecided: 0,
    slowestMs: 0,
    slowest: ['', ''] as [string, string],
  };
  const end = performance.now() + milliseconds;
  while (performance.now() < end && faults.length < 20) {
    const [a, b] = [answer(), answer()];
    try {
      const began = performance.now();
      const verdict = answersEqual(a, b);
      const took = performance.now() - began;
      if (took > report.slowestMs) [report.slowestMs, report.slowest] = [took, [a, b]];
      if (answersEqual(b, a) !== verdict) faults.push(`order: ${JSON.stringify([a, b])}`);
      if (answersEqual(a, ` ${a} `) === false) faults.push(`itself: ${JSON.stringify(a)}`);
      extractAnswer(`The answer is ${a}. \\boxed{${b}}`, { task: 'math' });
      report.compared++;
      if (verdict === true) report.equal++;
      if (verdict === 'undecided') report.undecided++;
    } catch (error) {
      faults.push(`${String(error)}: ${JSON.stringify([a, b])}`);
    }
  }
  return { ...report, faults };
}
