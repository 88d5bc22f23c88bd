import { describe, expect, it } from 'vitest';
import { atlasQuestions, loadTokenizer, miniProblems } from '../../lib/data/index.js';
import { tokenizerFolder, WorldDocuments, worldModels } from '../../lib/world/index.js';

const tokenizer = loadTokenizer(tokenizerFolder);
const make = (seed: number) => new WorldDocuments(tokenizer, { seed, problems: 20 });

describe('documents of the mini world', () => {
  it('are the same for a seed, and others for another', () => {
    const [a, b, c] = [make(1), make(1), make(2)];
    for (const mixture of ['pretraining', 'texts', 'solved', 'answers', 'general'] as const) {
      expect(a.hash(mixture)).toBe(b.hash(mixture));
      expect(a.hash(mixture)).not.toBe(c.hash(mixture));
    }
  });

  it('have problems of both families and all levels, and none of the tests', () => {
    const { problems } = make(3);
    expect(problems).toHaveLength(2 * 5 * 20);
    expect(new Set(problems.map(({ family, level }) => `${family} ${level}`)).size).toBe(10);
    const tested = new Set(
      (['stories', 'algebra'] as const).flatMap((family) =>
        miniProblems({ family, split: 'test', seed: 3, count: 200 }).map((p) => p.question),
      ),
    );
    expect(problems.filter(({ question }) => tested.has(question))).toEqual([]);
  });

  it('count the answers alone, where asked to', async () => {
    const world = make(1);
    const counted = async (mixture: 'solved' | 'answers') =>
      (await world.batches(mixture, 0).next()).mask.filter((m) => m !== 0).length;
    const [all, answers] = [await counted('solved'), await counted('answers')];
    expect(answers).toBeGreaterThan(0);
    expect(answers).toBeLessThan(all);
  });

  it('ask no test question about the atlas', async () => {
    const batch = await make(1).batches('general', 0).next();
    const text = tokenizer.decode(Array.from(batch.tokens));
    for (const { question, choices, answer } of atlasQuestions('test', 1)) {
      expect(text).not.toContain(`${question}\nAnswer: ${choices[answer]}`);
    }
  });

  it('are packed into rows of 256 tokens, documents apart', async () => {
    const { tokens, resets, batch, length } = await make(1).batches('texts', 0).next();
    expect([batch, length, tokens.length]).toEqual([16, 256, 4096]);
    for (let row = 0; row < batch; row++) expect(resets[row * length]).toBe(1);
  });
});

describe('models of the mini world', () => {
  it('come after those that they are made of', () => {
    const seen = new Set<string>();
    for (const { name, from, teacher } of worldModels) {
      for (const parent of [from, teacher]) {
        if (parent !== undefined) expect(seen).toContain(parent);
      }
      expect(seen).not.toContain(name);
      seen.add(name);
    }
  });
});
