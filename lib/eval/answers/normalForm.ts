/** Formulas as quotients of polynomials: two that are equal as such are equal. */
import { type Budget, OverBudget, Unreadable } from './budget.js';
import { type Expression, keyOf } from './expression.js';
import { fraction, magnitude, ONE, type Rational, raised, wholeOf, ZERO } from './fraction.js';
import { Polynomial, reduced } from './polynomial.js';

export interface NormalForm {
  readonly top: Polynomial;
  readonly bottom: Polynomial;
}

/** Largest whole power that is multiplied out, largest factorial. */
const MOST_POWER = 64;
const MOST_FACTORIAL = 500;
/** Primes up to this are split off; what is left is an atom of its own. */
const MOST_PRIME = 2000;

const one = Polynomial.constant(ONE);
const of = (top: Polynomial): NormalForm => ({ top, bottom: one });
const atom = (name: string, exponent: Rational = ONE): NormalForm =>
  of(Polynomial.of([[name, exponent]]));

/**
 * @throws Unreadable where the formula has no value (a division by 0), OverBudget where it is too large.
 */
export function normalForm(e: Expression, budget: Budget): NormalForm {
  budget.spend();
  switch (e.kind) {
    case 'number':
      return of(Polynomial.constant(e.value));
    case 'based':
      return of(Polynomial.constant(valueOfDigits(e.digits, e.base)));
    case 'variable':
      return atom(`$${e.name}`);
    case 'constant':
      return atom(e.name === 'i' ? 'i' : `#${e.name}`);
    case 'sum':
      return e.terms.map((t) => normalForm(t, budget)).reduce((a, b) => sum(a, b, budget));
    case 'product':
      return e.factors.map((f) => normalForm(f, budget)).reduce((a, b) => product(a, b, budget));
    case 'power':
      return power(e, budget);
    case 'root':
      return (
        root(normalForm(e.of, budget), fraction(1n, BigInt(e.degree)), budget) ?? opaque(e, budget)
      );
    case 'factorial': {
      const n = wholeNumber(e.of, budget);
      return n === undefined || n < 0 ? opaque(e, budget) : number(factorial(n));
    }
    case 'binomial': {
      const [n, k] = [wholeNumber(e.n, budget), wholeNumber(e.k, budget)];
      if (n === undefined || k === undefined || n < 0) return opaque(e, budget);
      return number(k < 0 || k > n ? 0n : factorial(n) / (factorial(k) * factorial(n - k)));
    }
    case 'function': {
      const value = numberOf(normalForm(e.of, budget));
      if (value && e.name === 'abs') return number(magnitude(value.n), value.d);
      if (value && (e.name === 'floor' || e.name === 'ceil')) {
        const down = value.n / value.d - (value.n < 0n && value.n % value.d !== 0n ? 1n : 0n);
        return number(e.name === 'floor' || value.d === 1n ? down : down + 1n);
      }
      return opaque(e, budget);
    }
    case 'log':
      return opaque(e, budget);
    case 'plusMinus':
      throw new Unreadable('a plus or minus inside a formula');
  }
}

/** The number that a form is, where it is one. */
export function numberOf({ top, bottom }: NormalForm): Rational | undefined {
  const [a, b] = [top.value, bottom.value];
  return a && b && b.n !== 0n ? fraction(a.n * b.d, a.d * b.n) : undefined;
}

/** Whether two forms are the same function of their atoms. */
export function sameForm(a: NormalForm, b: NormalForm, budget: Budget): boolean {
  const difference = a.top
    .times(b.bottom, budget)
    .plus(b.top.times(a.bottom, budget).scaled(fraction(-1n)), budget);
  return difference.isZero;
}

/** The factor between two forms, where it is a number other than 0. */
export function ratioOf(a: NormalForm, b: NormalForm, budget: Budget): Rational | undefined {
  const [x, y] = [a.top.times(b.bottom, budget), b.top.times(a.bottom, budget)];
  const [key, first] = [...x.terms][0] ?? [];
  const other = key === undefined ? undefined : y.terms.get(key);
  if (!first || !other) return undefined;
  const by = fraction(
    first.coefficient.n * other.coefficient.d,
    first.coefficient.d * other.coefficient.n,
  );
  return x.plus(y.scaled(fraction(-by.n, by.d)), budget).isZero ? by : undefined;
}

export function difference(a: NormalForm, b: NormalForm, budget: Budget): NormalForm {
  return sum(a, { top: b.top.scaled(fraction(-1n)), bottom: b.bottom }, budget);
}

const number = (n: bigint, d = 1n): NormalForm => of(Polynomial.constant(fraction(n, d)));

function sum(a: NormalForm, b: NormalForm, budget: Budget): NormalForm {
  if (a.bottom.key === b.bottom.key) return { top: a.top.plus(b.top, budget), bottom: a.bottom };
  return {
    top: a.top.times(b.bottom, budget).plus(b.top.times(a.bottom, budget), budget),
    bottom: a.bottom.times(b.bottom, budget),
  };
}

function product(a: NormalForm, b: NormalForm, budget: Budget): NormalForm {
  return { top: a.top.times(b.top, budget), bottom: a.bottom.times(b.bottom, budget) };
}

function invert({ top, bottom }: NormalForm, budget: Budget): NormalForm {
  if (top.isZero) throw new Unreadable('a division by 0');
  const { single } = top;
  if (!single) return { top: bottom, bottom: top };
  // A bottom of one term goes to the top: for most formulas no quotient is left.
  const turned = single.monomial.map(([a, e]) => [a, fraction(-e.n, e.d)] as const);
  const { n, d } = single.coefficient;
  const { monomial, coefficient } = reduced(turned, fraction(d, n));
  return of(Polynomial.of(monomial, coefficient).times(bottom, budget));
}

