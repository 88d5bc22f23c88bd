/** What an experiment will take, worked out before anything is sampled. */
import { measureRates } from '../backend/index.js';
import type { MachineRates } from '../backend/limits.js';
import { readManifest } from '../data/index.js';
import { locate } from '../data/manifest.js';
import { presets } from '../distill/index.js';
import { floorOf } from '../generate/floor.js';
import {
  cacheFolder,
  load,
  type ModelConfig,
  plan,
  published,
  resolveModel,
  stepWork,
} from '../models/index.js';
import type { Experiment } from './experiment.js';
import type { Benchmark, ExperimentModel, Role, Scale } from './scales.js';

/** Completions of one model on one benchmark. */
export interface PlannedRun {
  readonly label: string;
  readonly benchmark: string;
  readonly problems: number;
  readonly samples: number;
  /** Tokens drawn where no completion ends before its limit. */
  readonly tokens: number;
  readonly weightBytes: number;
  /** Weights, and the states of a batch at their longest (float32). */
  readonly memoryBytes: number;
  /** Seconds of those tokens where every step takes the longer of the machine's two limits. */
  readonly seconds: number;
}

/** A training that a scale's models come from. */
export interface PlannedTraining {
  readonly label: string;
  readonly stage: string;
  readonly tokens: number;
  /** 6 operations a parameter and token of the student and 2 of its teacher, at the products' rate. */
  readonly seconds: number;
}

/** What {@link planExperiment} found. */
export interface ExperimentPlan {
  /** Whose rates the times are of. */
  readonly machine: string;
  readonly runs: readonly PlannedRun[];
  readonly trainings: readonly PlannedTraining[];
  /** Models and problems that are not there: where each is looked for, and its SHA-256 where it is published. */
  readonly missing: readonly string[];
}

/**
 * One H100: bytes at the rate of a copy, as the floors in data/results/gpu have it; products in bfloat16 at
 * about three fifths of the 989 TFLOP/s that its data sheet names, which is assumed, not measured.
 */
const H100: MachineRates = { bytesPerSecond: 2.5e12, flopsPerSecond: 6e14 };

/** The paper's trainings by the part that they lead to. */
const TRAININGS: readonly (readonly [Role, keyof typeof presets.paper, Role])[] = (
  ['small', 'large'] as const
).flatMap((size) => [
  [`llamba-${size}`, 'matrices', `teacher-${size}`],
  [`llamba-${size}`, 'hiddenStates', `teacher-${size}`],
  [`llamba-${size}`, 'logits', `teacher-${size}`],
  [`hybrid-${size}`, 'mambaInLlama', `teacher-${size}`],
  [`hybrid-sft-${size}`, 'sft', `teacher-${size}`],
]);

/**
 * Plans the runs of models on both benchmarks.
 *
 * @param roles default every model of the scale.
 */
export function planExperiment(
  experiment: Experiment,
  roles: readonly Role[] = experiment.scale.models.map(({ role }) => role),
): ExperimentPlan {
  const { scale } = experiment;
  const isPaper = scale.name === 'paper';
  const rates = isPaper ? H100 : measureRates();
  const missing: string[] = [];
  const runs = experiment.models(roles).flatMap((model) => {
    const shape = shapeOf(model, experiment, missing);
    if (!shape) return [];
    return (Object.keys(scale.benchmarks) as Benchmark[]).map((benchmark) =>
      runOf(model.label, benchmark, scale, shape, rates),
    );
  });
  for (const benchmark of Object.keys(scale.benchmarks) as Benchmark[]) {
    try {
      experiment.task(benchmark);
    } catch (error) {
      missing.push((error as Error).message);
    }
  }
  return {
    machine: isPaper ? 'one H100' : 'this machine',
    runs,
    trainings: isPaper ? trainingsOf(scale, rates) : [],
    missing,
  };
}

interface Shape {
  readonly config: ModelConfig;
  readonly bytes: number;
}

function shapeOf(
  { ref, shape }: ExperimentModel,
  experiment: Experiment,
  missing: string[],
): Shape | undefined {
  let path: string;
  try {
    path = resolveModel(experiment.refOf(ref));
  } catch (error) {
    missing.push(
      shape === undefined
        ? howToGet(ref, error as Error)
        : `${ref}: put its Hugging Face folder at ${cacheFolder()}/models/${ref}`,
    );
    if (shape === undefined) return undefined;
    return { config: published[shape], bytes: plan(shape, { precision: 'bf16' }).bytes };
  }
  const model = load(path);
  const { config, bytes } = model;
  model.dispose();
  return { config, bytes };
}

/** What to do for a model: exactly, where it is one that mambalab fetches. */
function howToGet(ref: string, error: Error): string {
  try {
    for (const { id, files } of readManifest()) {
      if (id === ref) for (const { file } of files) locate(id, file);
    }
    return error.message;
  } catch (exact) {
    return (exact as Error).message;
  }
}

function runOf(
  label: string,
  benchmark: Benchmark,
  scale: Scale,
  { config, bytes }: Shape,
  rates: MachineRates,
): PlannedRun {
  const { problems, samples, maxNewTokens, promptTokens } = scale;
  const batch = Math.min(scale.batchSize, problems * samples);
  const { stateBytes, stateBytesPerToken } = plan(config);
  const longest = promptTokens + maxNewTokens;
  const tokens = problems * samples * maxNewTokens;
  const work = stepWork(config, bytes, batch, promptTokens + maxNewTokens / 2);
  const { arithmeticMs, memoryMs } = floorOf(work, batch, rates);
  return {
    label,
    benchmark: scale.benchmarks[benchmark].label,
    problems,
    samples,
    tokens,
    weightBytes: bytes,
    memoryBytes: bytes + batch * (stateBytes + longest * stateBytesPerToken),
    seconds: ((tokens / batch) * Math.max(arithmeticMs, memoryMs)) / 1e3,
  };
}

function trainingsOf(scale: Scale, { flopsPerSecond }: MachineRates): PlannedTraining[] {
  const modelOf = (role: Role) => scale.models.find((model) => model.role === role);
  const parametersOf = (model: ExperimentModel | undefined) =>
    model?.shape ? plan(model.shape).parameters : 0;
  return TRAININGS.flatMap(([role, stage, teacherRole]) => {
    const student = modelOf(role);
    if (!student) return [];
    const { tokens } = presets.paper[stage];
    const teacher = stage === 'sft' ? 0 : 2 * parametersOf(modelOf(teacherRole));
    const operations = tokens * (6 * parametersOf(student) + teacher);
    return [{ label: student.label, stage, tokens, seconds: operations / flopsPerSecond }];
  });
}
