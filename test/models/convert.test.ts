import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { sample } from '../../lib/generate/index.js';
import * as models from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { tinyConfig, tokensOf } from './tiny.js';

// Heads of 16, so that Mamba-1's state of 16 divides the keys' width.
const teacherConfig: models.LlamaConfig = {
  ...tinyConfig,
  dModel: 96,
  nHeads: 6,
  nKvHeads: 2,
  headDim: 16,
  nLayers: 4,
  eosIds: [3],
};
let teacher: models.Llama;
const log = () => {};

beforeAll(() => {
  backend.init({ threads: 2 });
  teacher = new models.Llama(teacherConfig);
});
afterAll(() => teacher.dispose());

const specs: [string, models.LlambaSpec | models.MambaInLlamaSpec][] = [
  ['a Llamba', { family: 'llamba', log }],
  ['a Llamba of other heads', { family: 'llamba', heads: 4, stateDim: 10, log }],
  ['a hybrid of Mamba-1', { family: 'mamba-in-llama', attentionLayers: [3, 1], log }],
  ['a hybrid without attention', { family: 'mamba-in-llama', attentionLayers: [], log }],
  ['a hybrid of Mamba-2', { family: 'mamba-in-llama', attentionLayers: [0], mixer: 'mamba2', log }],
];

function convert(spec: models.LlambaSpec | models.MambaInLlamaSpec): models.Model {
  return models.convert(teacher, spec as never);
}

/** A parameter as rows. */
function rows(model: models.Model, path: string): number[][] {
  return (model.parameters().get(path) as tf.Tensor2D).arraySync();
}

/** The rows of the teacher's key-value heads, each as often as query heads share it. */
function expanded(path: string): number[][] {
  const all = rows(teacher, path);
  const { nHeads, nKvHeads, headDim } = teacherConfig;
  return Array.from({ length: nHeads }, (_, head) => {
    const from = Math.floor((head * nKvHeads) / nHeads) * headDim;
    return all.slice(from, from + headDim);
  }).flat();
}

describe.each(specs)('%s', (_, spec) => {
  let student: models.Model;
  beforeAll(() => {
    student = convert(spec);
  });
  afterAll(() => student.dispose());

  it('has the parameters of its plan, all finite', () => {
    const planned = models.plan(student.config);
    const parameters = student.parameters();
    const count = [...parameters.values()].reduce((sum, t) => sum + t.size, 0);
    expect(count).toBe(planned.parameters);
    expect(student.bytes).toBe(planned.bytes);
    for (const [path, t] of parameters) {
      expect(t.dataSync().every(Number.isFinite), path).toBe(true);
    }
  });

  it('has the state of its plan', () => {
    const { stateBytes, stateBytesPerToken } = models.plan(student.config);
    const state = student.newState(3, 20);
    expect(state.bytes).toBe(3 * (stateBytes + 20 * stateBytesPerToken));
    state.dispose();
  });

  it('runs, samples, saves and loads', async () => {
    const prompt = tokensOf(1, 7);
    const input = tf.tensor2d(prompt, [1, 7], 'int32');
    const logits = tf.tidy(() => student.forward(input).dataSync());
    expect(logits.every(Number.isFinite)).toBe(true);
    const options = { n: 3, maxNewTokens: 5, seed: 1 };
    const completions = await sample(student, [prompt], options).all();
    expect(completions).toHaveLength(3);
    const folder = folderWith();
    models.save(student, folder);
    const again = models.load(folder);
    expect(again.config).toEqual(student.config);
    expect(tf.tidy(() => again.forward(input).dataSync())).toEqual(logits);
    again.dispose();
    input.dispose();
  });

  it('is the same with the same seed, and another with another', () => {
    const one = convert(spec);
    const two = convert({ ...spec, seed: 5 });
    const fresh = [...student.parameters()].filter(([path]) => path.endsWith('.z'));
    expect(fresh.length).toBeGreaterThan(0);
    for (const [path, t] of student.parameters()) {
      expect((one.parameters().get(path) as tf.Tensor).dataSync(), path).toEqual(t.dataSync());
    }
    for (const [path, t] of fresh) {
      expect((two.parameters().get(path) as tf.Tensor).dataSync(), path).not.toEqual(t.dataSync());
    }
    one.dispose();
    two.dispose();
  });

  it('copies embedding, norms and MLPs', () => {
    for (const [path, t] of teacher.parameters()) {
      if (path.includes('.attention.')) continue;
      const same = student.parameters().get(path) ?? student.parameters().get(mixerNorm(path));
      expect((same as tf.Tensor).dataSync(), path).toEqual(t.dataSync());
    }
  });

  const mixerNorm = (path: string) => path.replace('attentionNorm', 'mixerNorm');
});

