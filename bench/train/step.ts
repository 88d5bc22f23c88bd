/**
 * One case of `bench train`, in a process of its own, so that its peak of memory is its own. Prints one JSON
 * line. Arguments: case, batch, length, steps, threads (0: the engine's own choice).
 */
import { init } from '../../lib/backend/index.js';
import { nativeBackend } from '../../lib/backend/init.js';
import { measureRates } from '../../lib/backend/limits.js';
import { optimizers } from '../../lib/distill/index.js';
import { TrainStep } from '../../lib/distill/train-step.js';
import { median } from '../../lib/eval/index.js';
import { tokenBatch } from '../shared/token-batch.js';
import { CASES, CONFIG } from './cases.js';

/** What one case came to. */
export interface StepLine {
  readonly ms: number;
  readonly flops: number;
  /** The rate of a product of 1024^3. */
  readonly flopsPerSecond: number;
  readonly peakBytes: number;
}

const [name, ...numbers] = process.argv.slice(2);
const [batch, length, steps, threads] = numbers.map(Number) as [number, number, number, number];
const found = CASES[name as string];
if (!found) throw new RangeError(`unknown case '${name}'`);
init(threads > 0 ? { threads } : {});
const { objective, flopsPerToken } = found.open();
const step = new TrainStep(objective, optimizers.adamW(objective.parameters));
const one = () => {
  const start = performance.now();
  step.run(tokenBatch(batch, length, CONFIG.vocabSize), 1e-5);
  return performance.now() - start;
};
one();
one();
const times = Array.from({ length: steps }, one);
const peakBytes = process.resourceUsage().maxRSS * 1024;
nativeBackend().engine.addon.trim();
const { flopsPerSecond } = measureRates();
const line: StepLine = {
  ms: median(times),
  flops: flopsPerToken * batch * length,
  flopsPerSecond,
  peakBytes,
};
process.stdout.write(`${JSON.stringify(line)}\n`);
