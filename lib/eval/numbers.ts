import {
  addRational,
  divideRational,
  negateRational,
  type Rational,
  rational,
} from './rational.js';

/** A number as it stands in a text; `end` is past its last digit. */
export interface FoundNumber {
  readonly value: Rational;
  readonly start: number;
  readonly end: number;
}

/** A number of more digits than this is noise, and would only cost time. */
const MAX_DIGITS = 1000;

const INTEGER = String.raw`(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)|\d+)`;
const DECIMAL = String.raw`(?:${INTEGER}(?:\.\d+)?|\.\d+)`;

/** Clock times and dates are matched whole, to be passed over rather than read in parts. */
const NUMBER = new RegExp(
  [
    String.raw`(?<![\p{L}\p{N}_])(?:`,
    String.raw`(?<skipped>\d{1,2}(?::\d{2})+(?!\d)|\d+(?:/\d+){2,})`,
    String.raw`|(?<whole>${INTEGER})[ \t](?<part>\d+)/(?<parts>\d+)(?![\d/])`,
    `|(?<top>${DECIMAL})/(?<bottom>${DECIMAL})`,
    String.raw`|(?<plain>${DECIMAL})(?:[eE](?<exponent>[+-]?\d{1,3})(?![\d\p{L}]))?`,
    ')',
  ].join(''),
  'gu',
);

const CURRENCY = /[$€£¥₹]/;
const ORDINAL_OR_VARIABLE = /^(?:(?:st|nd|rd|th)|[nxyz])(?![\p{L}\p{N}])/u;
const POWER_AFTER = /^\s*\^|^[⁰¹²³⁴-⁹]/;
const POWER_BEFORE = /\^\s*\{?\s*[-+]?\s*$/;

/** How far around a number its neighbours can change its reading. */
const NEIGHBOURHOOD = 16;

/**
 * The numbers of a text in order: signs, thousands separators, decimals, fractions, mixed numbers
 * and powers of ten, read exactly. Currency and percent signs are dropped. Clock times, dates,
 * ordinals, coefficients of a variable, bases and exponents are not numbers here.
 *
 * @param text plain, or LaTeX after {@link plainMath}
 */
export function findNumbers(text: string): FoundNumber[] {
  const found: FoundNumber[] = [];
  for (const match of text.matchAll(NUMBER)) {
    const start = match.index;
    const end = start + match[0].length;
    const after = text.slice(end, end + NEIGHBOURHOOD);
    const before = text.slice(Math.max(0, start - NEIGHBOURHOOD), start);
    if (
      match.groups?.skipped !== undefined ||
      ORDINAL_OR_VARIABLE.test(after) ||
      POWER_AFTER.test(after) ||
      POWER_BEFORE.test(before)
    ) {
      continue;
    }
    const magnitude = readMagnitude(match.groups ?? {});
    if (magnitude !== undefined) {
      const value = isNegative(before) ? negateRational(magnitude) : magnitude;
      found.push({ value, start, end });
    }
  }
  return found;
}

function readMagnitude(groups: Record<string, string | undefined>): Rational | undefined {
  const { whole, part, parts, top, bottom, plain, exponent } = groups;
  if (whole !== undefined) {
    const fraction = quotient(readDecimal(part), readDecimal(parts));
    const base = readDecimal(whole);
    return fraction && base && addRational(base, fraction);
  }
  if (top !== undefined) {
    return quotient(readDecimal(top), readDecimal(bottom));
  }
  const value = readDecimal(plain);
  if (value === undefined || exponent === undefined) {
    return value;
  }
  const scale = 10n ** BigInt(Math.abs(Number(exponent)));
  return Number(exponent) < 0
    ? rational(value.numerator, value.denominator * scale)
    : rational(value.numerator * scale, value.denominator);
}

function readDecimal(text: string | undefined): Rational | undefined {
  if (text === undefined || text.length > MAX_DIGITS) {
    return undefined;
  }
  const [integer = '', fraction = ''] = text.replaceAll(',', '').split('.');
  return rational(BigInt(integer + fraction), 10n ** BigInt(fraction.length));
}

function quotient(a: Rational | undefined, b: Rational | undefined): Rational | undefined {
  return a && b && b.numerator !== 0n ? divideRational(a, b) : undefined;
}

/** Whether the text before a number ends in a minus sign, and not in a subtraction or a hyphen. */
function isNegative(before: string): boolean {
  let rest = before;
  if (!rest.endsWith('-') && CURRENCY.test(rest.at(-1) ?? '')) {
    rest = rest.slice(0, -1);
  }
  if (!rest.endsWith('-')) {
    return false;
  }
  rest = rest.slice(0, -1);
  if (/[\p{L}\p{N}_)\]}%-]$/u.test(rest)) {
    return false;
  }
  return !/(?:[\p{N})\]}%]|(?<!\p{L})\p{L})\s+$/u.test(rest);
}
