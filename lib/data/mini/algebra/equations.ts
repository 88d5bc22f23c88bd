import type { Kind } from '../problem.js';
import { fraction, gcd, plus, polynomial } from './latex.js';

const linear = (a: number, b: number) => polynomial([b, a]);

/** Linear equations in x: one side, both sides, parentheses, and fractions as solutions. */
export const linearEquations: Kind = (draw, level) => {
  if (level <= 2) {
    const [a, x] = [draw.int(2, 9), draw.int(2, 15)];
    const b = draw.int(1, 30) * (level === 2 ? draw.pick([1, -1]) : 1);
    const c = a * x + b;
    return {
      question: `Solve $${linear(a, b)} = ${c}$ for $x$.`,
      steps: [`$${a}x = ${c}${plus(-b)} = ${c - b}$`, `$x = ${c - b} / ${a} = ${x}$`],
      answer: `${x}`,
      key: `linear ${a} ${b} ${c}`,
    };
  }
  if (level <= 4) {
    const [c, x] = [draw.int(1, 6), draw.int(2, 12) * draw.pick([1, 1, -1])];
    const a = c + draw.int(2, 7);
    const b = draw.int(-20, 20);
    const d = a * x + b - c * x;
    if (b === 0 || d === 0) return undefined;
    if (level === 3) {
      return {
        question: `Solve $${linear(a, b)} = ${linear(c, d)}$ for $x$.`,
        steps: [`$${a - c}x = ${d}${plus(-b)} = ${d - b}$`, `$x = ${d - b} / ${a - c} = ${x}$`],
        answer: `${x}`,
        key: `both ${a} ${b} ${c} ${d}`,
      };
    }
    const k = draw.int(2, 5);
    const m = draw.int(2, 9);
    const right = k * (x + m);
    return {
      question: `Solve $${k}(x + ${m}) = ${right}$ for $x$.`,
      steps: [`$x + ${m} = ${right} / ${k} = ${right / k}$`, `$x = ${right / k} - ${m} = ${x}$`],
      answer: `${x}`,
      key: `brackets ${k} ${m} ${right}`,
    };
  }
  const a = draw.int(3, 12);
  const [b, c] = [draw.int(1, 20), draw.int(21, 60)];
  if (gcd(c - b, a) === a) return undefined;
  return {
    question: `Solve $${linear(a, b)} = ${c}$ for $x$.`,
    steps: [`$${a}x = ${c} - ${b} = ${c - b}$`, `$x = \\frac{${c - b}}{${a}}$`],
    answer: fraction(c - b, a),
    key: `linear ${a} ${b} ${c}`,
  };
};

/** Two linear equations in x and y; the answer is the pair. */
export const systems: Kind = (draw, level) => {
  const [x, y] = [draw.int(2, level * 3 + 6), draw.int(1, level * 3 + 4)];
  if (level <= 3) {
    const [s, d] = [x + y, x - y];
    return {
      question: `Find $(x, y)$ with $x + y = ${s}$ and $x - y = ${d}$.`,
      steps: [
        `Adding both: $2x = ${s}${plus(d)} = ${s + d}$`,
        `$x = ${s + d} / 2 = ${x}$`,
        `$y = ${s} - ${x} = ${y}$`,
      ],
      answer: `(${x}, ${y})`,
      key: `system ${s} ${d}`,
    };
  }
  const [a, b] = [draw.int(2, 6), draw.int(2, 6)];
  const [first, second] = [a * x + y, b * x - y];
  return {
    question: `Find $(x, y)$ with $${a}x + y = ${first}$ and $${b}x - y = ${second}$.`,
    steps: [
      `Adding both: $${a + b}x = ${first}${plus(second)} = ${first + second}$`,
      `$x = ${first + second} / ${a + b} = ${x}$`,
      `$y = ${first} - ${a} \\cdot ${x} = ${first} - ${a * x} = ${y}$`,
    ],
    answer: `(${x}, ${y})`,
    key: `system ${a} ${first} ${b} ${second}`,
  };
};

/** Linear inequalities, also with a negative factor. */
export const inequalities: Kind = (draw, level) => {
  const turned = level >= 4;
  const a = draw.int(2, 9) * (turned ? -1 : 1);
  const x = draw.int(2, 12);
  const b = draw.int(1, 20 + 4 * level);
  const c = a * x + b;
  const sign = draw.pick(['<', '>'] as const);
  const solved = turned ? (sign === '<' ? '>' : '<') : sign;
  return {
    question: `Solve $${linear(a, b)} ${sign} ${c}$ for $x$.`,
    steps: [
      `$${a}x ${sign} ${c} - ${b} = ${c - b}$`,
      ...(turned ? ['Dividing by a negative number turns the sign.'] : []),
      `$${c - b} / ${turned ? `(${a})` : a} = ${x}$`,
    ],
    answer: `x ${solved} ${x}`,
    key: `inequality ${a} ${b} ${sign} ${c}`,
  };
};

/** Proportions with one unknown. */
export const proportions: Kind = (draw, level) => {
  const [b, k] = [draw.int(2, 4 + 2 * level), draw.int(2, 3 + level)];
  const a = draw.int(1, 9 + level);
  if (gcd(a, b) !== 1) return undefined;
  return {
    question: `Solve $\\frac{x}{${b * k}} = \\frac{${a}}{${b}}$ for $x$.`,
    steps: [`$${b * k} / ${b} = ${k}$`, `$x = ${a} \\cdot ${k} = ${a * k}$`],
    answer: `${a * k}`,
    key: `proportion ${a} ${b} ${k}`,
  };
};
