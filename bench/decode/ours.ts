/** This project's own sampling, as the contender of the peers. */
import { memory } from '../../lib/backend/index.js';
import { sample } from '../../lib/generate/index.js';
import type { Llama } from '../../lib/models/index.js';
import { type Contender, type Sampled, TEMPERATURE, type Work } from './contender.js';

/** The same model, but no token ends a text, so that every row draws all its tokens. */
export function withoutEnd(model: Llama): Llama {
  return Object.create(model, {
    config: { value: { ...model.config, eosIds: [] }, enumerable: true },
  });
}

/** Times `generate.sample` in this process. */
export class Ours implements Contender {
  readonly name = 'mambalab';
  private readonly model: Llama;

  constructor(model: Llama) {
    this.model = withoutEnd(model);
  }

  async sample({ prompt, batch, newTokens }: Work): Promise<Sampled> {
    const { busySeconds } = memory();
    const start = performance.now();
    const completions = await sample(this.model, [prompt], {
      n: batch,
      batchSize: batch,
      maxNewTokens: newTokens,
      temperature: TEMPERATURE,
    }).all();
    const seconds = (performance.now() - start) / 1000;
    const short = completions.find((c) => c.tokens.length !== newTokens);
    if (short) throw new Error(`a row ended after ${short.tokens.length} of ${newTokens} tokens`);
    return { seconds, busySeconds: memory().busySeconds - busySeconds };
  }
}
