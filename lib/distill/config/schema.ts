/** The configuration files of `mambalab distill`, `sft` and `train`, as types and as checks. */
import { z } from 'zod';
import { type DatasetName, datasetNames, type TaskName, taskNames } from '../../data/index.js';

const count = z.int().positive();
const share = z.number().nonnegative();

const rate = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), rate: share }),
  z.strictObject({
    kind: z.literal('wsd'),
    peak: share,
    warmup: share,
    decay: share,
    final: share.optional(),
  }),
  z.strictObject({
    kind: z.literal('cosine'),
    peak: share,
    warmup: share.optional(),
    final: share.optional(),
  }),
]);

const optimizer = z.strictObject({
  beta1: z.number().min(0).lt(1).optional(),
  beta2: z.number().min(0).lt(1).optional(),
  epsilon: share.optional(),
  weightDecay: share.optional(),
  maxNorm: share.optional(),
  /** What the model works with; the optimizer keeps float32 numbers either way. */
  weights: z.enum(['float32', 'bfloat16']).optional(),
});

const promptStyle = z.enum(['paper', 'question', 'text']);

/** Problems of a task with their solutions, as conversations. */
const taskSource = z.strictObject({
  task: z.enum(taskNames as [TaskName, ...TaskName[]]),
  /** How many; default all of a published set, 100 of a generated one. */
  problems: count.optional(),
  split: z.enum(['train', 'test']).default('train'),
  /** Of generated problems. */
  seed: z.int().nonnegative().optional(),
  style: promptStyle.default('question'),
});

/** Of every sum of weights documents this many come from the source. */
const weight = z.number().positive().optional();

/** Files: of a published data set, or rows that have `messages`, `prompt` and `answer`, or `text`. */
const fileSource = z.strictObject({
  dataset: z.enum(datasetNames as [DatasetName, ...DatasetName[]]).optional(),
  /** A file, a folder of shards, or a path with `*` in its last part. */
  path: z.string().min(1),
  weight,
});

/** The data set that has a place of its own, in `MAMBALAB_DATA` or the cache. */
const fetchedSource = z.strictObject({ dataset: z.literal('gsm8k'), weight });

const source = z.union([
  z.string().min(1),
  fileSource,
  taskSource.extend({ weight }),
  fetchedSource,
]);

const dataFields = z.strictObject({
  /**
   * Files or folders (.jsonl, .json, .parquet), each row with `messages`, with `prompt` and `answer`, or
   * with `text`; published data sets; or problems of a task.
   */
  sources: z.array(source).nonempty(),
  /** Tokens of a row; documents are packed into it. */
  length: count,
  /** Rows of a step. */
  batch: count,
  seed: z.int().nonnegative().default(0),
  /** Which tokens count: those of the answers, or all. */
  loss: z.enum(['all', 'answer']).default('all'),
  /** Documents longer than a row: left out (default), or cut into rows. */
  long: z.enum(['drop', 'split']).optional(),
  /**
   * Whether documents are read while the training goes on, or before it and kept in memory. Default: a
   * stream where a source has a weight, `shuffle` or `workers` is given, or the files are larger than 64 MB
   * together.
   */
  stream: z.boolean().optional(),
  /** Of a stream: documents among which the next is drawn. */
  shuffle: z.int().nonnegative().optional(),
  /** Of a stream: threads that tokenise. */
  workers: z.int().nonnegative().optional(),
});

const data = dataFields.superRefine(({ stream, shuffle, workers, sources }, context) => {
  if (stream !== false) return;
  const message = 'this belongs to a stream, and stream is false';
  if (shuffle !== undefined) context.addIssue({ code: 'custom', path: ['shuffle'], message });
  if (workers !== undefined) context.addIssue({ code: 'custom', path: ['workers'], message });
  for (const [i, source] of sources.entries()) {
    if (typeof source === 'string' || source.weight === undefined) continue;
    context.addIssue({ code: 'custom', path: ['sources', i, 'weight'], message });
  }
});

const training = {
  steps: count,
  data,
  learningRate: rate,
  optimizer: optimizer.optional(),
  /** Micro-batches that a step's rows are cut into. */
  accumulate: count.optional(),
  /** Computes the insides of blocks again in the backward pass. */
  checkpoint: z.boolean().optional(),
};

const run = z.strictObject({
  folder: z.string().min(1),
  saveEvery: count.optional(),
  keep: count.optional(),
});

