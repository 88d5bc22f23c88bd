/**
 * Polynomials over the rationals whose atoms are variables, constants, roots of primes and formulas
 * that stand for themselves; exponents are fractions. What is equal here is equal.
 */
import { type Budget, OverBudget } from './budget.js';
import { fraction, ONE, plus, type Rational, raised, times, ZERO } from './fraction.js';

/** An atom's name and its exponent; names in order. */
export type Monomial = readonly (readonly [atom: string, exponent: Rational])[];

interface Term {
  readonly monomial: Monomial;
  readonly coefficient: Rational;
}

const MOST_TERMS = 400;

const keyOf = (m: Monomial): string => m.map(([a, e]) => `${a}^${e.n}/${e.d}`).join('*');

/** Primes are atoms too: `p2` to the one half is the root of two. */
const PRIME = /^p(\d+)$/;

export class Polynomial {
  private constructor(readonly terms: ReadonlyMap<string, Term>) {}

  static constant(value: Rational): Polynomial {
    return Polynomial.of([], value);
  }

  static of(monomial: Monomial, coefficient: Rational = ONE): Polynomial {
    const terms = new Map<string, Term>();
    if (coefficient.n !== 0n) terms.set(keyOf(monomial), { monomial, coefficient });
    return new Polynomial(terms);
  }

  get isZero(): boolean {
    return this.terms.size === 0;
  }

  /** The number that it is, where it is one. */
  get value(): Rational | undefined {
    if (this.isZero) return ZERO;
    const [term, ...more] = this.terms.values();
    return term && more.length === 0 && term.monomial.length === 0 ? term.coefficient : undefined;
  }

  /** The one term, where there is one. */
  get single(): Term | undefined {
    return this.terms.size === 1 ? [...this.terms.values()][0] : undefined;
  }

  /** Whether it is a polynomial of variables alone: two such are equal only where their terms are. */
  get isPlain(): boolean {
    return [...this.terms.values()].every(({ monomial }) =>
      monomial.every(([atom, e]) => atom.startsWith('$') && e.d === 1n && e.n > 0n),
    );
  }

  /** One text for equal polynomials. */
  get key(): string {
    return [...this.terms]
      .map(([key, { coefficient: c }]) => `${c.n}/${c.d}:${key}`)
      .sort()
      .join('+');
  }

  plus(other: Polynomial, budget: Budget): Polynomial {
    budget.spend(other.terms.size);
    const terms = new Map(this.terms);
    for (const [key, term] of other.terms) add(terms, key, term);
    if (terms.size > MOST_TERMS) throw new OverBudget();
    return new Polynomial(terms);
  }

  scaled(by: Rational): Polynomial {
    if (by.n === 0n) return Polynomial.constant(ZERO);
    const scale = ({ monomial, coefficient }: Term) => ({
      monomial,
      coefficient: times(coefficient, by),
    });
    return new Polynomial(new Map([...this.terms].map(([key, term]) => [key, scale(term)])));
  }

  times(other: Polynomial, budget: Budget): Polynomial {
    budget.spend(4 * this.terms.size * other.terms.size);
    const terms = new Map<string, Term>();
    for (const a of this.terms.values()) {
      for (const b of other.terms.values()) {
        const product = reduced(
          [...a.monomial, ...b.monomial],
          times(a.coefficient, b.coefficient),
        );
        add(terms, keyOf(product.monomial), product);
        if (terms.size > MOST_TERMS) throw new OverBudget();
      }
    }
    return new Polynomial(terms);
  }
}

function add(terms: Map<string, Term>, key: string, term: Term): void {
  const known = terms.get(key);
  const coefficient = known ? plus(known.coefficient, term.coefficient) : term.coefficient;
  if (coefficient.n === 0n) terms.delete(key);
  else terms.set(key, { monomial: term.monomial, coefficient });
}

/** Joins equal atoms; whole powers of primes and of i become numbers. */
export function reduced(factors: Monomial, coefficient: Rational): Term {
  const exponents = new Map<string, Rational>();
  for (const [atom, exponent] of factors) {
    exponents.set(atom, plus(exponents.get(atom) ?? ZERO, exponent));
  }
  let number = coefficient;
  const monomial: [string, Rational][] = [];
  for (const [atom, exponent] of exponents) {
    let e = exponent;
    const prime = PRIME.exec(atom)?.[1];
    if (prime !== undefined) {
      const whole = floor(e);
      number = times(number, raised(fraction(BigInt(prime)), whole));
      e = plus(e, fraction(BigInt(-whole)));
    } else if (atom === 'i' && e.d === 1n) {
      const quarter = Number(((e.n % 4n) + 4n) % 4n);
      if (quarter >= 2) number = times(number, fraction(-1n));
      e = fraction(BigInt(quarter % 2));
    }
    if (e.n !== 0n) monomial.push([atom, e]);
  }
  monomial.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { monomial, coefficient: number };
}

function floor({ n, d }: Rational): number {
  const q = n / d;
  return Number(n < 0n && q * d !== n ? q - 1n : q);
}
