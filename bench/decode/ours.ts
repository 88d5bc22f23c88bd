/** This project's own sampling, as the contender of the peers. */
import { memory } from '../../lib/backend/index.js';
import { sample } from '../../lib/generate/index.js';
import { type GenerateOptions, settingsOf } from '../../lib/generate/options.js';
import { Sampler } from '../../lib/generate/sampler.js';
import type { StatePrecision } from '../../lib/layers/index.js';
import { type Activations, Llama, type Model } from '../../lib/models/index.js';
import { type Contender, type Sampled, type Span, TEMPERATURE, type Work } from './contender.js';

/** The same model, but no token ends a text, so that every row draws all its tokens. */
export function withoutEnd<M extends Model>(model: M): M {
  return Object.create(model, {
    config: { value: { ...model.config, eosIds: [] }, enumerable: true },
  });
}

interface Instant {
  at: number;
  busy: number;
}

const now = (): Instant => ({ at: performance.now() / 1000, busy: memory().busySeconds });
const between = (from: Instant, to: Instant): Span => ({
  seconds: to.at - from.at,
  busySeconds: to.busy - from.busy,
});

/** Times `generate.sample` in this process. */
export class Ours implements Contender {
  readonly name: string;
  readonly model: Llama;

  constructor(
    model: Model,
    readonly activations: Activations,
    private readonly statePrecision: StatePrecision,
  ) {
    if (!(model instanceof Llama)) throw new Error('bench decode measures Llamas only');
    this.name = `mambalab ${activations}`;
    this.model = withoutEnd(model);
  }

  async sample(work: Work): Promise<Sampled> {
    return { whole: await this.whole(work), steps: await this.steps(work) };
  }

  private options({ batch, newTokens }: Work): GenerateOptions {
    const { statePrecision } = this;
    const rows = { n: batch, batchSize: batch, maxNewTokens: newTokens };
    return { ...rows, temperature: TEMPERATURE, statePrecision };
  }

  private async whole(work: Work): Promise<Span> {
    const start = now();
    const completions = await sample(this.model, [work.prompt], this.options(work)).all();
    const span = between(start, now());
    const short = completions.find((c) => c.tokens.length !== work.newTokens);
    if (short) {
      throw new Error(`a row ended after ${short.tokens.length} of ${work.newTokens} tokens`);
    }
    return span;
  }

  /**
   * The steps alone, seen from inside a sampling: what it does once (caches, the prompt and its copies,
   * tracing) depends on how much is sampled, so the difference of two samplings would count some of it.
   */
  private async steps(work: Work): Promise<Span> {
    const settings = settingsOf(this.options(work));
    const sampler = new Sampler(this.model, [work.prompt], settings, undefined, true);
    const instants: Instant[] = [];
    // Tokens come once all rows of their step have been looked at, so row 0's is the step's end.
    for await (const event of sampler.events()) {
      if (event.type === 'token' && event.sample === 0) instants.push(now());
    }
    const [, first] = instants;
    const last = instants.at(-1);
    if (!first || !last || instants.length !== work.newTokens) {
      throw new Error(`row 0 drew ${instants.length} of ${work.newTokens} tokens`);
    }
    return between(first, last);
  }
}
