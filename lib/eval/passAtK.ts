/**
 * Unbiased estimate of pass@k: the chance that at least one of k completions is correct, from n
 * completions of which c are.
 *
 * Chen et al. 2021, "Evaluating Large Language Models Trained on Code", equation 1:
 * `1 - C(n - c, k) / C(n, k)`, as a product of factors `1 - k / i`. The product is carried in its
 * complement, so neither the binomials overflow nor does a small pass rate lose its digits to
 * `1 - (nearly 1)`: the error is a few units in the last place for any n.
 *
 * @param n completions sampled, at least 1
 * @param c of those, how many are correct, 0 to n
 * @param k size of the subset, 1 to n
 * @returns a probability in [0, 1]
 * @throws RangeError where an argument is not an integer or is out of range
 */
export function passAtK(n: number, c: number, k: number): number {
  requireInteger('n', n, 1, Number.MAX_SAFE_INTEGER);
  requireInteger('c', c, 0, n);
  requireInteger('k', k, 1, n);
  if (c > n - k) {
    return 1;
  }
  // The formula is symmetric in c and k, so the shorter of the two products will do.
  const [factors, size] = c < k ? [c, k] : [k, c];
  let pass = 0;
  for (let i = n - factors + 1; i <= n; i++) {
    pass += (1 - pass) * (size / i);
  }
  return pass;
}

function requireInteger(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    const range = high === Number.MAX_SAFE_INTEGER ? `at least ${low}` : `from ${low} to ${high}`;
    throw new RangeError(`passAtK: ${name} must be an integer ${range}, got ${String(value)}`);
  }
}
