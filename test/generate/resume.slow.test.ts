import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Completion } from '../../lib/generate/index.js';
import { folderWith } from '../data/temporary.js';
import { randomInts } from '../models/files/random.js';

const program = fileURLToPath(new URL('resumed-run.mjs', import.meta.url));
const KILLS = 10;

/** Runs the program to its end, or kills it as soon as its file has `bytes`. */
async function run(kind: string, file: string, bytes = Number.POSITIVE_INFINITY): Promise<boolean> {
  const child = spawn(process.execPath, [program, kind, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (data: Buffer) => said.push(data));
  let ended = false;
  const end = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      ended = true;
      resolve(code);
    });
  });
  while (!ended && sizeOf(file) < bytes) await sleep(2);
  if (!ended && bytes !== Number.POSITIVE_INFINITY) child.kill('SIGKILL');
  const code = await end;
  if (code !== null && code !== 0) throw new Error(Buffer.concat(said).toString());
  return code === 0;
}

function sizeOf(file: string): number {
  return existsSync(file) ? readFileSync(file).length : 0;
}

/** The file's completions as a set, without what differs from run to run. */
function essence(file: string) {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { timing: _, ...rest } = JSON.parse(line) as Completion;
      return rest;
    })
    .sort((a, b) => a.prompt - b.prompt || a.sample - b.sample);
}

describe.each(['llama', 'hybrid'])('a run of a %s', (kind) => {
  it(`killed ${KILLS} times ends with the completions of one that was not`, async () => {
    const clean = join(folderWith(), 'clean.jsonl');
    expect(await run(kind, clean)).toBe(true);
    const want = essence(clean);
    expect(want).toHaveLength(480);

    const random = randomInts(kind.length);
    const file = join(folderWith(), 'killed.jsonl');
    let killed = 0;
    for (let i = 0; i < KILLS; i++) {
      // Somewhere in the next part of the run: at its start, or in the middle of anything.
      const least = Math.floor((sizeOf(clean) * i) / (KILLS + 1));
      const finished = await run(
        kind,
        file,
        least + random(Math.floor(sizeOf(clean) / (KILLS + 1))),
      );
      if (!finished) killed++;
    }
    expect(killed).toBe(KILLS);
    expect(await run(kind, file)).toBe(true);
    expect(essence(file)).toEqual(want);
  });
});
