/** Whether two formulas are equal: exactly where their normal forms say so, else by many digits. */
import { type BigFloat, Precision } from './bigFloat.js';
import { Budget, OverBudget, Unreadable } from './budget.js';
import { type Complex, evaluate, type Setting } from './evaluate.js';
import { type Expression, has, keyOf, variablesOf } from './expression.js';
import { fraction, same } from './fraction.js';
import {
  difference,
  type NormalForm,
  normalForm,
  numberOf,
  ratioOf,
  sameForm,
} from './normalForm.js';
import type { Verdict } from './verdict.js';

/** The second precision shows what was lost in the first. */
const PRECISIONS = [new Precision(256), new Precision(352)] as const;
/** Two values are equal if they agree to this many bits, and differ if they do not to this many. */
const AGREE = 160;
const DIFFER = 100;
const POINTS = 8;
const ENOUGH = 3;

/** Infinity is no number: it is only compared as what stands alone. */
function infinity(e: Expression): 1 | -1 | undefined {
  if (e.kind === 'constant' && e.name === 'infinity') return 1;
  if (e.kind === 'product' && e.factors.length === 2) {
    const [a, b] = e.factors as [Expression, Expression];
    if (a.kind === 'number' && a.value.n === -1n && a.value.d === 1n && infinity(b) === 1)
      return -1;
  }
  return undefined;
}

/** Whether two formulas have the same value wherever both have one. */
export function equalExpressions(a: Expression, b: Expression): Verdict {
  if (keyOf(a) === keyOf(b)) return true;
  if (a.kind === 'based' && b.kind === 'based' && a.base === b.base) {
    return a.digits.replace(/^0+/, '') === b.digits.replace(/^0+/, '');
  }
  const [x, y] = [infinity(a), infinity(b)];
  if (x !== undefined || y !== undefined) return x === y;
  const isInfinite = (e: Expression) => e.kind === 'constant' && e.name === 'infinity';
  if (has(a, isInfinite) || has(b, isInfinite)) return 'undecided';
  const exact = attempt(() => {
    const budget = new Budget();
    const [p, q] = [normalForm(a, budget), normalForm(b, budget)];
    const [v, w] = [numberOf(p), numberOf(q)];
    if (v && w) return same(v, w);
    if (sameForm(p, q, budget)) return true;
    const plain = [p.top, p.bottom, q.top, q.bottom].every((part) => part.isPlain);
    return plain ? false : 'undecided';
  });
  return exact === 'undecided' ? byDigits(a, b) : exact;
}

/** A verdict, undecided where the work is too much or a formula has no value. */
function attempt(body: () => Verdict): Verdict {
  try {
    return body();
  } catch (error) {
    if (error instanceof OverBudget || error instanceof Unreadable || error instanceof RangeError) {
      return 'undecided';
    }
    throw error;
  }
}

function byDigits(a: Expression, b: Expression): Verdict {
  const bare = (e: Expression) => e.kind === 'log' && !e.base;
  const bases = has(a, bare) || has(b, bare) ? (['10', 'e'] as const) : (['10'] as const);
  const names = [...new Set([...variablesOf(a), ...variablesOf(b)])];
  const [first, ...others] = bases.map((logBase) => atPoints(a, b, names, logBase));
  return others.every((v) => v === first) ? (first as Verdict) : 'undecided';
}

function atPoints(
  a: Expression,
  b: Expression,
  names: readonly string[],
  logBase: Setting['logBase'],
): Verdict {
  const budget = new Budget(30_000);
  let agreed = 0;
  for (let point = 0; point < (names.length === 0 ? 1 : POINTS) && agreed < ENOUGH; point++) {
    let verdict: Verdict;
    try {
      verdict = atPoint(a, b, names, logBase, point, budget);
    } catch (error) {
      if (error instanceof OverBudget) return 'undecided';
      // Outside of what the formulas are defined for.
      if (error instanceof Unreadable || error instanceof RangeError) continue;
      throw error;
    }
    if (verdict !== true) return verdict;
    agreed++;
  }
  return agreed >= (names.length === 0 ? 1 : ENOUGH) ? true : 'undecided';
}

function atPoint(
  a: Expression,
  b: Expression,
  names: readonly string[],
  logBase: Setting['logBase'],
  point: number,
  budget: Budget,
): Verdict {
  const values = PRECISIONS.map((p) => {
    const variables = new Map<string, BigFloat>(
      names.map((name, i) => [name, p.of(place(point, i))]),
    );
    const setting = { logBase, variables };
    return [evaluate(a, p, setting, budget), evaluate(b, p, setting, budget)] as const;
  });
  const [[a1, b1], [a2, b2]] = values as [readonly [Complex, Complex], readonly [Complex, Complex]];
  const p = PRECISIONS[1];
  // What the precisions do not agree on, neither is known well.
  if (!close(a1, a2, AGREE, p) || !close(b1, b2, AGREE, p)) return 'undecided';
  if (close(a2, b2, AGREE, p)) return true;
  return close(a2, b2, DIFFER, p) ? 'undecided' : false;
}

/** Points that no formula is likely to treat alike: positive, between 1/5 and 3. */
function place(point: number, variable: number) {
  const n = (7919n * BigInt(point + 1) + 104_729n * BigInt(variable + 1)) % 1009n;
  return fraction(n + 73n, 367n);
}

function close(a: Complex, b: Complex, bits: number, p: Precision): boolean {
  const scale = Math.max(p.size(a.re), p.size(a.im), p.size(b.re), p.size(b.im), -200);
  return p.size(p.sub(a.re, b.re)) < scale - bits && p.size(p.sub(a.im, b.im)) < scale - bits;
}

/** Whether two equations `a = b` and `c = d` say the same: one side less the other, up to a factor. */
export function equalRelations(
  [a, b]: readonly [Expression, Expression],
  [c, d]: readonly [Expression, Expression],
  sign: 'any' | 'positive',
): Verdict {
  return attempt(() => {
    const budget = new Budget();
    const of = (left: Expression, right: Expression): NormalForm =>
      difference(normalForm(left, budget), normalForm(right, budget), budget);
    const [p, q] = [of(a, b), of(c, d)];
    // A quotient that has a zero at its bottom would say something else.
    if (p.bottom.value === undefined || q.bottom.value === undefined) return 'undecided';
    const ratio = ratioOf(p, q, budget);
    if (ratio) return sign === 'any' || ratio.n > 0n;
    const polynomial = p.top.isPlain && q.top.isPlain;
    const linear = [p, q].every(({ top }) =>
      [...top.terms.values()].every(
        ({ monomial }) =>
          monomial.length === 0 || (monomial.length === 1 && monomial[0]?.[1].n === 1n),
      ),
    );
    // Lines and half planes are the same only where their equations are.
    return polynomial && linear ? false : 'undecided';
  });
}
