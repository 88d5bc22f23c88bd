import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadTokenizer } from '../../lib/data/index.js';
import { sample } from '../../lib/generate/index.js';
import { load } from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { runExample } from './run.js';

it('distil-your-own trains both students and saves what can be loaded', async () => {
  const folder = folderWith();
  const { code, out, err } = await runExample('distil-your-own', '--out', folder);
  expect([code, err]).toEqual([0, '']);
  for (const what of ['matrices', 'hiddenStates', 'logits', 'reverse KL']) {
    const steps = [...out.matchAll(new RegExp(`^${what}, step (\\d): loss ([\\d.]+)$`, 'gm'))];
    expect(
      steps.map(([, step]) => Number(step)),
      what,
    ).toEqual([1, 2, 3, 4, 5]);
    const losses = steps.map(([, , loss]) => Number(loss));
    expect(losses[4], what).toBeLessThan(0.9 * (losses[0] as number));
  }
  for (const [name, family] of [
    ['llamba', 'Llamba'],
    ['hybrid', 'MambaInLlama'],
  ] as const) {
    const path = join(folder, name);
    expect(out).toContain(`${path}: ${family}, `);
    const student = load(path);
    const [prompt] = [loadTokenizer(path).encode('Anna has 3 apples.')];
    for await (const { tokens } of sample(student, [prompt], { maxNewTokens: 4, seed: 1 })) {
      expect(tokens.length).toBeGreaterThan(0);
    }
    student.dispose();
  }
});

it('new-mixer learns to recall from a loss of chance', async () => {
  const { code, out } = await runExample('new-mixer');
  expect(code).toBe(0);
  const losses = [...out.matchAll(/^step (\d+): loss ([\d.e-]+)$/gm)];
  expect(losses.map(([, step]) => Number(step))).toEqual([1, 10, 20, 30, 40, 50, 60, 70, 80]);
  expect(Number(losses[0]?.[2])).toBeCloseTo(Math.log(8), 0);
  expect(Number(losses.at(-1)?.[2])).toBeLessThan(0.1);
  const [, right] = /^right on new rows: ([\d.]+)%$/m.exec(out) ?? [];
  expect(Number(right)).toBeGreaterThan(95);
});
