/** Values of formulas in many digits, complex where they are. */
import type { BigFloat, Precision } from './bigFloat.js';
import { type Budget, Unreadable } from './budget.js';
import type { Expression } from './expression.js';
import { wholeOf } from './fraction.js';
import { normalForm, numberOf } from './normalForm.js';

export interface Complex {
  readonly re: BigFloat;
  readonly im: BigFloat;
}

/** What a logarithm without a base means, and what variables are. */
export interface Setting {
  readonly logBase: '10' | 'e';
  readonly variables: ReadonlyMap<string, BigFloat>;
}

const ZERO: BigFloat = { m: 0n, e: 0 };

/** Steps that a function's series costs. */
const SERIES = 300;

/** Largest whole power that is multiplied out. */
const MOST_POWER = 100_000;

/**
 * @throws Unreadable where a part has no value, OverBudget where one is too large.
 */
export function evaluate(e: Expression, p: Precision, setting: Setting, budget: Budget): Complex {
  budget.spend(10);
  const value = (part: Expression): Complex => evaluate(part, p, setting, budget);
  const real = (part: Expression): BigFloat => realOf(value(part), p);
  switch (e.kind) {
    case 'number':
      return { re: p.of(e.value), im: ZERO };
    case 'variable': {
      const known = setting.variables.get(e.name);
      if (!known) throw new Unreadable(`the variable ${e.name}`);
      return { re: known, im: ZERO };
    }
    case 'constant':
      if (e.name === 'pi') return { re: p.pi(), im: ZERO };
      if (e.name === 'e') return { re: p.exp(p.of(1)), im: ZERO };
      if (e.name === 'i') return { re: ZERO, im: p.of(1) };
      throw new Unreadable('infinity has no value');
    case 'sum':
      return e.terms.map(value).reduce((a, b) => add(a, b, p));
    case 'product':
      return e.factors.map(value).reduce((a, b) => multiply(a, b, p));
    case 'power':
      return power(e, p, setting, budget);
    case 'root': {
      const x = real(e.of);
      budget.spend(SERIES / 2);
      if (e.degree === 2) {
        return x.m < 0n ? { re: ZERO, im: p.sqrt(p.neg(x)) } : { re: p.sqrt(x), im: ZERO };
      }
      if (x.m < 0n && e.degree % 2 === 0) throw new Unreadable('an even root of a negative number');
      return {
        re: x.m < 0n ? p.neg(rootOf(p.neg(x), e.degree, p)) : rootOf(x, e.degree, p),
        im: ZERO,
      };
    }
    case 'log': {
      budget.spend(SERIES);
      const x = p.ln(real(e.of));
      const base = e.base ? p.ln(real(e.base)) : setting.logBase === 'e' ? p.of(1) : p.ln(p.of(10));
      return { re: p.div(x, base), im: ZERO };
    }
    case 'function':
      budget.spend(SERIES);
      if (e.name === 'exp') return exponential(value(e.of), p);
      return { re: functionOf(e.name, real(e.of), p), im: ZERO };
    default: {
      const exact = numberOf(normalForm(e, budget));
      if (!exact) throw new Unreadable(`a ${e.kind} that is no number`);
      return { re: p.of(exact), im: ZERO };
    }
  }
}

/** Parts below the precision of the whole are noise of the arithmetic. */
function realOf(x: Complex, p: Precision): BigFloat {
  if (x.im.m !== 0n && p.size(x.im) > p.size(x.re) - p.bits / 2) {
    throw new Unreadable('a function of a complex number');
  }
  return x.re;
}

function add(a: Complex, b: Complex, p: Precision): Complex {
  return { re: p.add(a.re, b.re), im: p.add(a.im, b.im) };
}

function multiply(a: Complex, b: Complex, p: Precision): Complex {
  return {
    re: p.sub(p.mul(a.re, b.re), p.mul(a.im, b.im)),
    im: p.add(p.mul(a.re, b.im), p.mul(a.im, b.re)),
  };
}

function inverse(a: Complex, p: Precision): Complex {
  const norm = p.add(p.mul(a.re, a.re), p.mul(a.im, a.im));
  return { re: p.div(a.re, norm), im: p.neg(p.div(a.im, norm)) };
}

