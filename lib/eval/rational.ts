/** An exact number, in lowest terms with a positive denominator. */
export interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Past this many decimal places a terminating fraction is written as p/q. */
const MAX_PLACES = 30;

/**
 * The reduced fraction numerator / denominator.
 *
 * @throws RangeError where the denominator is zero
 */
export function rational(numerator: bigint, denominator = 1n): Rational {
  if (denominator === 0n) {
    throw new RangeError(`rational: the denominator of ${numerator}/0 is zero`);
  }
  const sign = denominator < 0n ? -1n : 1n;
  const divisor = greatestCommonDivisor(numerator, denominator) * sign;
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

export function addRational(a: Rational, b: Rational): Rational {
  return rational(
    a.numerator * b.denominator + b.numerator * a.denominator,
    a.denominator * b.denominator,
  );
}

export function negateRational(a: Rational): Rational {
  return { numerator: -a.numerator, denominator: a.denominator };
}

/**
 * @throws RangeError where b is zero
 */
export function divideRational(a: Rational, b: Rational): Rational {
  return rational(a.numerator * b.denominator, a.denominator * b.numerator);
}

export function equalRational(a: Rational, b: Rational): boolean {
  return a.numerator === b.numerator && a.denominator === b.denominator;
}

/**
 * The one spelling of a value: an integer, else a terminating decimal of at most 30 places, else
 * p/q in lowest terms. Equal values give equal strings.
 */
export function formatRational({ numerator, denominator }: Rational): string {
  if (denominator === 1n) {
    return numerator.toString();
  }
  const places = decimalPlaces(denominator);
  if (places === undefined) {
    return `${numerator}/${denominator}`;
  }
  const magnitude = numerator < 0n ? -numerator : numerator;
  const digits = ((magnitude * 10n ** BigInt(places)) / denominator)
    .toString()
    .padStart(places + 1, '0');
  const sign = numerator < 0n ? '-' : '';
  return `${sign}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** Places that 1 / denominator needs in decimal; undefined where it repeats or is too long. */
function decimalPlaces(denominator: bigint): number | undefined {
  let power = 1n;
  for (let places = 1; places <= MAX_PLACES; places++) {
    power *= 10n;
    if (power % denominator === 0n) {
      return places;
    }
  }
  return undefined;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) {
    [x, y] = [y, x % y];
  }
  return x;
}
