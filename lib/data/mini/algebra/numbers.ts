import type { Kind } from '../problem.js';
import { fraction, gcd } from './latex.js';

/** Sums, differences and products of fractions. */
export const fractionSums: Kind = (draw, level) => {
  const most = 3 + level;
  const [b, d] = [draw.int(2, most), draw.int(2, most)];
  const [a, c] = [draw.int(1, b - 1), draw.int(1, d - 1)];
  if (gcd(a, b) !== 1 || gcd(c, d) !== 1) return undefined;
  const [left, right] = [`\\frac{${a}}{${b}}`, `\\frac{${c}}{${d}}`];
  if (level >= 3 && draw.int(1, 3) === 1) {
    return {
      question: `Compute $${left} \\cdot ${right}$.`,
      steps: [`$${a} \\cdot ${c} = ${a * c}$ and $${b} \\cdot ${d} = ${b * d}$`],
      answer: fraction(a * c, b * d),
      key: `fractions ${a} ${b} times ${c} ${d}`,
    };
  }
  const minus = level >= 3 && draw.int(1, 2) === 1;
  const common = (b * d) / gcd(b, d);
  const [first, second] = [(a * common) / b, (c * common) / d];
  const total = minus ? first - second : first + second;
  if (total === 0) return undefined;
  const sign = minus ? '-' : '+';
  return {
    question: `Compute $${left} ${sign} ${right}$.`,
    steps: [
      `The common denominator is $${common}$`,
      `$\\frac{${first}}{${common}} ${sign} \\frac{${second}}{${common}} = \\frac{${total}}{${common}}$`,
    ],
    answer: fraction(total, common),
    key: `fractions ${a} ${b} ${sign} ${c} ${d}`,
  };
};

/** Percent of a number, and changes by percent. */
export const percentages: Kind = (draw, level) => {
  const percent = level <= 2 ? draw.pick([10, 20, 25, 50]) : draw.int(1, 18) * 5;
  const whole = level <= 2 ? draw.int(1, 10) * 20 : draw.int(1, 15) * 20;
  const part = (whole * percent) / 100;
  if (!Number.isInteger(part)) return undefined;
  const step = `$${whole} \\cdot ${percent} / 100 = ${part}$`;
  if (level <= 3) {
    return {
      question: `What is ${percent}\\% of ${whole}?`,
      steps: [step],
      answer: `${part}`,
      key: `percent ${percent} ${whole}`,
    };
  }
  const up = draw.pick([true, false]);
  const value = up ? whole + part : whole - part;
  return {
    question: `What is ${whole} ${up ? 'increased' : 'decreased'} by ${percent}\\%?`,
    steps: [step, `$${whole} ${up ? '+' : '-'} ${part} = ${value}$`],
    answer: `${value}`,
    key: `percent ${percent} ${whole} ${up ? 'up' : 'down'}`,
  };
};

/** The mean of a few numbers. */
export const means: Kind = (draw, level) => {
  const n = 2 + Math.min(3, level);
  const numbers = Array.from({ length: n }, () => draw.int(1, 10 + 8 * level));
  const total = numbers.reduce((a, b) => a + b, 0);
  if (total % n !== 0 && level < 5) return undefined;
  return {
    question: `What is the mean of ${numbers.slice(0, -1).join(', ')} and ${numbers.at(-1)}?`,
    steps: [`$${numbers.join(' + ')} = ${total}$`, `There are $${n}$ numbers: $${total} / ${n}$`],
    answer: fraction(total, n),
    key: `mean ${[...numbers].sort((a, b) => a - b)}`,
  };
};

/** Greatest common divisors by Euclid's algorithm, and least common multiples. */
export const commonDivisors: Kind = (draw, level) => {
  const g = draw.int(2, 4 + 2 * level);
  const [a, b] = [g * draw.int(2, 4 + level), g * draw.int(2, 4 + level)];
  if (a === b) return undefined;
  const steps: string[] = [];
  let [large, small] = [Math.max(a, b), Math.min(a, b)];
  while (small !== 0) {
    steps.push(`$${large} = ${small} \\cdot ${Math.floor(large / small)} + ${large % small}$`);
    [large, small] = [small, large % small];
  }
  const multiple = level >= 3 && draw.int(1, 2) === 1;
  if (!multiple) {
    return {
      question: `What is the greatest common divisor of ${a} and ${b}?`,
      steps,
      answer: `${large}`,
      key: `gcd ${Math.min(a, b)} ${Math.max(a, b)}`,
    };
  }
  return {
    question: `What is the least common multiple of ${a} and ${b}?`,
    steps: [
      ...steps,
      `$${a} / ${large} = ${a / large}$`,
      `$${a / large} \\cdot ${b} = ${(a / large) * b}$`,
    ],
    answer: `${(a / large) * b}`,
    key: `lcm ${Math.min(a, b)} ${Math.max(a, b)}`,
  };
};

/** Choices, orders and chances. */
export const counting: Kind = (draw, level) => {
  const n = draw.int(3, 5 + level);
  if (level <= 2) {
    const m = draw.int(2, 9);
    return {
      question: `How many pairs of a shirt and a hat are there with ${n} shirts and ${m} hats?`,
      steps: [`$${n} \\cdot ${m} = ${n * m}$`],
      answer: `${n * m}`,
      key: `pairs ${n} ${m}`,
    };
  }
  if (level === 3) {
    return {
      question: `In how many ways can 2 of ${n} children be chosen?`,
      steps: [
        `$${n} \\cdot ${n - 1} = ${n * (n - 1)}$`,
        `$${n * (n - 1)} / 2 = ${(n * (n - 1)) / 2}$`,
      ],
      answer: `${(n * (n - 1)) / 2}`,
      key: `choose ${n}`,
    };
  }
  if (level === 4) {
    const [one, two] = [n * (n - 1), n * (n - 1) * (n - 2)];
    return {
      question: `In how many ways can ${n} runners take the first three places?`,
      steps: [`$${n} \\cdot ${n - 1} = ${one}$`, `$${one} \\cdot ${n - 2} = ${two}$`],
      answer: `${two}`,
      key: `places ${n}`,
    };
  }
  const [red, blue] = [draw.int(2, 9), draw.int(2, 9)];
  const all = red + blue;
  return {
    question: `A bag holds ${red} red and ${blue} blue balls. Two are drawn without putting back. What is the probability that both are red?`,
    steps: [
      `Of $${all} \\cdot ${all - 1} = ${all * (all - 1)}$ draws $${red} \\cdot ${red - 1} = ${red * (red - 1)}$ are red twice`,
    ],
    answer: fraction(red * (red - 1), all * (all - 1)),
    key: `balls ${red} ${blue}`,
  };
};
