import { describe, expect, it } from 'vitest';
import { type ModelConfig, type PublishedName, plan, published } from '../../lib/models/index.js';
import { tinyConfig } from './tiny.js';

function shapeOf(name: PublishedName, tensor: string): readonly number[] | undefined {
  return plan(name).tensors.find((t) => t.name === tensor)?.shape;
}

describe('plan', () => {
  // Llama: the models' cards; Llamba and the hybrids: sizes of the published files.
  it.each([
    ['llama-3.2-1b', 1235.8],
    ['llama-3.2-3b', 3212.7],
    ['llama-3.1-8b', 8030.3],
    ['llamba-1b', 1405.2],
    ['llamba-3b', 3657.0],
    ['llamba-8b', 8315.9],
    ['llamba-8b-untied', 8841.2],
    ['mamba-in-llama-1b-math', 1293.0],
    ['mamba-in-llama-3b-math', 3447.9],
  ] as const)('counts the parameters of %s: %d million', (name, millions) => {
    expect(plan(name).parameters / 1e6).toBeCloseTo(millions, 1);
  });

  it('gives the bytes of the published files', () => {
    expect(plan('llamba-3b').bytes / 1e9).toBeCloseTo(14.63, 2);
    expect(plan('mamba-in-llama-3b-math', { precision: 'bf16' }).bytes / 1e9).toBeCloseTo(6.896, 3);
  });

  it('has the shapes of the published tensors', () => {
    const inProj = 'backbone.layers.0.mixer.in_proj.weight';
    expect(shapeOf('llamba-1b', inProj)).toEqual([8224, 2048]);
    expect(shapeOf('llamba-3b', inProj)).toEqual([10272, 3072]);
    expect(shapeOf('llamba-8b', inProj)).toEqual([12320, 4096]);
    expect(shapeOf('llamba-3b', 'backbone.layers.27.mixer.D')).toEqual([32]);
    expect(shapeOf('llamba-3b', 'backbone.layers.3.mixer.conv1d.weight')).toEqual([7168, 1, 4]);
    expect(shapeOf('llamba-8b', 'lm_head.weight')).toBeUndefined();
    expect(shapeOf('llamba-8b-untied', 'lm_head.weight')).toEqual([128256, 4096]);
    const mamba = 'model.layers.0.mamba';
    expect(shapeOf('mamba-in-llama-3b-math', `${mamba}.in_proj.weight`)).toEqual([8384, 3072]);
    expect(shapeOf('mamba-in-llama-3b-math', `${mamba}.A_log`)).toEqual([3072, 16]);
    const mha = 'model.layers.3.mha.in_proj.weight';
    expect(shapeOf('mamba-in-llama-3b-math', mha)).toEqual([5120, 3072]);
    expect(shapeOf('mamba-in-llama-3b', `${mamba}.B_proj.weight`)).toEqual([1024, 3072]);
    expect(shapeOf('mamba-in-llama-3b', 'model.layers.1.self_attn.q_proj.weight')).toEqual([
      3072, 3072,
    ]);
    expect(shapeOf('mamba2-in-llama-3b', `${mamba}.in_proj.weight`)).toEqual([8216, 3072]);
    expect(shapeOf('mamba2-in-llama-3b', `${mamba}.conv1d.weight`)).toEqual([5120, 1, 4]);
  });

  it("splits a sequence's state into what grows and what does not", () => {
    const llama = plan('llama-3.2-1b');
    expect([llama.stateBytes, llama.stateBytesPerToken]).toEqual([0, 4 * 2 * 16 * 512]);
    const llamba = plan('llamba-1b');
    expect(llamba.stateBytesPerToken).toBe(0);
    expect(llamba.stateBytes).toBe(4 * 16 * (2048 * 64 + 3 * (2048 + 2 * 2048)));
    const hybrid = plan('mamba-in-llama-1b-math');
    expect(hybrid.stateBytes).toBe(4 * 12 * (2048 * 16 + 3 * 2048));
    expect(hybrid.stateBytesPerToken).toBe(4 * 2 * 4 * 512);
    // In bfloat16 the convolution's windows stay float32.
    const half = plan('mamba-in-llama-1b-math', { statePrecision: 'bf16' });
    expect(half.stateBytes).toBe(12 * (2 * 2048 * 16 + 4 * 3 * 2048));
    expect(half.stateBytesPerToken).toBe(2 * 2 * 4 * 512);
  });

  it('names every tensor once', () => {
    for (const name of Object.keys(published) as PublishedName[]) {
      const names = plan(name).tensors.map((t) => t.name);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});

describe('bad configurations', () => {
  const llamba = published['llamba-1b'];
  const hybrid = published['mamba-in-llama-1b-math'];
  it.each<[unknown, RegExp]>([
    [
      'llamba-4b',
      /no published model is called 'llamba-4b'; there are smollm2-135m, llama-3\.2-1b/,
    ],
    [{ ...tinyConfig, family: 'mixtral' }, /family must be .* got mixtral/],
    [
      { ...tinyConfig, nKvHeads: 4, headDim: 7 },
      /nKvHeads must be a divisor of nHeads 6, got 4; headDim must be even/,
    ],
    [{ ...tinyConfig, vocabSize: 1.5, nLayers: 0 }, /vocabSize must be an integer.*nLayers/],
    [{ ...llamba, nQkHeads: 5 }, /nQkHeads must be a divisor of nHeads 32, got 5/],
    [{ ...llamba, headDim: 63 }, /multiple of dModel 2048, got 32 \* 63/],
    [{ ...llamba, convWidth: 5 }, /convWidth must be an integer from 2 to 4, got 5/],
    [
      { ...hybrid, attentionLayers: [3, 16] },
      /different layers from 0 to 15 in order, got \[3, 16\]/,
    ],
    [{ ...hybrid, attentionLayers: [7, 3] }, /in order, got \[7, 3\]/],
    [{ ...hybrid, layout: 'x' }, /layout must be/],
    [{ ...hybrid, mixer: { ...hybrid.mixer, stateDim: 24 } }, /divisor of dXb 512, got 24/],
    [{ ...hybrid, mixer: { ...hybrid.mixer, type: 'mamba3' } }, /'mamba' or 'mamba2', got mamba3/],
    [
      { ...hybrid, mixer: { ...published['mamba2-in-llama-3b'].mixer, nHeads: 5 } },
      /mixer\.nHeads must be such that/,
    ],
  ])('refuses %j', (config, message) => {
    expect(() => plan(config as ModelConfig)).toThrow(message);
  });

  it('refuses an unknown precision', () => {
    expect(() => plan('llamba-1b', { precision: 'q4' as never })).toThrow(/one of f32, bf16, f16/);
  });
});
