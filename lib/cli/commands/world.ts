import { join } from 'node:path';
import type { Command } from 'commander';
import { init } from '../../backend/index.js';
import {
  formatCount,
  formatDuration,
  formatPercent,
  type Progress,
  progress,
} from '../../plots/index.js';
import {
  stepsOf,
  TOKENS_A_STEP,
  trainWorld,
  type WorldManifest,
  worldModels,
} from '../../world/index.js';
import { type GlobalOptions, type Io, printJson, type Register, table } from '../command.js';
import { interruptible } from '../interrupt.js';
import { real, whole } from '../values.js';

interface Options extends GlobalOptions {
  readonly out: string;
  readonly seed: number;
  readonly only?: string;
  readonly share: number;
  readonly keepRuns?: boolean;
  readonly dryRun?: boolean;
}

const HELP = `
Teachers of two sizes, their students by MOHAWK and by reverse KL, fine-tuned ones, one whose last stage had
general data, and a reward model, from nothing but a seed. A model that is in the folder already, of this seed
and made of the same models, is not made again; Ctrl-C saves, and the same command goes on.

Examples:
  mambalab world --dry-run
  MAMBALAB_DEVICE=cuda mambalab world --out runs/world
  mambalab world --out runs/try --share 0.01     a hundredth of the steps and problems, to try it out`;

function describe(seed: number, share: number): string {
  const rows = worldModels.map(
    ({ name, from = 'nothing', steps, mixture = 'judged solutions' }) => {
      const made = Math.max(4, Math.round(steps * share));
      return [name, from, mixture, formatCount(made), formatCount(made * TOKENS_A_STEP)];
    },
  );
  return `the mini world of seed ${seed}; nothing is trained\n\n${table([['model', 'from', 'reads', 'steps', 'tokens'], ...rows])}`;
}

function line({ name, measured, loss, seconds }: WorldManifest): string {
  const parts = Object.entries(measured).flatMap(([key, value]) => {
    if (typeof value === 'object') return [`${key} ${formatPercent(value.estimate)}`];
    return key === 'atlas' ? [`${key} ${formatPercent(value)}`] : [];
  });
  return [`${name}: loss ${loss.join(' to ')}`, ...parts, formatDuration(seconds)].join(', ');
}

async function run(io: Io, options: Options): Promise<void> {
  const { out, seed, share } = options;
  const only = options.only?.split(',').filter(Boolean);
  if (options.dryRun) {
    if (options.json) printJson(io, worldModels);
    else io.out.write(describe(seed, share));
    return;
  }
  init();
  await interruptible(`saved in ${out}; the same command goes on from here`, async (signal) => {
    let bar: Progress | undefined;
    let at: string | undefined;
    try {
      const manifests = await trainWorld({
        folder: out,
        seed,
        share,
        signal,
        ...(only && { only }),
        ...(options.keepRuns && { keepRuns: true }),
        onStep: (model, { loss }) => {
          if (options.json) return;
          if (at !== model.name) {
            bar?.done();
            at = model.name;
            bar = progress(stepsOf(model, share), { label: model.name, unit: 'steps' });
          }
          bar?.advance(1, `loss ${loss.toPrecision(4)}`);
        },
        onModel: (manifest, made) => {
          bar?.done();
          bar = undefined;
          if (!options.json) io.out.write(`${line(manifest)}${made ? '' : ' (was there)'}\n`);
        },
      });
      if (options.json) printJson(io, manifests);
    } finally {
      bar?.done();
    }
  });
}

/** `world`: trains the models of the mini world from nothing. */
export const registerWorld: Register = (program: Command, io: Io) => {
  program
    .command('world')
    .description('train the mini world from nothing: teachers, students, reward model; resumes')
    .option('--out <folder>', 'where the models go', join('runs', 'world'))
    .option('--seed <seed>', 'of problems and weights', whole('--seed', 0, 1e6), 1)
    .option('--only <names>', 'only these models (names with commas)')
    .option('--share <share>', 'of steps and problems, to try it out', real('--share', 1e-4, 1), 1)
    .option('--keep-runs', 'keep the checkpoints of finished runs')
    .option('--dry-run', 'print what would be trained')
    .addHelpText('after', HELP)
    .action((_options, command: Command) => run(io, command.optsWithGlobals<Options>()));
};
