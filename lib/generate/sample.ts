/** Sampling completions of prompts. */
import { loadTokenizer, type Tokenizer } from '../data/index.js';
import type { CausalModel } from '../models/index.js';
import { type BatchPlan, planBatch, rangeOf } from './batch-plan.js';
import type { Completion, TokenEvent } from './completion.js';
import { type GenerateOptions, settingsOf } from './options.js';
import { promptTokens } from './prompts.js';
import { type CompletionStore, identityOf, RunFile } from './run-file.js';
import type { RunStats } from './run-stats.js';
import { Sampler } from './sampler.js';

const tokenizers = new WeakMap<CausalModel, Tokenizer>();

function tokenizerOf(model: CausalModel): Tokenizer {
  let tokenizer = tokenizers.get(model);
  if (!tokenizer) {
    if (!model.ref) {
      throw new Error(
        'sample: this model was not loaded from a checkpoint; give prompts as token ids',
      );
    }
    tokenizer = loadTokenizer(model.ref);
    tokenizers.set(model, tokenizer);
  }
  return tokenizer;
}

/** Completions as they finish; iterate it once, or take `all()`. */
export interface Samples extends AsyncIterable<Completion> {
  /** Every completion, ordered by prompt and sample. */
  all(): Promise<Completion[]>;
  /** The batch that was chosen and the memory that it takes. */
  readonly plan: BatchPlan;
  /** What the run took so far; of completions that were read from a file it says nothing. */
  stats(): RunStats | undefined;
}

/**
 * Samples `n` completions of every prompt, batched continuously. Work happens as the result is
 * iterated, and completions come in the order in which they finish.
 *
 * The draw of a token depends on the seed, the prompt's index, the sample's index and the position
 * only, and the arithmetic of a row not on its neighbours: the same seed gives the same completions
 * whatever the batch size.
 *
 * @param prompts texts, encoded as they are (a rendered chat template has its special tokens
 *   already), or token ids.
 * @throws RangeError or Error naming the option or prompt that is wrong, before anything is computed.
 */
export function sample(
  model: CausalModel,
  prompts: readonly (string | readonly number[])[],
  options: GenerateOptions = {},
): Samples {
  const settings = settingsOf(options);
  const ids = promptTokens(model, prompts, () => tokenizerOf(model));
  const tokenizer = model.ref ? tokenizerOf(model) : undefined;
  if (settings.stop.length > 0 && !tokenizer) tokenizerOf(model);
  const plan = planBatch(model, ids, settings);
  let sampler: Sampler | undefined;
  const run = async function* (
    finished: ReadonlySet<number> = new Set(),
    store?: CompletionStore,
  ): AsyncGenerator<Completion, void, undefined> {
    sampler = new Sampler(model, ids, settings, tokenizer, false, plan, finished);
    for await (const e of sampler.events()) {
      if (e.type === 'completion') yield e.completion;
      if (e.type === 'shrink') store?.shrunk?.(e.shrink);
    }
  };
  const resumed = async function* (
    store: CompletionStore,
  ): AsyncGenerator<Completion, void, undefined> {
    const { n } = settings;
    const finished = new Set<number>();
    const identity = identityOf(model, ids, settings);
    try {
      for (const completion of store.open({ identity, ...rangeOf(ids, settings), n })) {
        finished.add(completion.prompt * n + completion.sample);
        yield completion;
      }
      for await (const completion of run(finished, store)) {
        store.append(completion);
        yield completion;
      }
    } finally {
      store.close();
    }
  };
  const { resume } = settings;
  const iterate = () => {
    if (resume === undefined) return run();
    return resumed(typeof resume === 'string' ? new RunFile(resume) : resume);
  };
  return {
    [Symbol.asyncIterator]: iterate,
    async all() {
      const completions: Completion[] = [];
      for await (const c of iterate()) completions.push(c);
      return completions.sort((a, b) => a.prompt - b.prompt || a.sample - b.sample);
    },
    plan,
    stats: () => sampler?.stats(),
  };
}

/**
 * Streams one completion token by token. Options as for {@link sample}, without `n`, `batchSize`,
 * `memory`, `range` and `resume`.
 */
export async function* stream(
  model: CausalModel,
  prompt: string | readonly number[],
  options: Omit<GenerateOptions, 'n' | 'batchSize' | 'memory' | 'range' | 'resume'> = {},
): AsyncGenerator<TokenEvent, void, undefined> {
  const settings = settingsOf({ ...options, n: 1, batchSize: 1 });
  const ids = promptTokens(model, [prompt], () => tokenizerOf(model));
  const sampler = new Sampler(model, ids, settings, tokenizerOf(model), true);
  for await (const e of sampler.events()) if (e.type === 'token') yield e.event;
}
