import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { withFailing } from '../backend/failing-allocations.js';
import { folderWith } from '../data/temporary.js';
import { mambalab } from './run.js';

const model = fileURLToPath(new URL('../goldens/reward', import.meta.url));

beforeAll(() => void backend.init({ threads: 2 }));

function drawn(out: string) {
  const lines = readFileSync(join(out, 'completions.jsonl'), 'utf8').trimEnd().split('\n');
  const byPlace = (a: { at: string }, b: { at: string }) => (a.at < b.at ? -1 : 1);
  return lines
    .map((line) => {
      const { timing: _, promptId, sampleId, ...rest } = JSON.parse(line);
      return { at: `${promptId} ${sampleId}`, ...rest };
    })
    .sort(byPlace);
}

it('says and records that memory ended on the way, and draws the same', async () => {
  const args = (out: string) => [
    ...['sample', model, '--task', 'grade-school', '--problems', '3', '--n', '5', '--out', out],
    ...['--style', 'text', '--max-new-tokens', '12', '--batch-size', '8', '--json'],
  ];
  const [clean, short] = [join(folderWith(), 'run'), join(folderWith(), 'run')];
  expect((await mambalab(...args(clean))).code).toBe(0);
  const failing = { at: 3, inside: 'CapturedSteps.trace' };
  const { result } = await withFailing(failing, () => mambalab(...args(short)));
  expect(result.code).toBe(0);
  expect(result.err).toMatch(/^memory ended with 8 rows: going on with 4, .* \d+ bytes asked/m);
  expect(drawn(short)).toEqual(drawn(clean));
  const shrunk = [{ from: 8, to: 4, reason: expect.stringContaining('out of memory') }];
  expect(JSON.parse(result.out).stats.shrunk).toEqual(shrunk);
  const partsOf = (out: string) => JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')).parts;
  expect(partsOf(short)).toMatchObject([{ batchSize: 8, shrunk }]);
  expect(partsOf(clean)[0]).not.toHaveProperty('shrunk');
});