function power(e: Expression & { kind: 'power' }, budget: Budget): NormalForm {
  const base = normalForm(e.base, budget);
  const exponent = numberOf(normalForm(e.exponent, budget));
  if (!exponent) return opaque(e, budget);
  const whole = wholeOf(exponent);
  if (whole === undefined) return root(base, exponent, budget) ?? opaque(e, budget);
  const value = numberOf(base);
  if (value) {
    if (value.n === 0n && whole <= 0) throw new Unreadable('a power of 0 without a value');
    return of(Polynomial.constant(raised(value, whole)));
  }
  if (Math.abs(whole) > MOST_POWER && base.top.terms.size + base.bottom.terms.size > 2) {
    throw new OverBudget();
  }
  const { single } = base.top;
  if (single && base.bottom === one) {
    const exponents = single.monomial.map(
      ([a, x]) => [a, fraction(x.n * BigInt(whole), x.d)] as const,
    );
    const term = reduced(exponents, raised(single.coefficient, whole));
    return of(Polynomial.of(term.monomial, term.coefficient));
  }
  const turned = whole < 0 ? invert(base, budget) : base;
  let result = of(one);
  for (let i = 0; i < Math.abs(whole); i++) result = product(result, turned, budget);
  return result;
}

/** A number to a fractional power, as a product of roots of primes; undefined for other formulas. */
function root(base: NormalForm, exponent: Rational, budget: Budget): NormalForm | undefined {
  const value = numberOf(base);
  if (!value) {
    const { single } = base.top;
    // The root of a power of one variable: it is real where the root is.
    if (
      single &&
      base.bottom === one &&
      single.coefficient.n > 0n &&
      single.monomial.length === 1
    ) {
      const [name, e] = single.monomial[0] as readonly [string, Rational];
      if (name === '#pi' || name === '#e' || (e.n === 1n && e.d === 1n)) {
        const coefficient = root(of(Polynomial.constant(single.coefficient)), exponent, budget);
        const rest = atom(name, fraction(e.n * exponent.n, e.d * exponent.d));
        return coefficient && product(coefficient, rest, budget);
      }
    }
    return undefined;
  }
  if (value.n === 0n) return exponent.n > 0n ? number(0n) : undefined;
  if (value.n < 0n) {
    const positive = root(number(-value.n, value.d), exponent, budget);
    if (!positive) return undefined;
    if (exponent.d === 2n) return product(positive, imaginary(exponent.n), budget);
    // The real root of odd degree.
    return exponent.d % 2n === 1n && exponent.n % 2n !== 0n
      ? product(positive, number(-1n), budget)
      : undefined;
  }
  const factors = [...factored(value.n, budget)].map(([p, k]) => [p, k] as const);
  const below = [...factored(value.d, budget)].map(([p, k]) => [p, -k] as const);
  const monomial = [...factors, ...below].map(
    ([p, k]) => [`p${p}`, fraction(BigInt(k) * exponent.n, exponent.d)] as const,
  );
  const term = reduced(monomial, ONE);
  return of(Polynomial.of(term.monomial, term.coefficient));
}

/** The square root of -1 to a whole power. */
function imaginary(n: bigint): NormalForm {
  const { monomial, coefficient } = reduced([['i', fraction(n)]], ONE);
  return of(Polynomial.of(monomial, coefficient));
}

/** A formula that stands for itself: its parts in normal form name it. */
function opaque(e: Expression, budget: Budget): NormalForm {
  return atom(`(${nameOf(e, budget)})`);
}

function nameOf(e: Expression, budget: Budget): string {
  const inner = (part: Expression): string => {
    try {
      const { top, bottom } = normalForm(part, budget);
      return bottom === one ? top.key : `${top.key} / ${bottom.key}`;
    } catch (error) {
      if (error instanceof OverBudget) return keyOf(part);
      throw error;
    }
  };
  switch (e.kind) {
    case 'power':
      return `${inner(e.base)} ^ ${inner(e.exponent)}`;
    case 'root':
      return `root ${e.degree} ${inner(e.of)}`;
    case 'function':
      return `${e.name} ${inner(e.of)}`;
    case 'log':
      return `log ${e.base ? inner(e.base) : '?'} ${inner(e.of)}`;
    case 'factorial':
      return `factorial ${inner(e.of)}`;
    case 'binomial':
      return `binomial ${inner(e.n)} ${inner(e.k)}`;
    default:
      return keyOf(e);
  }
}

function wholeNumber(e: Expression, budget: Budget): number | undefined {
  const value = numberOf(normalForm(e, budget));
  return value && wholeOf(value);
}

function factorial(n: number): bigint {
  if (n > MOST_FACTORIAL) throw new OverBudget();
  let product = 1n;
  for (let k = 2; k <= n; k++) product *= BigInt(k);
  return product;
}

function factored(n: bigint, budget: Budget): Map<bigint, number> {
  const factors = new Map<bigint, number>();
  let rest = n;
  for (let p = 2n; p <= MOST_PRIME && p * p <= rest; p += p === 2n ? 1n : 2n) {
    budget.spend();
    while (rest % p === 0n) {
      factors.set(p, (factors.get(p) ?? 0) + 1);
      rest /= p;
    }
  }
  if (rest > 1n) factors.set(rest, 1);
  return factors;
}

/** @throws Unreadable where a digit is not one of the base. */
function valueOfDigits(digits: string, base: number): Rational {
  let value = ZERO.n;
  for (const c of digits) {
    const digit = Number.parseInt(c, 36);
    if (!(digit < base)) throw new Unreadable(`the digit ${c} in base ${base}`);
    value = value * BigInt(base) + BigInt(digit);
  }
  return fraction(value);
}