describe('what mixers start from', () => {
  it('a Llamba has v, k and q of all heads', () => {
    const student = models.convert(teacher, { family: 'llamba', log });
    for (const i of [0, 3]) {
      const attention = (p: string) => `layers.${i}.attention.${p}`;
      expect(rows(student, `layers.${i}.mixer.xBC`)).toEqual([
        ...expanded(attention('v')),
        ...expanded(attention('k')),
        ...rows(teacher, attention('q')),
      ]);
      expect(rows(student, `layers.${i}.mixer.out`)).toEqual(rows(teacher, attention('o')));
    }
    student.dispose();
  });

  it('a Llamba of other heads keeps v and o, and draws B and C', () => {
    const student = models.convert(teacher, { family: 'llamba', heads: 4, stateDim: 10, log });
    const xBC = rows(student, 'layers.0.mixer.xBC');
    expect(xBC.slice(0, 96)).toEqual(expanded('layers.0.attention.v'));
    expect(xBC).toHaveLength(96 + 2 * 40);
    const drawn = xBC.slice(96).flat();
    expect(Math.max(...drawn.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(96));
    expect(new Set(drawn).size).toBeGreaterThan(drawn.length / 2);
    student.dispose();
  });

  it('a hybrid has v, k, q and o as they are, and its attention layers whole', () => {
    const student = models.convert(teacher, {
      family: 'mamba-in-llama',
      attentionLayers: [1],
      log,
    });
    const pairs = { x: 'v', B: 'k', C: 'q', out: 'o' };
    for (const [to, from] of Object.entries(pairs)) {
      expect(rows(student, `layers.2.mixer.${to}`)).toEqual(
        rows(teacher, `layers.2.attention.${from}`),
      );
    }
    for (const p of ['q', 'k', 'v', 'o']) {
      expect(rows(student, `layers.1.attention.${p}`)).toEqual(
        rows(teacher, `layers.1.attention.${p}`),
      );
    }
    student.dispose();
  });

  it("takes a GGUF's rows in Hugging Face's order", () => {
    const gguf = new models.Llama(teacherConfig, undefined, { interleavedRope: true });
    const student = models.convert(gguf, {
      family: 'mamba-in-llama',
      attentionLayers: [0, 1, 2, 3],
      log,
    });
    const input = tf.tensor2d(tokensOf(2, 20), [1, 20], 'int32');
    const [want, got] = [gguf, student].map((m) => tf.tidy(() => m.forward(input).dataSync()));
    want?.forEach((x, i) => {
      expect(got?.[i]).toBeCloseTo(x, 4);
    });
    tf.dispose(input);
    gguf.dispose();
    student.dispose();
  });

  it('new parameters start as the recipes say', () => {
    const student = models.convert(teacher, {
      family: 'mamba-in-llama',
      attentionLayers: [0],
      log,
    });
    const values = (part: string) => [
      ...(student.parameters().get(`layers.1.mixer.${part}`) as tf.Tensor).dataSync(),
    ];
    const within = (part: string, bound: number) => {
      const sizes = values(part).map(Math.abs);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(bound);
      expect(Math.max(...sizes)).toBeGreaterThan(bound / 2);
    };
    within('z', 1 / Math.sqrt(96));
    within('dtDown', 1 / Math.sqrt(96));
    within('dtUp', 1 / Math.sqrt(6));
    within('convWeight', 0.5);
    within('convBias', 0.5);
    expect(new Set(values('D'))).toEqual(new Set([1]));
    const steps = values('dtBias').map((x) => Math.log1p(Math.exp(x)));
    expect(Math.min(...steps)).toBeGreaterThan(0.9e-3);
    expect(Math.max(...steps)).toBeLessThan(1.1e-1);
    expect(Math.max(...steps) / Math.min(...steps)).toBeGreaterThan(10);
    values('ALog').forEach((x, i) => {
      expect(x).toBeCloseTo(Math.log((i % 16) + 1), 5);
    });
    student.dispose();
    const second = models.convert(teacher, {
      family: 'mamba-in-llama',
      attentionLayers: [0],
      mixer: 'mamba2',
      log,
    });
    const rates = [...(second.parameters().get('layers.1.mixer.ALog') as tf.Tensor).dataSync()];
    for (const x of rates) {
      expect(Math.exp(x)).toBeGreaterThanOrEqual(0.999);
      expect(Math.exp(x)).toBeLessThan(16.001);
    }
    second.dispose();
  });

  it('says what it copied, expanded and made', () => {
    const lines: string[] = [];
    const student = models.convert(teacher, { family: 'llamba', log: (line) => lines.push(line) });
    expect(lines[0]).toMatch(
      /^llamba of a Llama: \d+\.\d+ M, 4 layers of 6 heads of 16, state 16$/,
    );
    expect(lines[1]).toMatch(/^copied: .*embedding.*norms.*C from q.*out from o.*MLPs/);
    expect(lines[2]).toMatch(/^expanded: .*x from v, 2 heads to 6 .*B from k, 2 heads to 6/);
    expect(lines[3]).toMatch(/^new: .*z .*a .*zBias .*convWeight .*D /);
    student.dispose();
  });
});

describe('bad specs', () => {
  it.each<[object, RegExp]>([
    [{ family: 'mixtral' }, /family must be 'llamba' or 'mamba-in-llama', got 'mixtral'/],
    [
      { family: 'llamba', attentionLayers: [1] },
      /'attentionLayers' is no option of llamba: a Llamba has no attention/,
    ],
    [{ family: 'llamba', heads: 5 }, /heads must divide the inner width 96, got 5/],
    [
      { family: 'llamba', stateDim: 0, convWidth: 9 },
      /convWidth must be .* got 9; stateDim must be/,
    ],
    [{ family: 'mamba-in-llama' }, /attentionLayers must list the layers .* got undefined/],
    [
      { family: 'mamba-in-llama', attentionLayers: [1, 4, -1] },
      /from 0 to 3, as the teacher has 4 layers, got 4, -1/,
    ],
    [{ family: 'mamba-in-llama', attentionLayers: [1, 1] }, /has 1 more than once/],
    [
      { family: 'mamba-in-llama', attentionLayers: [], stateDim: 7 },
      /must divide the width of keys and values 32, got 7/,
    ],
    [{ family: 'mamba-in-llama', attentionLayers: [], mixer: 'mamba2', stateDim: 8 }, /no option/],
    [
      { family: 'mamba-in-llama', attentionLayers: [], mixer: 'rwkv' },
      /mixer must be .* got 'rwkv'/,
    ],
    [{ family: 'mamba-in-llama', attentionLayers: [], layout: 'gguf' }, /layout must be/],
    [{ family: 'llamba', seed: -1 }, /seed must be an integer from 0 to 4294967295, got -1/],
  ])('refuses %j', (spec, message) => {
    expect(() => convert(spec as never)).toThrow(message);
  });

  it('refuses a teacher that is no Llama', () => {
    const student = models.convert(teacher, { family: 'llamba', log });
    expect(() => models.convert(student as never, { family: 'llamba', log })).toThrow(
      /a Llama expected/,
    );
    student.dispose();
  });
});
