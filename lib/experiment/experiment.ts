/** The paper's experiment at a scale: every notebook asks it for completions. */
import { basename, join, resolve } from 'node:path';
import { root } from '#setup/places.mjs';
import { atlasQuestions, loadTask, loadTokenizer, type Task } from '../data/index.js';
import {
  GRADES,
  loadRewardModel,
  type ProblemSamples,
  problemSamples,
  scoreChoices,
} from '../eval/index.js';
import { load, resolveModel } from '../models/index.js';
import type { ResultsByModel } from '../plots/index.js';
import { checkpointFiles, isRun, loadResults } from '../results/index.js';
import { worldModel } from '../world/index.js';
import { hasWhole, sampleRun, scoreSampledRun } from './sample-run.js';
import {
  type Benchmark,
  type ExperimentModel,
  type Role,
  type Scale,
  type ScaleName,
  scaleNames,
  scales,
} from './scales.js';

/** Options of {@link openExperiment}; most have an environment variable. */
export interface ExperimentOptions {
  /** `MAMBALAB_SCALE`; default `mini`. */
  readonly scale?: string;
  /** `MAMBALAB_SEED`: of problems and draws; default 1. */
  readonly seed?: number;
  /** `MAMBALAB_SAMPLES`: completions of each problem; default the scale's. */
  readonly samples?: number;
  /** `MAMBALAB_PROBLEMS`: test problems; default the scale's. */
  readonly problems?: number;
  /** Of the draws; default the scale's. Each temperature has runs of its own. */
  readonly temperature?: number;
  /** `MAMBALAB_RUNS`: where completions are kept; default `out/runs` of the checkout. */
  readonly runs?: string;
}

/** Options of {@link Experiment.results}. */
export interface ResultsOptions {
  /** Whether completions are scored by the scale's reward model too; default false. */
  readonly rewards?: boolean;
}

function wholeOf(
  name: string,
  value: string | number | undefined,
  least: number,
): number | undefined {
  if (value === undefined || value === '') return undefined;
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new RangeError(`${name}: expected an integer from ${least} up, got ${String(value)}`);
}

/**
 * Opens the experiment at a scale.
 *
 * @throws RangeError for an unknown scale or a number that makes no sense.
 */
export function openExperiment(options: ExperimentOptions = {}): Experiment {
  const { env } = process;
  const name = options.scale ?? env.MAMBALAB_SCALE ?? 'mini';
  if (!Object.hasOwn(scales, name)) {
    throw new RangeError(`MAMBALAB_SCALE must be one of ${scaleNames.join(', ')}, got ${name}`);
  }
  const scale = scales[name as ScaleName];
  const seed = wholeOf('MAMBALAB_SEED', options.seed ?? env.MAMBALAB_SEED, 0) ?? 1;
  const samples = wholeOf('MAMBALAB_SAMPLES', options.samples ?? env.MAMBALAB_SAMPLES, 2);
  const problems = wholeOf('MAMBALAB_PROBLEMS', options.problems ?? env.MAMBALAB_PROBLEMS, 2);
  const { temperature } = options;
  if (temperature !== undefined && !(temperature >= 0 && temperature < Infinity)) {
    throw new RangeError(`temperature: expected a number from 0 up, got ${String(temperature)}`);
  }
  const runs = options.runs ?? env.MAMBALAB_RUNS ?? join(root, 'out', 'runs');
  return new Experiment(
    {
      ...scale,
      ...(samples !== undefined && { samples }),
      ...(problems !== undefined && { problems }),
      ...(temperature !== undefined && { temperature }),
    },
    seed,
    resolve(runs),
  );
}

/** Models, benchmarks and completions of a scale. */
export class Experiment {
  private readonly tasks: Partial<Record<Benchmark, Task>> = {};

  constructor(
    readonly scale: Scale,
    readonly seed: number,
    /** The folder of the runs. */
    readonly folder: string,
  ) {}

  /** The models of some parts that this scale has, in the order of the parts. */
  models(roles: readonly Role[]): ExperimentModel[] {
    return roles.flatMap((role) => this.scale.models.filter((model) => model.role === role));
  }

  /** The name of a model in figures; undefined where the scale has none of this part. */
  label(role: Role): string | undefined {
    return this.models([role])[0]?.label;
  }

  /** What a figure's caption says of how its completions came about. */
  get caption(): string {
    const { name, problems, samples, temperature } = this.scale;
    return `Scale ${name}: ${problems} problems, ${samples} completions each, temperature ${temperature}, seed ${this.seed}`;
  }