const evaluation = z.strictObject({
  every: count,
  /** Perplexity of so many batches of other files. */
  perplexity: z
    .strictObject({ sources: z.array(source).nonempty(), batches: count.default(8) })
    .optional(),
  /** Greedy accuracy on problems of a task. */
  accuracy: z
    .strictObject({
      task: z.enum(taskNames as [TaskName, ...TaskName[]]),
      problems: count.default(50),
      split: z.enum(['train', 'test']).optional(),
      maxNewTokens: count.optional(),
    })
    .optional(),
  /** The measurement whose best model is kept. */
  best: z.enum(['perplexity', 'accuracy']).optional(),
});

const common = { run, evaluation: evaluation.optional() };

const llamba = z.strictObject({
  family: z.literal('llamba'),
  heads: count.optional(),
  stateDim: count.optional(),
  convWidth: z.int().min(2).max(4).optional(),
  seed: z.int().nonnegative().optional(),
});

const hybrid = z.strictObject({
  family: z.literal('mamba-in-llama'),
  attentionLayers: z.array(z.int().nonnegative()),
  mixer: z.enum(['mamba', 'mamba2']).optional(),
  stateDim: count.optional(),
  convWidth: z.int().min(2).max(4).optional(),
  seed: z.int().nonnegative().optional(),
});

const divergence = z.enum(['forward', 'reverse']);

/** The teacher in each step, or a folder that `mambalab cache-logits` wrote. */
const teacherLogits = z.union([z.literal('live'), z.strictObject({ cache: z.string().min(1) })]);

/** A student made of a teacher, or a saved one that is trained on. */
const studentOf = <T extends z.ZodType>(spec: T) => z.union([spec, z.string().min(1)]);

const mohawk = z.strictObject({
  recipe: z.literal('mohawk'),
  teacher: z.string().min(1),
  student: studentOf(llamba),
  ...common,
  stages: z.strictObject({
    matrices: z.strictObject(training).optional(),
    hiddenStates: z
      .strictObject({ ...training, mlp: z.enum(['trained', 'frozen']).optional() })
      .optional(),
    logits: z
      .strictObject({
        ...training,
        divergence: divergence.optional(),
        temperature: z.number().positive().optional(),
        teacherLogits: teacherLogits.optional(),
      })
      .optional(),
  }),
});

const mambaInLlama = z.strictObject({
  recipe: z.literal('mamba-in-llama'),
  teacher: z.string().min(1),
  student: studentOf(hybrid),
  ...common,
  ...training,
  divergence: divergence.optional(),
  temperature: z.number().positive().optional(),
  teacherLogits: teacherLogits.optional(),
  klWeight: share.optional(),
  ceWeight: share.optional(),
  rounds: count.optional(),
});

/** What `mambalab distill` takes. */
export const distillConfig = z.discriminatedUnion('recipe', [mohawk, mambaInLlama]);

/** A model that is trained on text alone. */
const onModel = { model: z.string().min(1), ...common, ...training };

/** What `mambalab sft` takes: students after distillation, and the finetuned teacher. */
export const sftConfig = z.discriminatedUnion('recipe', [
  z.strictObject({ recipe: z.literal('sft'), ...onModel }),
  z.strictObject({ recipe: z.literal('finetune-teacher'), ...onModel }),
]);

const llamaShape = z.strictObject({
  dModel: count,
  nLayers: count,
  nHeads: count,
  nKvHeads: count,
  dMlp: count,
  contextLength: count.default(2048),
  ropeTheta: z.number().positive().default(10000),
  normEps: z.number().positive().default(1e-5),
  tieEmbeddings: z.boolean().default(true),
});

/** What `mambalab train` takes: a Llama from nothing, or a reward model. */
export const trainConfig = z.discriminatedUnion('recipe', [
  z.strictObject({
    recipe: z.literal('llama'),
    /** A folder with the tokenizer, or a model that has it. */
    tokenizer: z.string().min(1),
    model: llamaShape,
    seed: z.int().nonnegative().default(0),
    ...common,
    ...training,
  }),
  z.strictObject({ recipe: z.literal('reward-model'), ...onModel }),
]);

/** A configuration of `mambalab distill`. */
export type DistillConfig = z.input<typeof distillConfig>;
/** A configuration of `mambalab sft`. */
export type SftConfig = z.input<typeof sftConfig>;
/** A configuration of `mambalab train`. */
export type TrainConfig = z.input<typeof trainConfig>;
