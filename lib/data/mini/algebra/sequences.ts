import type { Kind } from '../problem.js';

/** Terms of arithmetic sequences. */
export const arithmeticSequences: Kind = (draw, level) => {
  const [a, d] = [draw.int(1, 20), draw.int(2, 5 + level)];
  const n = draw.int(5, 6 + 4 * level);
  const value = a + (n - 1) * d;
  return {
    question: `What is term number ${n} of the sequence $${a}, ${a + d}, ${a + 2 * d}, \\ldots$?`,
    steps: [
      `The difference is $${a + d} - ${a} = ${d}$`,
      `$${n - 1} \\cdot ${d} = ${(n - 1) * d}$`,
      `$${a} + ${(n - 1) * d} = ${value}$`,
    ],
    answer: `${value}`,
    key: `term ${a} ${d} ${n}`,
  };
};

/** Terms of geometric sequences. */
export const geometricSequences: Kind = (draw, level) => {
  const [a, q] = [draw.int(1, 6), draw.int(2, 4)];
  const n = draw.int(4, 4 + Math.ceil(level / 2));
  const steps = [`The quotient is $${a * q} / ${a} = ${q}$`];
  let value = a * q * q;
  for (let i = 4; i <= n; i++) {
    steps.push(`$${value} \\cdot ${q} = ${value * q}$`);
    value *= q;
  }
  if (value > 1500) return undefined;
  return {
    question: `What is term number ${n} of the sequence $${a}, ${a * q}, ${a * q * q}, \\ldots$?`,
    steps,
    answer: `${value}`,
    key: `geometric ${a} ${q} ${n}`,
  };
};

/** Sums of arithmetic progressions. */
export const sums: Kind = (draw, level) => {
  const first = level <= 2 ? 1 : draw.int(2, 20);
  const n = draw.int(4, 6 + 3 * level);
  const last = first + n - 1;
  const total = ((first + last) * n) / 2;
  return {
    question: `What is the sum of the integers from ${first} to ${last}?`,
    steps: [
      `There are $${n}$ numbers, and $${first} + ${last} = ${first + last}$`,
      `$${first + last} \\cdot ${n} = ${(first + last) * n}$`,
      `$${(first + last) * n} / 2 = ${total}$`,
    ],
    answer: `${total}`,
    key: `sum ${first} ${last}`,
  };
};
