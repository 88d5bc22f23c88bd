import type { Command } from 'commander';
import type { z } from 'zod';
import { planConfig, type RunPlan } from '../../distill/config/plan.js';
import { readConfig } from '../../distill/config/read.js';
import { runConfig } from '../../distill/config/run.js';
import { distillConfig, sftConfig, trainConfig } from '../../distill/config/schema.js';
import type { StepMetrics } from '../../distill/index.js';
import { formatBytes, formatCount, formatDuration, progress } from '../../plots/index.js';
import { type GlobalOptions, type Io, printJson, type Register, table } from '../command.js';
import { interruptible } from '../interrupt.js';

interface Options extends GlobalOptions {
  readonly dryRun?: boolean;
}

type Schema = typeof distillConfig | typeof sftConfig | typeof trainConfig;

async function run(io: Io, schema: Schema, path: string, options: Options): Promise<void> {
  const config = await readConfig(schema as z.ZodType, path);
  const plan = planConfig(config as never);
  if (options.dryRun) {
    if (options.json) printJson(io, plan);
    else io.out.write(describe(plan));
    return;
  }
  const { folder } = plan;
  await interruptible(`saved in ${folder}; the same command goes on from here`, async (signal) => {
    const total = plan.stages.reduce((sum, { steps }) => sum + steps, 0);
    const bar = options.json ? undefined : progress(total, { label: plan.recipe, unit: 'steps' });
    try {
      const result = await runConfig(config as never, {
        signal,
        log: (line) => {
          if (!options.json) io.err.write(`${line}\n`);
        },
        onStep: (metrics, stage) => bar?.advance(1, note(metrics, stage)),
      });
      const last = result.metrics.at(-1);
      if (options.json) {
        printJson(io, { folder, model: result.model, last });
      } else {
        bar?.done(last && note(last));
        io.out.write(`${result.model}: trained\n\nNext: mambalab sample ${result.model} --help\n`);
      }
    } finally {
      bar?.done();
    }
  });
}

function note(metrics: StepMetrics, stage?: string): string {
  const { loss, learningRate, tokensPerSecond, evaluation = {} } = metrics;
  return [
    ...(stage === undefined ? [] : [stage]),
    `loss ${loss.toPrecision(4)}`,
    `rate ${learningRate.toExponential(1)}`,
    `${formatCount(Math.round(tokensPerSecond))} tokens/s`,
    ...Object.entries(evaluation).map(([name, value]) => `${name} ${value.toPrecision(3)}`),
  ].join(', ');
}

function describe({ recipe, folder, stages }: RunPlan): string {
  const rows = stages.map((stage) => [
    stage.name,
    `${formatCount(stage.trainedParameters)} of ${formatCount(stage.parameters)}`,
    formatCount(stage.steps),
    formatCount(stage.tokens),
    `about ${formatBytes(stage.memoryBytes)}`,
    `about ${formatDuration(stage.seconds)}`,
  ]);
  const head = ['stage', 'trained parameters', 'steps', 'tokens', 'memory', 'time'];
  return `${recipe} into ${folder}; nothing is trained\n\n${table([head, ...rows])}`;
}

interface Kind {
  readonly name: string;
  readonly schema: Schema;
  readonly description: string;
  readonly help: string;
}

const GOES_ON = `
The folder of the run gets run.json, metrics.jsonl with a line for each step, checkpoints, and at the end
the model. Ctrl-C saves and stops; the same command goes on, bit for bit, also after a kill.
docs/distillation.md explains every field.`;

const KINDS: readonly Kind[] = [
  {
    name: 'distill',
    schema: distillConfig,
    description: 'distil a teacher into a Mamba student, as a configuration says; resumes',
    help: `
A configuration is JSON, or a TypeScript module that exports it (type DistillConfig of mambalab/distill):

  { "recipe": "mamba-in-llama", "teacher": "smollm2-135m-instruct",
    "student": { "family": "mamba-in-llama", "attentionLayers": [4, 9, 14, 19, 24, 29] },
    "steps": 200, "learningRate": { "kind": "wsd", "peak": 1e-4, "warmup": 0.1, "decay": 0.1 },
    "data": { "sources": [{ "dataset": "gsm8k" }], "length": 512, "batch": 2, "loss": "answer" },
    "run": { "folder": "runs/hybrid" } }

The recipe "mohawk" has "stages": { "matrices", "hiddenStates", "logits" }, each with steps, data and
learningRate of its own.
${GOES_ON}

Examples:
  mambalab distill hybrid.json --dry-run
  mambalab distill llamba.ts`,
  },
  {
    name: 'sft',
    schema: sftConfig,
    description:
      'fine-tune a student, or the teacher for comparison, as a configuration says; resumes',
    help: `
  { "recipe": "sft", "model": "runs/hybrid/model", "steps": 400,
    "learningRate": { "kind": "cosine", "peak": 1e-5, "warmup": 20 },
    "data": { "sources": [{ "dataset": "gsm8k" }], "length": 512, "batch": 2, "loss": "answer" },
    "run": { "folder": "runs/hybrid-sft" } }

The recipe "finetune-teacher" trains a Llama on the distillation's data (Figure 3 of the paper).
${GOES_ON}

Examples:
  mambalab sft hybrid-sft.json --dry-run
  mambalab sft hybrid-sft.json`,
  },
  {
    name: 'train',
    schema: trainConfig,
    description: 'train a Llama from nothing, or a reward model, as a configuration says; resumes',
    help: `
  { "recipe": "llama", "tokenizer": "data/mini/tokenizer", "seed": 1,
    "model": { "dModel": 128, "nLayers": 6, "nHeads": 4, "nKvHeads": 2, "dMlp": 384 },
    "steps": 1500, "learningRate": { "kind": "wsd", "peak": 2e-3, "warmup": 0.05, "decay": 0.3 },
    "data": { "sources": ["train.jsonl"], "length": 256, "batch": 16 },
    "run": { "folder": "runs/teacher" } }

The recipe "reward-model" trains a Llama on labelled steps.
${GOES_ON}

Examples:
  mambalab train teacher.json --dry-run
  mambalab train teacher.json`,
  },
];

/** `distill`, `sft` and `train`: the recipes of a configuration file. */
export const registerTraining: Register = (program: Command, io: Io) => {
  for (const { name, schema, description, help } of KINDS) {
    program
      .command(name)
      .description(description)
      .argument('<config>', 'a .json, .ts or .mjs file')
      .option('--dry-run', 'print parameters, memory, tokens, steps and time, and train nothing')
      .addHelpText('after', help)
      .action((path: string, _options, command: Command) =>
        run(io, schema, path, command.optsWithGlobals<Options>()),
      );
  }
};
