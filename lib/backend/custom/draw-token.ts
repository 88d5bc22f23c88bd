/** The reference of token sampling, in float64 on plain arrays. */

/** Four random words of a counter under a key: Philox4x32-10. */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [a, b, c, d] = counter.map((x) => BigInt(x >>> 0)) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map((x) => BigInt(x >>> 0)) as [bigint, bigint];
  const word = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p = a * 0xd2511f53n;
    const q = c * 0xcd9e8d57n;
    [a, b, c, d] = [(q >> 32n) ^ b ^ k0, q & word, (p >> 32n) ^ d ^ k1, p & word];
    k0 = (k0 + 0x9e3779b9n) & word;
    k1 = (k1 + 0xbb67ae85n) & word;
  }
  return [a, b, c, d].map(Number);
}

/** A uniform number of (0, 1): the first 52 random bits and a half. */
function uniform(counter: readonly number[], key: readonly number[]): number {
  const [high, low] = philox(counter, key) as [number, number];
  const bits = ((BigInt(high) << 32n) | BigInt(low)) >> 12n;
  return (Number(bits) + 0.5) / 2 ** 52;
}

/** A drawn token and its log-probability under the model. */
export interface DrawnToken {
  id: number;
  logProb: number;
}

/**
 * Draws one token.
 *
 * @param settings temperature, topP, minP, topK; @param key seed, prompt, sample, position.
 */
export function drawToken(
  logits: Float32Array,
  settings: Float32Array,
  key: Int32Array,
  row: number,
): DrawnToken {
  const [temperature, topP, minP, topK] = settings as unknown as [number, number, number, number];
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) throw new Error(`sampleTokens: the logits of row ${row} hold NaN`);
    if ((logits[i] as number) > (logits[best] as number)) best = i;
  }
  const max = logits[best] as number;
  let total = 0;
  for (const x of logits) total += Math.exp(x - max);
  const logProbOf = (id: number) => (logits[id] as number) - max - Math.log(total);
  if (temperature === 0) return { id: best, logProb: logProbOf(best) };

  const weights = Float64Array.from(logits, (x) => Math.exp((x - max) / temperature));
  const kept = keep(weights, topK, topP, minP);
  let mass = 0;
  for (const id of kept) mass += weights[id] as number;
  const [seed, prompt, sample, position] = key as unknown as [number, number, number, number];
  const target = uniform([sample, position, 0, 0], [seed, prompt]) * mass;
  let sum = 0;
  let id = kept[kept.length - 1] as number;
  for (const candidate of kept) {
    sum += weights[candidate] as number;
    if (sum > target) {
      id = candidate;
      break;
    }
  }
  return { id, logProb: logProbOf(id) };
}

/** Ids that may be drawn, ascending; ties at a limit go to the lower id. */
function keep(weights: Float64Array, topK: number, topP: number, minP: number): number[] {
  const all = Array.from(weights, (_, i) => i);
  if (topK === 0 && topP >= 1 && minP === 0) return all;
  const weight = (i: number) => weights[i] as number;
  let sorted = all.sort((a, b) => weight(b) - weight(a) || a - b);
  if (topK > 0) sorted = sorted.slice(0, topK);
  if (topP < 1) {
    const goal = topP * sorted.reduce((sum, i) => sum + weight(i), 0);
    let sum = 0;
    const end = sorted.findIndex((i) => {
      sum += weight(i);
      return sum >= goal;
    });
    if (end >= 0) sorted = sorted.slice(0, end + 1);
  }
  if (minP > 0) sorted = sorted.filter((i) => weight(i) >= minP * weight(sorted[0] as number));
  return sorted.sort((a, b) => a - b);
}