  /**
   * The graded completions of models on a benchmark, by their names in figures. What is not there is
   * sampled now; what was stopped goes on.
   *
   * @throws RangeError where the scale has none of the parts; Error naming every model that is missing
   *   and where to put it.
   */
  async results(
    benchmark: Benchmark,
    roles: readonly Role[],
    { rewards = false }: ResultsOptions = {},
  ): Promise<ResultsByModel> {
    const chosen = this.models(roles);
    if (chosen.length === 0) {
      const known = this.scale.models.map(({ role }) => role).join(', ');
      throw new RangeError(
        `the scale ${this.scale.name} has no ${roles.join(', ')}; it has ${known}`,
      );
    }
    this.requireModels(chosen);
    const task = this.task(benchmark);
    const paths: Record<string, string> = {};
    for (const { label, ref, role } of chosen) {
      const path = join(this.folder, await this.runName(role, ref, task));
      paths[label] = path;
      if (!(isRun(path) && hasWhole(path, 'grades', GRADES))) {
        await sampleRun({
          path,
          label,
          ref: this.refOf(ref),
          task,
          seed: this.seed,
          scale: this.scale,
        });
      }
    }
    if (rewards) await this.score(paths);
    return Object.fromEntries(
      Object.entries(paths).map(([label, path]) => [label, loadResults(path)]),
    );
  }

  /** The completions by problem, as the measures read them. */
  async problems(
    benchmark: Benchmark,
    role: Role,
    options: ResultsOptions = {},
  ): Promise<ProblemSamples[]> {
    const [table] = Object.values(await this.results(benchmark, [role], options));
    return problemSamples(table as NonNullable<typeof table>);
  }

  /**
   * Whether a model is right on each question of general knowledge: at the scale `mini` the atlas, whose
   * test questions no training text asks.
   *
   * @throws Error at other scales, whose questions are read with `data.loadChoices`.
   */
  async general(role: Role): Promise<number[]> {
    if (this.scale.name !== 'mini') {
      throw new Error(
        `general knowledge at the scale ${this.scale.name} is MMLU and ARC-Challenge: ` +
          'read them with data.loadChoices and ask with eval.scoreChoices',
      );
    }
    const chosen = this.models([role]);
    this.requireModels(chosen);
    const path = this.refOf((chosen[0] as ExperimentModel).ref);
    const model = load(path);
    try {
      const questions = atlasQuestions('test', this.seed);
      const { questions: scored } = await scoreChoices(model, loadTokenizer(path), questions, {
        task: 'arc-challenge',
      });
      return scored.map(({ correct }) => Number(correct));
    } finally {
      model.dispose();
    }
  }

  /** The test problems of a benchmark. */
  task(benchmark: Benchmark): Task {
    const { name, problems, benchmarks } = this.scale;
    const which = name === 'mini' ? { seed: 10_000 + this.seed } : { shuffle: this.seed };
    this.tasks[benchmark] ??= loadTask(benchmarks[benchmark].task, { problems, ...which });
    return this.tasks[benchmark];
  }

  /** What `models.load` takes for a model of the scale. */
  refOf(ref: string): string {
    return this.scale.name === 'mini' ? worldModel(ref) : ref;
  }

  private requireModels(chosen: readonly ExperimentModel[]): void {
    const missing = chosen.flatMap(({ ref }) => {
      try {
        resolveModel(this.refOf(ref));
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    });
    if (missing.length > 0) {
      throw new Error(
        `models of the scale ${this.scale.name} are missing:\n  ${missing.join('\n  ')}`,
      );
    }
  }

  private async runName(role: Role, ref: string, task: Task): Promise<string> {
    const files = await checkpointFiles(this.refOf(ref));
    const weights = files.find(({ file }) => /\.(safetensors|gguf)$/.test(file));
    const { problems, samples, temperature } = this.scale;
    const settings = `${task.name}-${problems}x${samples}-t${temperature}-seed${this.seed}`;
    return join(this.scale.name, `${role}-${weights?.sha256.slice(0, 8)}-${settings}`);
  }

  private async score(paths: Readonly<Record<string, string>>): Promise<void> {
    const { rewardModel } = this.scale;
    if (rewardModel === undefined) return;
    const name = basename(rewardModel);
    const left = Object.entries(paths).filter(([, path]) => !hasWhole(path, 'scores', name));
    if (left.length === 0) return;
    const judge = loadRewardModel(this.refOf(rewardModel), { batchSize: 32 });
    try {
      for (const [label, path] of left) await scoreSampledRun(path, label, judge, name);
    } finally {
      judge.dispose();
    }
  }
}
