import type { Kind, Level } from '../problem.js';
import { factor } from './latex.js';

/** A chain of operations, worked from the inside out. */
export const arithmetic: Kind = (draw, level) => {
  let value = draw.int(2, 20);
  let text = `${value}`;
  let tight = true;
  const steps: string[] = [];
  for (let i = 0; i < level; i++) {
    const operation = draw.pick(['+', '-', '\\cdot'] as const);
    const b = operation === '\\cdot' ? draw.int(2, 9) : draw.int(2, 40);
    const next = operation === '+' ? value + b : operation === '-' ? value - b : value * b;
    if (Math.abs(next) > 400) return undefined;
    const left = operation === '\\cdot' && !tight ? `(${text})` : text;
    steps.push(`$${factor(value)} ${operation} ${b} = ${next}$`);
    text = `${left} ${operation} ${b}`;
    tight = operation === '\\cdot';
    value = next;
  }
  return { question: `Compute $${text}$.`, steps, answer: `${value}`, key: text };
};

const exponents: Readonly<Record<number, number>> = {
  2: 8,
  3: 5,
  4: 4,
  5: 4,
  6: 3,
  7: 3,
  8: 3,
  9: 3,
  10: 4,
};

/** Powers, and products and quotients of powers of one base. */
export const powers: Kind = (draw, level) => {
  if (level <= 2) {
    const base = draw.int(2, 10);
    const e = draw.int(2, exponents[base] as number);
    const steps: string[] = [];
    let value = base;
    for (let i = 2; i <= e; i++) {
      steps.push(`$${base}^${i} = ${value} \\cdot ${base} = ${value * base}$`);
      value *= base;
    }
    return { question: `Compute $${base}^${e}$.`, steps, answer: `${value}`, key: `${base}^${e}` };
  }
  const base = draw.int(2, 9);
  const [a, b] = [draw.int(3, 20), draw.int(3, 20)];
  const c = draw.int(2, a + b - 1);
  if (level === 3) {
    return {
      question: `Write $${base}^{${a}} \\cdot ${base}^{${b}}$ as a power of ${base}.`,
      steps: [`The exponents add: $${a} + ${b} = ${a + b}$`],
      answer: `${base}^{${a + b}}`,
      key: `product ${base} ${a} ${b}`,
    };
  }
  return {
    question: `Write $\\frac{${base}^{${a}} \\cdot ${base}^{${b}}}{${base}^{${c}}}$ as a power of ${base}.`,
    steps: [
      `Above the line the exponents add: $${a} + ${b} = ${a + b}$`,
      `The exponent below is subtracted: $${a + b} - ${c} = ${a + b - c}$`,
    ],
    answer: a + b - c === 1 ? `${base}` : `${base}^{${a + b - c}}`,
    key: `quotient ${base} ${a} ${b} ${c}`,
  };
};

const squareFree = [2, 3, 5, 6, 7, 10, 11];

/** Square roots in simplest form. */
export const radicals: Kind = (draw, level) => {
  const k = draw.int(2, level + 4);
  if (level === 1) {
    const n = draw.int(2, 15);
    return {
      question: `Compute $\\sqrt{${n * n}}$.`,
      steps: [`$${n} \\cdot ${n} = ${n * n}$`],
      answer: `${n}`,
      key: `root ${n}`,
    };
  }
  const r = draw.pick(squareFree);
  const inside = k * k * r;
  const first = [`$${inside} = ${k * k} \\cdot ${r}$`, `$\\sqrt{${k * k}} = ${k}$`];
  if (level <= 3) {
    return {
      question: `Write $\\sqrt{${inside}}$ in simplest form.`,
      steps: first,
      answer: `${k}\\sqrt{${r}}`,
      key: `simplify ${k} ${r}`,
    };
  }
  const m = draw.int(2, 9);
  return {
    question: `Write $\\sqrt{${inside}} + ${m}\\sqrt{${r}}$ in simplest form.`,
    steps: [...first, `$${k}\\sqrt{${r}} + ${m}\\sqrt{${r}} = ${k + m}\\sqrt{${r}}$`],
    answer: `${k + m}\\sqrt{${r}}`,
    key: `simplify ${k} ${r} ${m}`,
  };
};

const divisors: Readonly<Record<Level, number>> = { 1: 9, 2: 12, 3: 15, 4: 19, 5: 25 };

/** Remainders of numbers, sums and products. */
export const remainders: Kind = (draw, level) => {
  const d = draw.int(3, divisors[level]);
  const one = draw.int(d + 1, level <= 2 ? 60 : 150);
  const rest = (n: number) => `$${n} = ${d} \\cdot ${Math.floor(n / d)} + ${n % d}$`;
  if (level <= 2) {
    return {
      question: `What is the remainder when ${one} is divided by ${d}?`,
      steps: [rest(one)],
      answer: `${one % d}`,
      key: `rest ${one} ${d}`,
    };
  }
  const two = draw.int(d + 1, 150);
  const [a, b] = [one % d, two % d];
  const sum = level === 3;
  const n = sum ? a + b : a * b;
  const sign = sum ? '+' : '\\cdot';
  return {
    question: `What is the remainder when $${one} ${sign} ${two}$ is divided by ${d}?`,
    steps: [rest(one), rest(two), `$${a} ${sign} ${b} = ${n}$`, rest(n)],
    answer: `${n % d}`,
    key: `rest ${one} ${sign} ${two} ${d}`,
  };
};
