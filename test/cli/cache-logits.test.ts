import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { mambalab } from './run.js';

let folder: string;
beforeAll(() => {
  backend.init({ threads: 2 });
  folder = mkdtempSync(join(tmpdir(), 'mambalab-cache-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const teacher = fileURLToPath(new URL('../../data/mini/teacher', import.meta.url));

function config(more: object): string {
  const path = join(folder, 'hybrid.json');
  const content = {
    recipe: 'mamba-in-llama',
    teacher,
    student: { family: 'mamba-in-llama', attentionLayers: [1, 4] },
    steps: 3,
    learningRate: { kind: 'constant', rate: 1e-3 },
    data: { sources: [{ task: 'stories', problems: 12 }], length: 256, batch: 2, loss: 'answer' },
    divergence: 'forward',
    teacherLogits: { cache: join(folder, 'logits') },
    run: { folder: join(folder, 'run') },
    ...more,
  };
  writeFileSync(path, JSON.stringify(content));
  return path;
}

describe('cache-logits', () => {
  it('writes what a configuration reads; a distillation with bfloat16 weights reads it', async () => {
    const path = config({ optimizer: { weights: 'bfloat16' } });
    const { code, out } = await mambalab('cache-logits', path, '--k', '8', '--json');
    expect(code).toBe(0);
    const said = JSON.parse(out);
    expect(said).toMatchObject({ folder: join(folder, 'logits'), k: 8, batches: 3 });
    expect(said.lost.mass).toBeGreaterThan(0);
    expect(said.lost.mass).toBeLessThan(0.5);
    expect(readdirSync(join(folder, 'logits')).sort()).toEqual([
      'manifest.json',
      'shard-00000.bin',
      'shard-00000.json',
    ]);
    const trained = await mambalab('distill', path, '--json');
    expect(trained).toMatchObject({ code: 0 });
    const { model, last } = JSON.parse(trained.out);
    expect(last.step).toBe(3);
    const { parameters } = JSON.parse((await mambalab('distill', path, '--dry-run', '--json')).out)
      .stages[0];
    const bytes = statSync(join(model, 'model.safetensors')).size;
    expect(bytes / parameters).toBeLessThan(2.2);
  });

  it('prints what is lost', async () => {
    const path = config({});
    const { code, out } = await mambalab('cache-logits', path, '--k', '8');
    expect(code).toBe(0);
    expect(out).toMatch(/logits: 8 of [\d,]+ tokens at \d+ positions of 3 batches/);
    expect(out).toMatch(/probability of all other tokens +0\.\d+/);
  });

  it.each([
    [{ teacherLogits: 'live' }, [], 1, /teacherLogits: expected \{ "cache": folder \}, got live/],
    [{ teacherLogits: { folder: 'x' } }, [], 1, /teacherLogits.*unknown field 'folder'/],
    [{}, ['--k', '0'], 2, /--k: expected a positive integer, got '0'/],
  ])('%j %j', async (more, options, code, message) => {
    const result = await mambalab('cache-logits', config(more), ...options);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(message);
  });
});
