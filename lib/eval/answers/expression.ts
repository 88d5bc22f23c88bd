/** What the reader makes of a formula. */
import type { Rational } from './fraction.js';

/** Functions of one argument. */
export type FunctionName =
  | 'sin'
  | 'cos'
  | 'tan'
  | 'cot'
  | 'sec'
  | 'csc'
  | 'arcsin'
  | 'arccos'
  | 'arctan'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'ln'
  | 'exp'
  | 'abs'
  | 'floor'
  | 'ceil';

/** A formula. A logarithm without a base is `log`: readers disagree whether it is 10 or e. */
export type Expression =
  | { readonly kind: 'number'; readonly value: Rational }
  | { readonly kind: 'based'; readonly digits: string; readonly base: number }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'constant'; readonly name: 'pi' | 'e' | 'i' | 'infinity' }
  | { readonly kind: 'sum'; readonly terms: readonly Expression[] }
  | { readonly kind: 'product'; readonly factors: readonly Expression[] }
  | { readonly kind: 'power'; readonly base: Expression; readonly exponent: Expression }
  | { readonly kind: 'root'; readonly of: Expression; readonly degree: number }
  | { readonly kind: 'function'; readonly name: FunctionName; readonly of: Expression }
  | { readonly kind: 'log'; readonly base?: Expression; readonly of: Expression }
  | { readonly kind: 'factorial'; readonly of: Expression }
  | { readonly kind: 'binomial'; readonly n: Expression; readonly k: Expression }
  | { readonly kind: 'plusMinus'; readonly of: Expression };

export const integer = (n: number | bigint): Expression => ({
  kind: 'number',
  value: { n: BigInt(n), d: 1n },
});

export const negated = (e: Expression): Expression => ({
  kind: 'product',
  factors: [integer(-1), e],
});

export const quotient = (a: Expression, b: Expression): Expression => ({
  kind: 'product',
  factors: [a, { kind: 'power', base: b, exponent: integer(-1) }],
});

/** The parts of a formula. */
export function parts(e: Expression): readonly Expression[] {
  switch (e.kind) {
    case 'sum':
      return e.terms;
    case 'product':
      return e.factors;
    case 'power':
      return [e.base, e.exponent];
    case 'binomial':
      return [e.n, e.k];
    case 'log':
      return e.base ? [e.base, e.of] : [e.of];
    case 'root':
    case 'function':
    case 'factorial':
    case 'plusMinus':
      return [e.of];
    default:
      return [];
  }
}

/** Whether a formula or one of its parts is of a kind. */
export function has(e: Expression, test: (part: Expression) => boolean): boolean {
  return test(e) || parts(e).some((part) => has(part, test));
}

/** The same formula with other parts. */
export function withParts(e: Expression, to: (part: Expression) => Expression): Expression {
  switch (e.kind) {
    case 'sum':
      return { ...e, terms: e.terms.map(to) };
    case 'product':
      return { ...e, factors: e.factors.map(to) };
    case 'power':
      return { ...e, base: to(e.base), exponent: to(e.exponent) };
    case 'binomial':
      return { ...e, n: to(e.n), k: to(e.k) };
    case 'log':
      return e.base ? { ...e, base: to(e.base), of: to(e.of) } : { ...e, of: to(e.of) };
    case 'root':
    case 'function':
    case 'factorial':
    case 'plusMinus':
      return { ...e, of: to(e.of) };
    default:
      return e;
  }
}

/** The names of a formula's variables, each once, in order. */
export function variablesOf(e: Expression): string[] {
  const names = new Set<string>();
  const visit = (part: Expression): void => {
    if (part.kind === 'variable') names.add(part.name);
    for (const p of parts(part)) visit(p);
  };
  visit(e);
  return [...names].sort();
}

/** One text for formulas that differ only in the order of their terms and factors. */
export function keyOf(e: Expression): string {
  switch (e.kind) {
    case 'number':
      return `${e.value.n}/${e.value.d}`;
    case 'based':
      return `${e.digits}_${e.base}`;
    case 'variable':
      return `$${e.name}`;
    case 'constant':
      return `#${e.name}`;
    case 'root':
      return `root${e.degree}(${keyOf(e.of)})`;
    case 'function':
      return `${e.name}(${keyOf(e.of)})`;
    case 'sum':
    case 'product':
      return `${e.kind}(${parts(e).map(keyOf).sort().join()})`;
    default:
      return `${e.kind}(${parts(e).map(keyOf).join()})`;
  }
}
