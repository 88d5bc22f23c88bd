import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compareKilled } from '../../bench/resume/killed.js';
import { folderWith } from '../data/temporary.js';
import { randomInts } from '../models/files/random.js';

const program = fileURLToPath(new URL('resumed-run.mjs', import.meta.url));
const KILLS = 10;

describe.each(['llama', 'llamba', 'hybrid'])('a run of a %s', (kind) => {
  it(`killed ${KILLS} times ends with the completions of one that was not`, async () => {
    const [clean, killed] = ['clean.jsonl', 'killed.jsonl'].map((name) => join(folderWith(), name));
    const args = [program, kind];
    const random = randomInts(kind.length);
    expect(
      await compareKilled({ args, random }, clean as string, killed as string, KILLS),
    ).toMatchObject({ completions: 480, killedAt: { length: KILLS }, differing: 0 });
  });
});
