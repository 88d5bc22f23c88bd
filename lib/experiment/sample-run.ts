/** One run of the experiment: completions of a benchmark, graded and scored. */
import { basename } from 'node:path';
import type { Task } from '../data/index.js';
import { loadTokenizer, promptFor } from '../data/index.js';
import { gradeRun, type RewardModel, scoreRun } from '../eval/index.js';
import { sample } from '../generate/index.js';
import { load } from '../models/index.js';
import { progress } from '../plots/index.js';
import {
  type ColumnKind,
  checkpointFiles,
  columnNames,
  Run,
  RunStore,
  readColumn,
} from '../results/index.js';
import { requireQuiet } from './sampling.js';
import type { Scale } from './scales.js';

/** What {@link sampleRun} samples. */
export interface SampledRun {
  /** The folder; a run that was stopped in it goes on. */
  readonly path: string;
  readonly label: string;
  /** For `models.load`. */
  readonly ref: string;
  readonly task: Task;
  readonly seed: number;
  readonly scale: Scale;
}

/**
 * Samples what is missing of a run and grades it.
 *
 * @throws Error where `MAMBALAB_SAMPLING` is `refuse`.
 */
export async function sampleRun(asked: SampledRun): Promise<void> {
  const { path, label, ref, task, seed, scale } = asked;
  requireQuiet(`${label}, ${task.name}`);
  const { samples: n } = scale;
  const tokenizer = loadTokenizer(ref);
  const problems = task.problems.map((problem) => {
    const { id, question, answer, level, subject } = problem;
    const prompt = promptFor(tokenizer, problem, { style: scale.style, answers: task.answers });
    const more = {
      ...(level !== undefined && { level }),
      ...(subject !== undefined && { subject }),
    };
    return { id, question, answer, ...more, prompt };
  });
  const model = load(ref);
  try {
    const { temperature, maxNewTokens, batchSize, style } = scale;
    const settings = { n, seed, temperature, maxNewTokens, batchSize };
    const prompts = problems.map(({ prompt }) => prompt);
    const store = new RunStore(path, {
      name: label,
      seed,
      model: {
        ref: basename(ref),
        family: 'family' in model.config ? model.config.family : 'llama',
        bytes: model.bytes,
        files: await checkpointFiles(ref),
      },
      task,
      problems,
      prompts: { style, shots: 0 },
      batchSize,
    });
    const samples = sample(model, prompts, { ...settings, resume: store });
    const bar = progress(prompts.length * n, {
      label: `${label}, ${task.name}`,
      unit: 'completions',
    });
    try {
      for await (const _ of samples) bar.advance();
    } finally {
      bar.done();
    }
  } finally {
    model.dispose();
  }
  await gradeRun(new Run(path));
}

/** Scores a run's completions with a reward model, where that was not done. */
export async function scoreSampledRun(
  path: string,
  label: string,
  model: RewardModel,
  name: string,
): Promise<void> {
  requireQuiet(`${label}, rewards`);
  const run = new Run(path);
  const bar = progress(run.total, { label: `${label}, rewards`, unit: 'completions' });
  try {
    await scoreRun(run, model, name, { onProgress: () => bar.advance() });
  } finally {
    bar.done();
  }
}

/** Whether a run has its column of grades or scores for all of its completions. */
export function hasWhole(path: string, kind: ColumnKind, name: string): boolean {
  const run = new Run(path);
  if (!columnNames(run, kind).includes(name)) return false;
  let rows = 0;
  for (const _ of readColumn(run, kind, name)) rows++;
  return rows === run.total;
}
