import type { Kind } from '../problem.js';
import { factor, plus, polynomial } from './latex.js';

/** The value of a polynomial at a number. */
export const substitutions: Kind = (draw, level) => {
  const x = draw.int(2, 6) * (level >= 3 ? draw.pick([1, -1]) : 1);
  const degree = level <= 2 ? 1 : 2;
  const c = Array.from({ length: degree + 1 }, (_, i) =>
    i === degree ? draw.int(1, 6) : draw.int(-9, 9),
  );
  const terms = c.map((value, i) => value * x ** i);
  const steps: string[] = [];
  for (let i = degree; i >= 1; i--) {
    if (c[i] === 0) continue;
    const power = x ** i;
    if (i === 2) steps.push(`$${factor(x)}^2 = ${power}$`);
    if (c[i] !== 1) steps.push(`$${c[i]} \\cdot ${factor(power)} = ${terms[i]}$`);
  }
  const value = terms.reduce((a, b) => a + b, 0);
  const shown = terms.filter((t, i) => t !== 0 || i === degree).reverse();
  const sum = shown.map((t, i) => (i === 0 ? `${t}` : plus(t))).join('');
  if (shown.length > 1) steps.push(`$${sum} = ${value}$`);
  return {
    question: `What is $${polynomial(c)}$ for $x = ${x}$?`,
    steps,
    answer: `${value}`,
    key: `value ${c} at ${x}`,
  };
};

const binomial = (a: number, b: number) => `(${polynomial([b, a])})`;

/** Products of two binomials. */
export const expansions: Kind = (draw, level) => {
  const sign = () => (level >= 3 ? draw.pick([1, -1]) : 1);
  const a = level >= 4 ? draw.int(1, 4) : 1;
  const c = level >= 5 ? draw.int(1, 4) : 1;
  const [b, d] = [draw.int(1, 9) * sign(), draw.int(1, 9) * sign()];
  const middle = a * d + b * c;
  return {
    question: `Expand $${binomial(a, b)}${binomial(c, d)}$.`,
    steps: [
      `The term with $x$: $${a * d}${plus(b * c)} = ${middle}$`,
      `The constant: $${factor(b)} \\cdot ${factor(d)} = ${b * d}$`,
    ],
    answer: polynomial([b * d, middle, a * c]),
    key: `expand ${a} ${b} ${c} ${d}`,
  };
};

/** Quadratic equations with integer solutions. */
export const quadratics: Kind = (draw, level) => {
  const sign = () => (level >= 3 ? draw.pick([1, -1]) : 1);
  const [p, q] = [draw.int(1, 6 + level) * sign(), draw.int(1, 6 + level) * sign()];
  if (p === q) return undefined;
  const [sum, product] = [p + q, p * q];
  const shown = `$${polynomial([product, -sum, 1])} = 0$`;
  const [low, high] = [Math.min(p, q), Math.max(p, q)];
  const found = `$${factor(low)} + ${factor(high)} = ${sum}$ and $${factor(low)} \\cdot ${factor(high)} = ${product}$, so $x = ${low}$ or $x = ${high}$`;
  if (level === 5) {
    return {
      question: `What is the sum of the squares of the solutions of ${shown}?`,
      steps: [found, `$${low * low} + ${high * high} = ${low * low + high * high}$`],
      answer: `${low * low + high * high}`,
      key: `squares ${low} ${high}`,
    };
  }
  const larger = draw.pick([true, false]);
  return {
    question: `What is the ${larger ? 'larger' : 'smaller'} solution of ${shown}?`,
    steps: [found],
    answer: `${larger ? high : low}`,
    key: `roots ${low} ${high}`,
  };
};
