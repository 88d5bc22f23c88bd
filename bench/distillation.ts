/**
 * The recipes at work on the mini world: a teacher trained here, distilled both ways, every choice of the
 * paper taken and not taken, and a reward model. Not a race: what is measured is accuracy.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { init } from '../lib/backend/index.js';
import * as distill from '../lib/distill/index.js';
import * as models from '../lib/models/index.js';
import { trainRewards } from './distillation/rewards.js';
import { tokenizerFolder, World } from './distillation/world.js';
import { ArgumentError, program, whole } from './shared/program.js';

const HELP = `Usage: mambalab bench distillation [options]

Trains a Llama of 1.3 M parameters on word problems of one to three calculations, distils it into a Llamba
(MOHAWK, three stages) and a hybrid (reverse KL), and again with each choice of the paper left out; then
fine-tunes the students and the teacher, and trains a reward model. A line for each, with the share of test
problems that greedy decoding gets right. What is in the folder already is not trained again.

  --only LIST        parts by name, with commas: teacher, mohawk, hybrid, mohawk-choices, hybrid-choices, sft,
                     rewards (all)
  --teacher-steps N  steps of the teacher (3000)
  --steps N          steps of MOHAWK's stages together (2000)
  --hybrid-steps N   steps of the hybrid (4000)
  --batch N          rows of 256 tokens in a step (16)
  --problems N       training problems of each level (20000)
  --tests N          test problems of each level (200)
  --seed N           (1)
  --folder PATH      where the runs are kept (runs/bench-distillation)`;

const PARTS = ['teacher', 'mohawk', 'hybrid', 'mohawk-choices', 'hybrid-choices', 'sft', 'rewards'];

interface Line {
  readonly name: string;
  readonly seconds: number;
  readonly accuracy?: Readonly<Record<string, number>>;
  readonly losses?: Readonly<Record<string, readonly [number, number]>>;
  readonly [more: string]: unknown;
}

const { wsd } = distill.schedules;
const round = (x: number, digits = 4) => Number(x.toPrecision(digits));

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: PARTS.join() },
      'teacher-steps': { type: 'string', default: '3000' },
      steps: { type: 'string', default: '2000' },
      'hybrid-steps': { type: 'string', default: '4000' },
      batch: { type: 'string', default: '16' },
      problems: { type: 'string', default: '20000' },
      tests: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      folder: { type: 'string', default: 'runs/bench-distillation' },
      json: { type: 'boolean' },
    },
  });
  const only = values.only.split(',');
  const unknown = only.filter((part) => !PARTS.includes(part));
  if (unknown.length > 0) {
    throw new ArgumentError(
      `--only: there is no part ${unknown.join(', ')}; there are ${PARTS.join(', ')}`,
    );
  }
  const { folder } = values;
  const steps = whole('--steps', values.steps, 10);
  const hybridSteps = whole('--hybrid-steps', values['hybrid-steps'], 10);
  const seed = whole('--seed', values.seed, 0);
  init();
  const world = new World({
    problems: whole('--problems', values.problems),
    tests: whole('--tests', values.tests),
    batch: whole('--batch', values.batch),
    seed,
  });
  let started = performance.now();
  const say = (line: Omit<Line, 'seconds'>) => {
    const seconds = round((performance.now() - started) / 1e3, 3);
    process.stdout.write(`${JSON.stringify({ seconds, ...line })}\n`);
    started = performance.now();
  };
  const run = (name: string) => ({ run: { folder: join(folder, name), saveEvery: 1000, keep: 1 } });
  const fell = ({ metrics }: distill.TrainingResult): [number, number] => {
    const last = metrics.slice(-20).map(({ loss }) => loss);
    const mean = last.reduce((sum, x) => sum + x, 0) / last.length;
    return [round(metrics[0]?.loss as number), round(mean)];
  };

  const teacherSteps = whole('--teacher-steps', values['teacher-steps'], 10);
  const teacherFolder = join(folder, 'teacher', 'model');
  const made = teacherOf(world, seed);
  const trained = await distill.sft(made, {
    steps: teacherSteps,
    data: world.data('all'),
    learningRate: wsd({ peak: 2e-3, steps: teacherSteps, warmup: 0.05, decay: 0.3 }),
    ...run('teacher'),
  });
  models.save(made, teacherFolder, { precision: 'f32' });
  made.dispose();
  const teacher = models.load(teacherFolder) as models.Llama;
  if (only.includes('teacher')) {
    say({
      name: 'teacher',
      losses: { all: fell(trained) },
      accuracy: await world.accuracy(teacher),
    });
  }

  const parts = [0.15, 0.25, 0.6].map((share) => Math.max(1, Math.round(share * steps)));
  const [one, two, three] = parts as [number, number, number];
  const stage = (count: number, peak: number, loss: 'all' | 'answer' = 'all') => ({
    steps: count,
    data: world.data(loss, 1),
    learningRate: wsd({ peak, steps: count, warmup: 0.1, decay: 0.1 }),
  });
  const log = () => {};

  /** Distils a Llamba; the named choices differ from the paper's. */
  async function mohawk(
    name: string,
    choices: {
      mlp?: 'frozen';
      loss?: 'answer';
      divergence?: 'reverse';
      skip?: readonly distill.MohawkStage[];
    } = {},
  ): Promise<void> {
    const student = models.convert(teacher, { family: 'llamba', seed, log });
    const { mlp = 'trained', loss = 'all', divergence = 'forward', skip = [] } = choices;
    const losses: Record<string, [number, number]> = {};
    const after: Record<string, number> = {};
    const all = {
      matrices: stage(one, 2e-3),
      hiddenStates: { ...stage(two, 2e-3), mlp },
      logits: { ...stage(three, 2e-3, loss), divergence },
    };
    await distill.mohawk(teacher, student, {
      stages: Object.fromEntries(
        Object.entries(all).filter(([key]) => !skip.includes(key as distill.MohawkStage)),
      ),
      ...run(name),
      onStage: async (which, result) => {
        losses[which] = fell(result);
        after[which] = round((await world.accuracy(student)).all as number);
      },
    });
    say({ name, losses, after, accuracy: await world.accuracy(student) });
    models.save(student, join(folder, name, 'model'), { precision: 'f32' });
    student.dispose();
  }

  /** Distils a hybrid that keeps two of six attention layers. */
  async function hybrid(
    name: string,
    choices: { divergence?: 'forward'; loss?: 'all'; rounds?: number } = {},
  ): Promise<void> {
    const student = models.convert(teacher, {
      family: 'mamba-in-llama',
      attentionLayers: [1, 4],
      seed,
      log,
    });
    const { divergence = 'reverse', loss = 'answer', rounds = 1 } = choices;
    const results = await distill.mambaInLlama(teacher, student, {
      ...stage(hybridSteps, 2e-3, loss),
      ...run(name),
      divergence,
      rounds,
    });
    const losses = Object.fromEntries(results.map((result, i) => [`round ${i + 1}`, fell(result)]));
    say({ name, losses, accuracy: await world.accuracy(student) });
    models.save(student, join(folder, name, 'model'), { precision: 'f32' });
    student.dispose();
  }

  /** Fine-tunes a saved model on the answers. */
  async function tuned(name: string, from: string): Promise<void> {
    const model = models.load(join(folder, from, 'model'));
    const result = await distill.sft(model, { ...stage(three, 5e-4, 'answer'), ...run(name) });
    say({ name, losses: { answer: fell(result) }, accuracy: await world.accuracy(model) });
    model.dispose();
  }

  if (only.includes('mohawk')) await mohawk('llamba');
  if (only.includes('hybrid')) await hybrid('hybrid');
  if (only.includes('mohawk-choices')) {
    await mohawk('llamba, MLP frozen in stage 2', { mlp: 'frozen' });
    await mohawk('llamba, loss on the answer alone', { loss: 'answer' });
    await mohawk('llamba, reverse KL in stage 3', { divergence: 'reverse' });
    await mohawk('llamba, stage 3 alone', { skip: ['matrices', 'hiddenStates'] });
    await mohawk('llamba, without stage 1', { skip: ['matrices'] });
  }
  if (only.includes('hybrid-choices')) {
    await hybrid('hybrid, forward KL', { divergence: 'forward' });
    await hybrid('hybrid, loss on the prompt too', { loss: 'all' });
    await hybrid('hybrid, two rounds', { rounds: 2 });
  }
  if (only.includes('sft')) {
    await tuned('llamba, then SFT', 'llamba');
    await tuned('hybrid, then SFT', 'hybrid');
    await tuned('teacher, finetuned', 'teacher');
  }
  if (only.includes('rewards')) {
    const rewards = await trainRewards(world, teacher, {
      problems: Math.min(400, world.train.length),
      n: 4,
      steps: 600,
      votes: 16,
      folder,
    });
    say({ name: 'reward model', ...rewards });
  }
  teacher.dispose();
}

function teacherOf(world: World, seed: number): models.Llama {
  const config: models.LlamaConfig = {
    vocabSize: world.tokenizer.vocabSize,
    dModel: 128,
    nLayers: 6,
    nHeads: 4,
    nKvHeads: 2,
    headDim: 32,
    dMlp: 384,
    normEps: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: undefined,
    contextLength: 1024,
    tieEmbeddings: true,
    bosId: world.tokenizer.bosId,
    eosIds: world.tokenizer.eosIds,
  };
  const seeded = Object.assign(() => undefined, { seed });
  return new models.Llama(config, seeded, { ref: tokenizerFolder });
}

await program('distillation', HELP, main);
