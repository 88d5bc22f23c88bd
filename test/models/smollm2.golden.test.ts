import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as models from '../../lib/models/index.js';

// Written by test/goldens/smollm2.py: transformers in float32 on the same dequantised weights.
interface Summary {
  readonly top: readonly (readonly [number, number])[];
  readonly strided: readonly number[];
  readonly max: number;
  readonly mean: number;
  readonly logSumExp: number;
}
interface LogitsGolden {
  readonly stride: number;
  readonly prompts: readonly { tokens: number[]; first: Summary; last: Summary }[];
}
interface GreedyGolden {
  readonly prompts: readonly {
    question: string;
    prompt: number[];
    tokens: number[];
    margins: number[];
  }[];
}

function golden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../goldens/${name}`, import.meta.url), 'utf8')) as T;
}

const { stride, prompts } = golden<LogitsGolden>('smollm2-logits.json');
const greedy = golden<GreedyGolden>('smollm2-greedy.json').prompts;
const tolerance = 2e-3;

describe("SmolLM2 against Python's transformers in float32", () => {
  let model: ReturnType<typeof models.load>;
  beforeAll(() => {
    model = models.load('smollm2-135m-instruct');
  });
  afterAll(() => model?.dispose());

  /** Logits of every position, as plain numbers: [length, vocab]. */
  async function logitsOf(tokens: readonly number[]): Promise<Float32Array> {
    const input = tf.tensor2d([...tokens], [1, tokens.length], 'int32');
    const logits = model.forward(input);
    expect(logits.shape).toEqual([1, tokens.length, model.config.vocabSize]);
    const values = (await logits.data()) as Float32Array;
    tf.dispose([input, logits]);
    return values;
  }

  /** The largest distance between a row of logits and what is known of the golden one. */
  function distance(row: Float32Array, summary: Summary): number {
    let max = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (const value of row) {
      max = Math.max(max, value);
      sum += value;
    }
    let exponentials = 0;
    for (const value of row) exponentials += Math.exp(value - max);
    const distances = [
      ...summary.top.map(([id, value]) => Math.abs((row[id] as number) - value)),
      ...summary.strided.map((value, i) => Math.abs((row[i * stride] as number) - value)),
      Math.abs(max - summary.max),
      Math.abs(sum / row.length - summary.mean),
      Math.abs(max + Math.log(exponentials) - summary.logSumExp),
    ];
    return distances.reduce((a, b) => (Number.isNaN(a) || a > b ? a : b));
  }

  it('has 12 prompts of 1 to 700 tokens to compare', () => {
    const lengths = prompts.map(({ tokens }) => tokens.length);
    expect(lengths).toEqual([1, 2, 7, 16, 31, 64, 127, 200, 256, 384, 512, 700]);
  });

  it.each(
    prompts.map(({ tokens, first, last }) => ({ length: tokens.length, tokens, first, last })),
  )(
    'has the same logits at both ends of a prompt of $length tokens',
    async ({ tokens, first, last }) => {
      const logits = await logitsOf(tokens);
      const width = model.config.vocabSize;
      expect(distance(logits.subarray(0, width), first)).toBeLessThan(tolerance);
      expect(distance(logits.subarray(logits.length - width), last)).toBeLessThan(tolerance);
    },
  );

  it('continues 12 prompts greedily with the same 24 tokens, near ties aside', async () => {
    let same = 0;
    for (const { question, prompt, tokens, margins } of greedy) {
      const logits = await logitsOf([...prompt, ...tokens.slice(0, -1)]);
      const width = model.config.vocabSize;
      const found = tokens.map((_, i) => {
        const at = (prompt.length - 1 + i) * width;
        return largest(logits.subarray(at, at + width));
      });
      const differs = found.findIndex((token, i) => token !== tokens[i]);
      if (differs < 0) same++;
      // Two logits this close may change places within the tolerance.
      else expect(margins[differs], question).toBeLessThan(2 * tolerance);
    }
    expect(same).toBeGreaterThanOrEqual(6);
  });
});

function largest(row: Float32Array): number {
  let best = 0;
  for (const [i, value] of row.entries()) if (value > (row[best] as number)) best = i;
  return best;
}
