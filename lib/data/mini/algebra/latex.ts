export function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}

/** A fraction in lowest terms: "3", "-\frac{1}{2}". */
export function fraction(numerator: number, denominator: number): string {
  const sign = numerator * denominator < 0 ? '-' : '';
  const shared = gcd(numerator, denominator);
  const [n, d] = [Math.abs(numerator / shared), Math.abs(denominator / shared)];
  return d === 1 ? `${sign}${n}` : `${sign}\\frac{${n}}{${d}}`;
}

/** A polynomial in x with integer coefficients, the constant first in the list: "x^2 - 5x + 6". */
export function polynomial(coefficients: readonly number[]): string {
  let text = '';
  for (let power = coefficients.length - 1; power >= 0; power--) {
    const c = coefficients[power] as number;
    if (c === 0) continue;
    const size = Math.abs(c) === 1 && power > 0 ? '' : `${Math.abs(c)}`;
    const variable = power === 0 ? '' : power === 1 ? 'x' : `x^${power}`;
    const sign = text === '' ? (c < 0 ? '-' : '') : c < 0 ? ' - ' : ' + ';
    text += `${sign}${size}${variable}`;
  }
  return text === '' ? '0' : text;
}

/** A number as a term of a sum: " + 3", " - 3". */
export function plus(n: number): string {
  return n < 0 ? ` - ${-n}` : ` + ${n}`;
}

/** A number as a factor or a base: negative ones in parentheses. */
export function factor(n: number): string {
  return n < 0 ? `(${n})` : `${n}`;
}
