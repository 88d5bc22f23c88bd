/** The start of the benchmarks that hold operations against this machine's limits. */
import { init } from '../../lib/backend/index.js';
import { nativeBackend } from '../../lib/backend/init.js';
import { type Limits, measureLimits } from '../../lib/backend/limits.js';
import { whole, wholeOrDefault } from './program.js';

/** Their options for `parseArgs`, with so many runs by default. */
export function limitedOptions(runs: number) {
  return {
    threads: { type: 'string' },
    runs: { type: 'string', default: String(runs) },
    json: { type: 'boolean', default: false },
  } as const;
}

/** What was asked for, the engine, and the limits measured with it. */
export interface Limited {
  runs: number;
  engine: ReturnType<typeof init>;
  limits: Limits;
}

/**
 * Starts the engine, measures the limits and, but for JSON, prints them.
 *
 * @throws ArgumentError where `--runs` or `--threads` is no whole number from 1 on.
 */
export function startLimited(values: {
  threads?: string | undefined;
  runs: string;
  json: boolean;
}): Limited {
  const runs = whole('--runs', values.runs);
  const threads = wholeOrDefault('--threads', values.threads);
  const engine = init(threads ? { threads } : {});
  const limits = measureLimits();
  nativeBackend().engine.addon.trim();
  if (!values.json) {
    console.log(
      `${engine.threads} threads, ${engine.isa}: at most ${limits.gflops.toFixed(0)} GFLOP/s and ` +
        `${limits.gexps.toFixed(1)} G exponentials/s in registers, ${limits.readGBs.toFixed(1)} GB/s read from memory ` +
        `and ${limits.updateGBs.toFixed(1)} GB/s read and written in place`,
    );
  }
  return { runs, engine, limits };
}
