import { describe, expect, it } from 'vitest';
import {
  accuracyFigure,
  additionalFigure,
  coverageFigure,
  type Figure,
  finetunedTeacherFigure,
  finetuningFigure,
  panels,
  stagesFigure,
  trainingFigure,
} from '../../lib/plots/index.js';
import { type CompletionRow, tableOf } from '../../lib/results/index.js';

/** Completions of a made-up model: right with the given chance, at the given pace. */
function completions(model: string, chance: number, seconds: number, reward = 1) {
  const rows: CompletionRow[] = [];
  for (let p = 0; p < 12; p++) {
    for (let s = 0; s < 8; s++) {
      const right = (p * 7 + s * 3) % 10 < chance * 10;
      rows.push({
        promptId: `p${p}`,
        sampleId: s,
        answer: right ? '5' : String(s),
        gold: '5',
        correct: right,
        reward: reward * (right ? 0.9 : 0.2),
        tokens: 30,
        seconds,
        promptSeconds: 0.2,
        stopReason: 'eos',
        model,
        seed: 3,
        task: 'gsm8k',
        level: undefined,
      });
    }
  }
  return tableOf(rows);
}

const results = { Teacher: completions('t', 0.5, 1), Student: completions('s', 0.4, 0.25) };
const options = { resamples: 50, draws: 20 };

const made: Record<string, () => Figure> = {
  coverage: () => coverageFigure(results, options),
  accuracy: () => accuracyFigure(results, { ...options, benchmark: 'GSM8K' }),
  finetunedTeacher: () => finetunedTeacherFigure(results, options),
  finetuning: () => finetuningFigure(results, options),
  additional: () => additionalFigure(results, options),
  training: () =>
    trainingFigure({
      'Stage 1': [
        { tokens: 1e3, loss: 2 },
        { tokens: 1e4, loss: 1 },
      ],
      'Stage 2': [{ tokens: 2e4, loss: 0.5 }],
    }),
  stages: () =>
    stagesFigure([
      { stage: 'Stage 2', benchmark: 'GSM8K', accuracy: 0.2, low: 0.1, high: 0.3 },
      { stage: 'Stage 3', benchmark: 'GSM8K', accuracy: 0.4 },
      { stage: 'Stage 3', benchmark: 'Atlas', accuracy: 0.6 },
    ]),
};

describe.each(Object.entries(made))("the paper's figure %s", (_, make) => {
  it('draws to SVG and PNG and says in words what it shows', async () => {
    const figure = make();
    const svg = await figure.toSVG();
    expect(svg).toMatch(/^<svg/);
    expect(svg).toContain('(a)');
    expect((await figure.toPNG({ scale: 1 })).subarray(1, 4).toString()).toBe('PNG');
    expect(figure.description.length).toBeGreaterThan(80);
    expect(figure.spec.$schema).toContain('vega-lite/v5');
  });
});

describe("the paper's figures", () => {
  const text = (figure: Figure) => JSON.stringify(figure.spec);

  it('count problems, samples and seeds', () => {
    const { title } = coverageFigure(results, { ...options, benchmark: 'GSM8K' }).spec;
    expect((title as { subtitle: string[] }).subtitle).toEqual([
      'GSM8K, 12 problems x 8 samples, seed 3; bands: 95 % over problems',
    ]);
  });

  it.each([
    ['many', ['Llama-1.3M', 'Llamba-1.5M', 'MambaInLlama-1.4M', 'MambaInLlama-3.8M']],
    ['a few with long names', ['Llama-1.3M', 'Llama-1.3M, finetuned', 'MambaInLlama-3.8M, SFT']],
    ['one', ['SmolLM2-135M']],
  ])("fit JupyterLab's page with the names of models: %s", async (_, names) => {
    const models = Object.fromEntries(names.map((name) => [name, results.Teacher]));
    const widthOf = async (figure: Figure) =>
      Number(/width="(\d+)"/.exec(await figure.toSVG())?.[1]);
    expect(await widthOf(coverageFigure(models, options))).toBeLessThan(800);
    expect(await widthOf(finetuningFigure(models, options))).toBeLessThan(800);
  });

  it('draw a model in the colour that is chosen for it, and others as before', () => {
    const plain = text(coverageFigure(results, options));
    const chosen = text(coverageFigure(results, { ...options, colors: { Student: '#123456' } }));
    expect(plain).toContain('"range":["#0072b2","#d55e00"]');
    expect(chosen).toContain('"range":["#0072b2","#123456"]');
  });

  it('count a model apart that has other samples', () => {
    const few = tableOf([
      {
        promptId: 'p',
        sampleId: 0,
        answer: '5',
        gold: '5',
        correct: true,
        reward: 1,
        tokens: 3,
        seconds: 1,
        promptSeconds: 1,
        stopReason: 'eos',
        model: 'o',
        seed: 0,
        task: 'gsm8k',
        level: undefined,
      },
    ]);
    const { title } = coverageFigure({ ...results, Other: few }, options).spec;
    expect((title as { subtitle: string[] }).subtitle).toHaveLength(3);
  });

  it('leave weighted votes out where nothing was scored', () => {
    const unscored = { Teacher: completions('t', 0.5, 1, Number.NaN) };
    expect(text(accuracyFigure(unscored, options))).not.toContain('Weighted');
    expect(text(accuracyFigure(results, options))).toContain('Weighted');
    expect(() => additionalFigure(unscored, options)).toThrow(/has no score/);
  });

  it('have a dark form of other colours and the same data', async () => {
    const light = coverageFigure(results, options);
    const dark = light.dark();
    expect(text(dark)).toContain('#0d1117');
    expect(text(dark)).not.toContain('#ffffff');
    expect(dark.description).toBe(light.description);
    expect(await dark.toSVG()).toMatch(/^<svg/);
  });

  it('refuse nothing to draw', () => {
    expect(() => coverageFigure({}, options)).toThrow(/at least one model, got none/);
    expect(() => panels([], { title: 'x' })).toThrow(/at least one figure/);
  });
});
