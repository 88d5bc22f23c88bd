import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type Device, init } from '../../backend/index.js';
import { formatCount, type Progress, progress } from '../../plots/index.js';
import {
  stepsOf,
  TOKENS_A_STEP,
  trainWorld,
  type WorldManifest,
  worldModels,
} from '../../world/index.js';
import {
  CliError,
  type GlobalOptions,
  type Io,
  printJson,
  type Register,
  table,
} from '../command.js';
import { interruptible } from '../interrupt.js';
import { device, real, whole } from '../values.js';
import { describeManifest } from '../world/describe.js';
import { defaultWorldJobs, trainSideBySide } from '../world/side-by-side.js';
import { serveWorker } from '../world/worker.js';

interface Options extends GlobalOptions {
  readonly out: string;
  readonly seed: number;
  readonly only?: string;
  readonly share: number;
  readonly keepRuns?: boolean;
  readonly dryRun?: boolean;
  readonly jobs?: number;
  readonly device?: string;
  readonly worker?: boolean;
}

const HELP = `
Teachers of two sizes, their students by MOHAWK and by reverse KL, fine-tuned ones, one whose last stage had
general data, and a reward model, from nothing but a seed. A model that is in the folder already, of this seed
and made of the same models, is not made again; Ctrl-C saves, and the same command goes on.

With --jobs, models that do not need one another are trained at the same time; those that need one that
failed are left, and the others finished.

Examples:
  mambalab world --dry-run
  mambalab world --out runs/world --device cuda --jobs 3
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

/** @throws CliError naming a model that the world does not have. */
function chosen({ only }: Options): readonly string[] | undefined {
  const names = only?.split(',').filter(Boolean);
  const unknown = names?.filter((name) => worldModels.every((model) => model.name !== name)) ?? [];
  if (unknown.length === 0) return names;
  const known = worldModels.map(({ name }) => name).join(', ');
  throw new CliError(`--only: there is no model ${unknown.join(', ')}; there are ${known}`, 2);
}

async function run(io: Io, options: Options): Promise<void> {
  if (options.worker) {
    await serveWorker(options);
    return;
  }
  const { out, seed, share } = options;
  if (options.dryRun) {
    if (options.json) printJson(io, worldModels);
    else io.out.write(describe(seed, share));
    return;
  }
  const { jobs = defaultWorldJobs(options.device) } = options;
  const goOn = `saved in ${out}; the same command goes on from here`;
  const manifests = await interruptible(goOn, (signal) =>
    jobs === 1 ? trainHere(io, options, signal) : trainBeside(io, { ...options, jobs }, signal),
  );
  if (options.json) printJson(io, manifests);
}

/** One model after another, in this process. */
async function trainHere(
  io: Io,
  options: Options,
  signal: AbortSignal,
): Promise<readonly WorldManifest[]> {
  const { out, seed, share, json = false, keepRuns = false, device } = options;
  const only = chosen(options);
  init(device === undefined ? {} : { device: device as Device });
  let bar: Progress | undefined;
  let at: string | undefined;
  try {
    return await trainWorld({
      folder: out,
      seed,
      share,
      signal,
      keepRuns,
      ...(only && { only }),
      onStep: (model, { loss }) => {
        if (json) return;
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
        if (!json) io.out.write(`${describeManifest(manifest, made)}\n`);
      },
    });
  } finally {
    bar?.done();
  }
}

/** Several models at a time, each in a process of its own. */
function trainBeside(
  io: Io,
  options: Options & { readonly jobs: number },
  signal: AbortSignal,
): Promise<readonly WorldManifest[]> {
  const { out, seed, share, jobs, device, keepRuns = false, json: quiet = false } = options;
  const only = chosen(options);
  return trainSideBySide({
    out,
    seed,
    share,
    jobs,
    keepRuns,
    ...(device !== undefined && { device }),
    ...(only && { only }),
    err: io.err,
    quiet,
    signal,
    onModel: (manifest, made, status) => status.say(describeManifest(manifest, made), io.out),
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
    .option(
      '--jobs <count>',
      'models trained at a time, each in a process of its own (default 1, on a GPU 3)',
      whole('--jobs', 1, 16),
    )
    .addOption(
      new Option('--device <device>', 'cpu, cuda or cuda:N (default cpu)')
        .argParser(device('--device'))
        .env('MAMBALAB_DEVICE'),
    )
    .addOption(new Option('--worker', 'trains what its parent process says').hideHelp())
    .option('--keep-runs', 'keep the checkpoints of finished runs')
    .option('--dry-run', 'print what would be trained')
    .addHelpText('after', HELP)
    .action((_options, command: Command) => run(io, command.optsWithGlobals<Options>()));
};
