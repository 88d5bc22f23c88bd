import type { Command } from 'commander';
import { cacheConfig, cachePlanOf } from '../../distill/config/cache.js';
import { readConfig } from '../../distill/config/read.js';
import { distillConfig } from '../../distill/config/schema.js';
import type { TeacherCacheManifest } from '../../distill/index.js';
import { formatBytes, formatCount, progress } from '../../plots/index.js';
import { CliError, type GlobalOptions, type Io, printJson, type Register } from '../command.js';
import { interruptible } from '../interrupt.js';

interface Options extends GlobalOptions {
  readonly k: string;
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new CliError(`--k: expected a positive integer, got '${text}'`, 2);
}

async function run(io: Io, path: string, options: Options): Promise<void> {
  const k = whole(options.k);
  const config = await readConfig(distillConfig, path);
  const { folder, steps } = cachePlanOf(config);
  await interruptible(`saved in ${folder}; the same command goes on from here`, async (signal) => {
    const bar = options.json
      ? undefined
      : progress(steps, { label: 'teacher logits', unit: 'batches' });
    try {
      const manifest = await cacheConfig(config, {
        k,
        signal,
        onBatch: () => bar?.advance(1),
      });
      bar?.done();
      if (options.json) printJson(io, { folder, ...manifest });
      else io.out.write(describe(folder, manifest, path));
    } finally {
      bar?.done();
    }
  });
}

function describe(folder: string, manifest: TeacherCacheManifest, path: string): string {
  const { batches, positions, k, vocabSize, bytes, lost } = manifest;
  const nats = (x: number) => `${x.toPrecision(3)} nats`;
  return `${folder}: ${formatCount(k)} of ${formatCount(vocabSize)} tokens at ${formatCount(positions)} \
positions of ${formatCount(batches)} batches, ${formatBytes(bytes)}

What it loses, as means over positions:
  probability of all other tokens          ${lost.mass.toPrecision(3)}
  KL of the kept alone from the teacher    ${nats(lost.truncationKL)}
  KL of the teacher from the rest evened   ${nats(lost.restKL)}

Next: mambalab distill ${path}
`;
}

/** `cache-logits <config>`: the teacher's likeliest tokens over a configuration's data, on the disk. */
export const registerCacheLogits: Register = (program: Command, io: Io) => {
  program
    .command('cache-logits')
    .description("write the teacher's top-k logits that a distillation reads; resumes")
    .argument('<config>', 'a .json, .ts or .mjs file, as mambalab distill takes it')
    .option('--k <count>', 'tokens that are kept at each position', '64')
    .addHelpText(
      'after',
      `
The configuration says where: "teacherLogits": { "cache": "runs/hybrid-logits" }, in the recipe
mamba-in-llama or in the stage "logits" of mohawk. The cache has a row for each counted position of the
stage's batches, in their order, and a manifest that says what the cut loses. Ctrl-C saves and stops; the
same command goes on, and with more steps in the configuration it adds them.

Examples:
  mambalab cache-logits hybrid.json --k 64
  mambalab distill hybrid.json`,
    )
    .action((path: string, _options, command: Command) =>
      run(io, path, command.optsWithGlobals<Options>()),
    );
};
