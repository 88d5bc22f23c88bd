/** Trains the mini world from nothing: teachers, students, the reward model. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as backend from '../backend/index.js';
import { loadTokenizer } from '../data/index.js';
import * as distill from '../distill/index.js';
import * as models from '../models/index.js';
import { writeAtomic } from '../results/write-atomic.js';
import { TOKENS_A_STEP, WorldDocuments } from './documents.js';
import { tokenizerFolder } from './folders.js';
import { lockModel } from './lock-model.js';
import {
  commitOfCode,
  readWorldManifest,
  type WorldManifest,
  weightsHash,
  writeWorldManifest,
} from './manifest.js';
import { measureModel } from './measure.js';
import { stepsOf, type WorldModel, worldModels } from './plan.js';
import { type Judged, judgedSolutions } from './reward-data.js';
import { ATTENTION_LAYERS, teacherConfig } from './shape.js';

/** Options of {@link trainWorld}. */
export interface TrainWorldOptions {
  /** Gets a folder for each model, and `runs` with what is not finished. */
  readonly folder: string;
  readonly seed: number;
  /** Names of models; default all. What they are made of must be there, or be named too. */
  readonly only?: readonly string[];
  /** Multiplies steps and problems; default 1. Smaller values are for trying out. */
  readonly share?: number;
  /** Keeps the checkpoints of finished runs; default false. */
  readonly keepRuns?: boolean;
  /** {@link worldDocuments} of the same seed and share, where they were made before. */
  readonly documents?: WorldDocuments;
  readonly signal?: AbortSignal;
  readonly onStep?: (model: WorldModel, metrics: distill.StepMetrics) => void;
  /** Called for each model, made now or found. */
  readonly onModel?: (manifest: WorldManifest, made: boolean) => void;
}

const PROBLEMS = 6000;
const TESTS = { problems: 200, completions: 8 };
const JUDGED = { problems: 800, solutions: 4, rollouts: 4 };

/** What a training needs to know. */
interface Made {
  readonly world: WorldDocuments;
  readonly options: TrainWorldOptions;
  readonly share: number;
}

/** The training documents of a seed; of fewer problems where everything is made smaller. */
export function worldDocuments({
  seed,
  share = 1,
}: {
  readonly seed: number;
  readonly share?: number;
}): WorldDocuments {
  const problems = Math.max(20, Math.round(PROBLEMS * share));
  return new WorldDocuments(loadTokenizer(tokenizerFolder), { seed, problems });
}

/**
 * Trains the models of {@link worldModels} in order. What is in the folder already, of this seed and
 * these steps, is taken as it is; what was stopped in the middle goes on.
 *
 * @throws RangeError for an unknown name; Error naming a model that others need and that is not there, or
 *   one that another process is training.
 */
export async function trainWorld(options: TrainWorldOptions): Promise<readonly WorldManifest[]> {
  const { folder, only, share = 1 } = options;
  const unknown = (only ?? []).filter((name) => worldModels.every((model) => model.name !== name));
  if (unknown.length > 0) {
    const known = worldModels.map(({ name }) => name).join(', ');
    throw new RangeError(
      `there is no model ${unknown.join(', ')} in the mini world; there are ${known}`,
    );
  }
  if (!(share > 0 && share <= 1)) {
    throw new RangeError(`share: expected a number above 0 and up to 1, got ${share}`);
  }
  mkdirSync(folder, { recursive: true });
  const made: Made = { world: options.documents ?? worldDocuments(options), options, share };
  const manifests: WorldManifest[] = [];
  for (const model of worldModels) {
    if (only && !only.includes(model.name)) continue;
    const unlock = await lockModel(folder, model.name);
    try {
      const found = current(model, made);
      const manifest = found ?? (await make(model, made));
      options.onModel?.(manifest, !found);
      manifests.push(manifest);
    } finally {
      unlock();
    }
  }
  return manifests;
}

function parentsOf({ from, teacher }: WorldModel, folder: string): Record<string, string> {
  const names = new Set([from, teacher].filter((name) => name !== undefined));
  return Object.fromEntries(
    [...names].map((name) => {
      const manifest = readWorldManifest(join(folder, name));
      if (manifest) return [name, manifest.sha256];
      throw new Error(
        `${join(folder, name)}: expected the model ${name}, which is made before; it is not there`,
      );
    }),
  );
}

/** The manifest of a model that is there as this world would make it. */
function current(model: WorldModel, { options, share }: Made): WorldManifest | undefined {
  const found = readWorldManifest(join(options.folder, model.name));
  if (found?.seed !== options.seed || found.steps !== stepsOf(model, share)) return undefined;
  const parents = parentsOf(model, options.folder);
  return JSON.stringify(parents) === JSON.stringify(found.parents) ? found : undefined;
}

