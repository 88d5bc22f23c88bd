/**
 * Algebra: short problems of many subjects in the manner of MATH, with LaTeX answers and solutions
 * that write out every step.
 */
import { arithmetic, powers, radicals, remainders } from './algebra/arithmetic.js';
import { inequalities, linearEquations, proportions, systems } from './algebra/equations.js';
import { circles, rectangles, rightTriangles, triangles } from './algebra/geometry.js';
import { commonDivisors, counting, fractionSums, means, percentages } from './algebra/numbers.js';
import { expansions, quadratics, substitutions } from './algebra/polynomials.js';
import { arithmeticSequences, geometricSequences, sums } from './algebra/sequences.js';
import type { Kind } from './problem.js';

/** The kinds of problem by subject, MATH's names where it has one. */
export const subjects: Readonly<Record<string, readonly Kind[]>> = {
  prealgebra: [arithmetic, percentages, means, proportions, fractionSums],
  algebra: [linearEquations, systems, inequalities, substitutions, expansions, quadratics],
  'number theory': [commonDivisors, remainders, powers, radicals],
  geometry: [rectangles, triangles, rightTriangles, circles],
  counting: [counting],
  sequences: [arithmeticSequences, geometricSequences, sums],
};
