import type { Kind } from '../problem.js';
import { fraction } from './latex.js';

/** Areas and perimeters of rectangles, and sides from them. */
export const rectangles: Kind = (draw, level) => {
  const [a, b] = [draw.int(2, 6 + 3 * level), draw.int(2, 6 + 2 * level)];
  if (level <= 2) {
    const area = draw.pick([true, false]);
    return {
      question: `What is the ${area ? 'area' : 'perimeter'} of a rectangle with sides ${a} and ${b}?`,
      steps: area
        ? [`$${a} \\cdot ${b} = ${a * b}$`]
        : [`$${a} + ${b} = ${a + b}$`, `$2 \\cdot ${a + b} = ${2 * (a + b)}$`],
      answer: `${area ? a * b : 2 * (a + b)}`,
      key: `rectangle ${area} ${a} ${b}`,
    };
  }
  const p = 2 * (a + b);
  if (level === 3) {
    return {
      question: `A rectangle has perimeter ${p} and one side is ${a}. What is the other side?`,
      steps: [`$${p} / 2 = ${a + b}$`, `$${a + b} - ${a} = ${b}$`],
      answer: `${b}`,
      key: `side ${p} ${a}`,
    };
  }
  return {
    question: `A rectangle has perimeter ${p} and one side is ${a}. What is its area?`,
    steps: [`$${p} / 2 = ${a + b}$`, `$${a + b} - ${a} = ${b}$`, `$${a} \\cdot ${b} = ${a * b}$`],
    answer: `${a * b}`,
    key: `side ${p} ${a}`,
  };
};

/** Angles and areas of triangles. */
export const triangles: Kind = (draw, level) => {
  if (level <= 3) {
    const [a, b] = [draw.int(20, 80), draw.int(20, 80)];
    return {
      question: `Two angles of a triangle are ${a} and ${b} degrees. How many degrees is the third?`,
      steps: [`$${a} + ${b} = ${a + b}$`, `$180 - ${a + b} = ${180 - a - b}$`],
      answer: `${180 - a - b}`,
      key: `angles ${Math.min(a, b)} ${Math.max(a, b)}`,
    };
  }
  const [base, height] = [draw.int(3, 20), draw.int(3, 20)];
  return {
    question: `What is the area of a triangle with base ${base} and height ${height}?`,
    steps: [`$${base} \\cdot ${height} = ${base * height}$`, 'Half of it is the area'],
    answer: fraction(base * height, 2),
    key: `triangle ${base} ${height}`,
  };
};

const triples = [
  [3, 4, 5],
  [5, 12, 13],
  [8, 15, 17],
  [7, 24, 25],
] as const;

/** Pythagoras' theorem, with whole numbers and with roots. */
export const rightTriangles: Kind = (draw, level) => {
  if (level <= 4) {
    const [a, b, c] = draw.pick(triples);
    const k = draw.int(1, level + 2);
    const [x, y, z] = [k * a, k * b, k * c];
    if (z > 60) return undefined;
    return {
      question: `The legs of a right triangle are ${x} and ${y}. What is the hypotenuse?`,
      steps: [`$${x}^2 + ${y}^2 = ${x * x} + ${y * y} = ${z * z}$`, `$\\sqrt{${z * z}} = ${z}$`],
      answer: `${z}`,
      key: `legs ${x} ${y}`,
    };
  }
  const [x, y] = [draw.int(1, 9), draw.int(1, 9)];
  const square = x * x + y * y;
  if ([4, 9, 16, 25, 36, 49, 64, 81, 100].some((n) => square % n === 0)) return undefined;
  return {
    question: `The legs of a right triangle are ${x} and ${y}. What is the hypotenuse?`,
    steps: [`$${x}^2 + ${y}^2 = ${x * x} + ${y * y} = ${square}$`],
    answer: `\\sqrt{${square}}`,
    key: `legs ${Math.min(x, y)} ${Math.max(x, y)}`,
  };
};

/** Circles, with pi in the answer. */
export const circles: Kind = (draw, level) => {
  const r = draw.int(2, 8 + 2 * level);
  if (level <= 2) {
    return {
      question: `What is the circumference of a circle with radius ${r}?`,
      steps: [`$2 \\cdot ${r} = ${2 * r}$`],
      answer: `${2 * r}\\pi`,
      key: `circumference ${r}`,
    };
  }
  if (level <= 4) {
    return {
      question: `What is the area of a circle with radius ${r}?`,
      steps: [`$${r} \\cdot ${r} = ${r * r}$`],
      answer: `${r * r}\\pi`,
      key: `area ${r}`,
    };
  }
  const inner = draw.int(1, r - 1);
  return {
    question: `What is the area between two circles with one center and radii ${inner} and ${r}?`,
    steps: [
      `$${r} \\cdot ${r} = ${r * r}$ and $${inner} \\cdot ${inner} = ${inner * inner}$`,
      `$${r * r} - ${inner * inner} = ${r * r - inner * inner}$`,
    ],
    answer: `${r * r - inner * inner}\\pi`,
    key: `ring ${inner} ${r}`,
  };
};
