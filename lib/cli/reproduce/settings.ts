/** What notebooks are run with, as the environment that they read it from. */
import { join } from 'node:path';

/** The options of `reproduce` that reach the notebooks. */
export interface SettingOptions {
  readonly scale: string;
  readonly out: string;
  readonly seed?: number;
  readonly samples?: number;
  readonly problems?: number;
  readonly device?: string;
  readonly fromScratch?: boolean;
}

/** The settings of a reproduction. */
export interface Settings {
  /** Variables of the notebooks' environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** What of them results depend on, as text: part of every notebook's hash. */
  readonly key: string;
}

/** The folder of the mini world that `--from-scratch` trains. */
export const worldIn = (out: string): string => join(out, 'world');

/** Settings of options; completions are kept beside the results. */
export function settingsOf(options: SettingOptions): Settings {
  const { scale, out, seed, samples, problems, device, fromScratch } = options;
  const chosen: Record<string, string> = {
    ...(seed !== undefined && { MAMBALAB_SEED: `${seed}` }),
    ...(samples !== undefined && { MAMBALAB_SAMPLES: `${samples}` }),
    ...(problems !== undefined && { MAMBALAB_PROBLEMS: `${problems}` }),
    ...(device !== undefined && { MAMBALAB_DEVICE: device }),
    ...(fromScratch && { MAMBALAB_WORLD: worldIn(out) }),
  };
  const entries = Object.entries(chosen).map(([name, value]) => `${name}=${value}`);
  return {
    environment: { MAMBALAB_SCALE: scale, MAMBALAB_RUNS: join(out, 'runs'), ...chosen },
    key: [scale, ...entries].join(' '),
  };
}
