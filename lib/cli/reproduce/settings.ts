/** What notebooks are run with, as the environment that they read it from. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readWorldManifest, worldModels } from '../../world/index.js';

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
  };
  const world = fromScratch ? worldIn(out) : process.env.MAMBALAB_WORLD;
  const entries = Object.entries(chosen).map(([name, value]) => `${name}=${value}`);
  return {
    environment: {
      MAMBALAB_SCALE: scale,
      MAMBALAB_RUNS: join(out, 'runs'),
      ...(world && { MAMBALAB_WORLD: world }),
      ...chosen,
    },
    key: [scale, ...entries, ...(world ? [`world ${hashOfWorld(world)}`] : [])].join(' '),
  };
}

/** The hash of a world's models, those that are there: results depend on them wherever they lie. */
function hashOfWorld(folder: string): string {
  const hash = createHash('sha256');
  for (const { name } of worldModels) {
    hash.update(`${name} ${readWorldManifest(join(folder, name))?.sha256}\0`);
  }
  return hash.digest('hex');
}