async function make(model: WorldModel, made: Made): Promise<WorldManifest> {
  const { world, options, share } = made;
  const { folder, seed, signal, onStep } = options;
  const began = performance.now();
  const parents = parentsOf(model, folder);
  const load = (name: string) => models.load(join(folder, name));
  const student = startOf(model, made, load);
  const teacher = model.teacher === undefined ? undefined : (load(model.teacher) as models.Llama);
  const run = join(folder, 'runs', model.name);
  let facts: Record<string, number> = {};
  let data: string;
  let batches: distill.BatchSource;
  try {
    if (model.recipe === 'reward-model') {
      const kept = join(folder, 'runs', `${model.name}-judged.json`);
      const { documents, steps, rightSteps } = await judged(kept, parents, teacher, made);
      facts = { judgedSteps: steps, rightSteps };
      data = hashOf(documents);
      batches = world.packed(documents, worldModels.indexOf(model));
    } else {
      const mixture = model.mixture as NonNullable<WorldModel['mixture']>;
      data = world.hash(mixture);
      batches = world.batches(mixture, worldModels.indexOf(model));
    }
    const steps = stepsOf(model, share);
    const result = await train(model, student, teacher, {
      steps,
      data: batches,
      learningRate: distill.schedules.wsd({ peak: model.peak, steps, warmup: 0.1, decay: 0.2 }),
      run: { folder: run, saveEvery: 500, keep: 1 },
      ...(signal && { signal }),
      ...(onStep && { onStep: (metrics) => onStep(model, metrics) }),
    });
    const target = join(folder, model.name);
    models.save(student, target, { precision: 'bf16' });
    const measured = model.recipe === 'reward-model' ? facts : await measure(target, made);
    const last = result.metrics.slice(-20).map(({ loss }) => loss);
    const manifest: WorldManifest = {
      name: model.name,
      what: model.what,
      command: `mambalab world --seed ${seed}${share === 1 ? '' : ` --share ${share}`}`,
      commit: commitOfCode(),
      seed,
      recipe: model.recipe,
      from: model.from ?? null,
      parents,
      steps,
      tokens: steps * TOKENS_A_STEP,
      peakLearningRate: model.peak,
      data,
      problems: world.options.problems,
      device: deviceOf(backend.init()),
      seconds: Math.round((performance.now() - began) / 100) / 10,
      loss: [
        Number((result.metrics[0]?.loss ?? Number.NaN).toPrecision(4)),
        Number((last.reduce((sum, x) => sum + x, 0) / last.length).toPrecision(4)),
      ],
      measured,
      sha256: weightsHash(target),
    };
    writeWorldManifest(target, manifest);
    if (!options.keepRuns) {
      rmSync(run, { recursive: true, force: true });
      rmSync(`${run}-judged.json`, { force: true });
    }
    return manifest;
  } finally {
    student.dispose();
    teacher?.dispose();
  }
}

/** Judged solutions, kept on the disk: to sample them takes longer than to train on them. */
async function judged(
  path: string,
  parents: Readonly<Record<string, string>>,
  teacher: models.Llama | undefined,
  { world, options: { seed, signal }, share }: Made,
): Promise<Judged> {
  const problems = Math.max(4, Math.round(JUDGED.problems * share));
  const asked = { ...JUDGED, problems, seed };
  const identity = JSON.stringify({ asked, parents, documents: world.options });
  if (existsSync(path)) {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Judged & { identity: string };
    if (kept.identity === identity) return kept;
  }
  const made = await judgedSolutions(teacher as models.Llama, world, {
    ...asked,
    ...(signal && { signal }),
  });
  mkdirSync(dirname(path), { recursive: true });
  writeAtomic(path, JSON.stringify({ identity, ...made }));
  return made;
}

function startOf(
  { recipe, size, from, name }: WorldModel,
  { world, options }: Made,
  load: (name: string) => models.Model,
): models.Model {
  const { seed } = options;
  if (from === undefined) {
    const seeded = Object.assign(() => undefined, { seed: seed * 10 + Number(size === 'large') });
    return new models.Llama(teacherConfig(size, world.tokenizer), seeded, { ref: tokenizerFolder });
  }
  if (recipe !== 'matrices' && recipe !== 'hybrid') return load(from);
  const teacher = load(from) as models.Llama;
  try {
    const quiet = { seed, log: () => {} };
    const student =
      recipe === 'matrices'
        ? models.convert(teacher, { ...quiet, family: 'llamba' })
        : models.convert(teacher, {
            ...quiet,
            family: 'mamba-in-llama',
            attentionLayers: [...ATTENTION_LAYERS],
          });
    student.ownParameters();
    return student;
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`);
  } finally {
    teacher.dispose();
  }
}

async function train(
  { recipe }: WorldModel,
  student: models.Model,
  teacher: models.Llama | undefined,
  options: distill.TrainingOptions & { readonly run: distill.RunOptions },
): Promise<distill.TrainingResult> {
  switch (recipe) {
    case 'teacher':
    case 'sft':
      return distill.sft(student, options);
    case 'reward-model':
      return distill.trainRewardModel(student as models.Llama, options);
    case 'hybrid': {
      const rounds = await distill.mambaInLlama(
        teacher as models.Llama,
        student as models.MambaInLlama,
        options,
      );
      return rounds[0] as distill.TrainingResult;
    }
    default: {
      const { run, signal, onStep, ...stage } = options;
      const results = await distill.mohawk(teacher as models.Llama, student as models.Llamba, {
        stages: { [recipe]: stage },
        run,
        ...(signal && { signal }),
        ...(onStep && { onStep }),
      });
      return results[recipe] as distill.TrainingResult;
    }
  }
}

async function measure(folder: string, { world, options, share }: Made) {
  const model = models.load(folder);
  try {
    return await measureModel(model, world.tokenizer, {
      seed: options.seed,
      problems: Math.max(4, Math.round(TESTS.problems * share)),
      completions: TESTS.completions,
    });
  } finally {
    model.dispose();
  }
}

function hashOf(documents: readonly distill.TokenDocument[]): string {
  const hash = createHash('sha256');
  for (const { tokens, labels } of documents) {
    hash.update(Int32Array.from(tokens)).update(Int32Array.from(labels));
  }
  return hash.digest('hex');
}

const deviceOf = ({ device, deviceName, threads }: ReturnType<typeof backend.init>): string =>
  device === 'cuda' ? `${deviceName}, float32` : `${threads} threads of a CPU, float32`;