function exponential(x: Complex, p: Precision): Complex {
  const size = p.exp(x.re);
  if (x.im.m === 0n) return { re: size, im: ZERO };
  const { sin, cos } = p.turn(x.im);
  return { re: p.mul(size, cos), im: p.mul(size, sin) };
}

function rootOf(x: BigFloat, degree: number, p: Precision): BigFloat {
  return x.m === 0n ? x : p.exp(p.div(p.ln(x), p.of(degree)));
}

function power(
  e: Expression & { kind: 'power' },
  p: Precision,
  setting: Setting,
  budget: Budget,
): Complex {
  const base = evaluate(e.base, p, setting, budget);
  const whole =
    e.exponent.kind === 'number' ? wholeOf(e.exponent.value) : wholeValue(e.exponent, budget);
  if (whole !== undefined && Math.abs(whole) <= MOST_POWER) {
    let result: Complex = { re: p.of(1), im: ZERO };
    let square = whole < 0 ? inverse(base, p) : base;
    for (let k = Math.abs(whole); k > 0; k = Math.floor(k / 2)) {
      budget.spend(10);
      if (k % 2) result = multiply(result, square, p);
      if (k > 1) square = multiply(square, square, p);
    }
    return result;
  }
  budget.spend(SERIES);
  const exponent = evaluate(e.exponent, p, setting, budget);
  if (base.re.m < 0n && base.im.m === 0n) {
    const value = numberOf(normalForm(e.exponent, budget));
    if (!value || value.d % 2n === 0n) throw new Unreadable('a power of a negative number');
    const size = p.exp(p.mul(exponent.re, p.ln(p.neg(base.re))));
    return { re: value.n % 2n === 0n ? size : p.neg(size), im: ZERO };
  }
  const x = realOf(base, p);
  if (x.m === 0n) {
    if (exponent.re.m > 0n) return { re: ZERO, im: ZERO };
    throw new Unreadable('a power of 0 without a value');
  }
  return exponential(multiply(exponent, { re: p.ln(x), im: ZERO }, p), p);
}

/** The whole number that an exponent is, where it is one. */
function wholeValue(e: Expression, budget: Budget): number | undefined {
  const value = numberOf(normalForm(e, budget));
  return value && wholeOf(value);
}

function functionOf(name: string, x: BigFloat, p: Precision): BigFloat {
  const one = p.of(1);
  switch (name) {
    case 'sin':
      return p.turn(x).sin;
    case 'cos':
      return p.turn(x).cos;
    case 'tan':
      return ratio(p.turn(x).sin, p.turn(x).cos, p);
    case 'cot':
      return ratio(p.turn(x).cos, p.turn(x).sin, p);
    case 'sec':
      return ratio(one, p.turn(x).cos, p);
    case 'csc':
      return ratio(one, p.turn(x).sin, p);
    case 'arctan':
      return p.atan(x);
    case 'arcsin':
      return arcsin(x, p);
    case 'arccos':
      return p.sub({ ...p.pi(), e: p.pi().e - 1 }, arcsin(x, p));
    case 'ln':
      return p.ln(x);
    case 'abs':
      return x.m < 0n ? p.neg(x) : x;
    case 'sinh':
    case 'cosh':
    case 'tanh': {
      const [up, down] = [p.exp(x), p.exp(p.neg(x))];
      const [sin, cos] = [p.sub(up, down), p.add(up, down)];
      return name === 'tanh' ? p.div(sin, cos) : p.div(name === 'sinh' ? sin : cos, p.of(2));
    }
    default:
      throw new Unreadable(`${name} of a number that is not exact`);
  }
}

/** A quotient, where the divisor is not the noise that is left of 0. */
function ratio(a: BigFloat, b: BigFloat, p: Precision): BigFloat {
  if (p.size(b) < -p.bits / 2) throw new Unreadable('a division by 0');
  return p.div(a, b);
}

function arcsin(x: BigFloat, p: Precision): BigFloat {
  const one = p.of(1);
  const rest = p.sub(one, p.mul(x, x));
  if (rest.m < 0n) throw new Unreadable('an arcsine of more than 1');
  if (rest.m === 0n) {
    const half = { ...p.pi(), e: p.pi().e - 1 };
    return x.m < 0n ? p.neg(half) : half;
  }
  return p.atan(p.div(x, p.sqrt(rest)));
}
