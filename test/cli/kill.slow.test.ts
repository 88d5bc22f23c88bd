import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import * as backend from '../../lib/backend/index.js';
import { folderWith } from '../data/temporary.js';
import { randomInts } from '../models/files/random.js';
import { makeRun } from '../results/runs.js';

const program = fileURLToPath(new URL('../../dist/lib/cli/main.js', import.meta.url));
const model = fileURLToPath(new URL('../goldens/reward', import.meta.url));
const KILLS = 4;

beforeAll(() => void backend.init({ threads: 1 }));

/** Runs the program to its end, or ends it with SIGKILL as soon as a file has `bytes`. */
async function run(args: readonly string[], file = '', bytes = Number.POSITIVE_INFINITY) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr.on('data', (data: Buffer) => said.push(data));
  child.stdout.resume();
  let ended = false;
  const end = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      ended = true;
      resolve(code);
    });
  });
  while (!ended && sizeOf(file) < bytes) await sleep(1);
  if (!ended && bytes !== Number.POSITIVE_INFINITY) child.kill('SIGKILL');
  const code = await end;
  if (code !== null && code !== 0) throw new Error(Buffer.concat(said).toString());
  return code === 0;
}

const sizeOf = (file: string) => (existsSync(file) ? statSync(file).size : 0);

/** The lines of a file as a set, without what differs from run to run. */
function essence(file: string) {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { timing: _, ...rest } = JSON.parse(line);
      return JSON.stringify(rest);
    })
    .sort();
}

/** Kills the command again and again as the file grows, and lets it end. */
async function killed(args: readonly string[], file: string, whole: number): Promise<number> {
  const random = randomInts(whole);
  const part = Math.floor(whole / (KILLS + 1));
  let kills = 0;
  for (let i = 0; i < KILLS; i++) {
    if (!(await run(args, file, i * part + random(part)))) kills++;
  }
  expect(await run(args)).toBe(true);
  return kills;
}

describe(`killed ${KILLS} times`, () => {
  it('mambalab sample ends with the completions of a run that was not', async () => {
    const args = (out: string) => [
      ...['sample', model, '--task', 'grade-school', '--style', 'text', '--n', '40', '--out', out],
      ...['--max-new-tokens', '60', '--temperature', '1', '--seed', '5', '--batch-size', '16'],
    ];
    const [clean, path] = [join(folderWith(), 'run'), join(folderWith(), 'run')];
    const file = (out: string) => join(out, 'completions.jsonl');
    expect(await run(args(clean))).toBe(true);
    const want = essence(file(clean));
    expect(want).toHaveLength(480);
    expect(await killed(args(path), file(path), sizeOf(file(clean)))).toBe(KILLS);
    expect(essence(file(path))).toEqual(want);
    expect(readdirSync(path).sort()).toEqual(readdirSync(clean).sort());
  });

  it.each([
    ['grade', 300, 100, 'grades', []],
    ['score', 30, 12, 'scores', ['--model', model, '--name', 'x']],
  ])(
    'mambalab %s ends with the column of a pass that was not',
    async (name, problems, n, kind, options) => {
      const text = (prompt: number, sample: number) =>
        `So it is ${prompt} and ${sample}.\n\nThe answer is ${2 * prompt + (sample % 3)}.`;
      const clean = makeRun(join(folderWith(), 'run'), { problems, n, text });
      const path = join(folderWith(), 'run');
      cpSync(clean, path, { recursive: true });
      const before = readFileSync(join(path, 'completions.jsonl'));
      expect(await run([name, clean, ...options])).toBe(true);
      const [column = ''] = readdirSync(clean).filter((file) =>
        new RegExp(`^${kind}.*l$`).test(file),
      );
      const want = readFileSync(join(clean, column), 'utf8');
      expect(want.trimEnd().split('\n')).toHaveLength(problems * n);
      expect(await killed([name, path, ...options], join(path, column), want.length)).toBe(KILLS);
      expect(readFileSync(join(path, column), 'utf8')).toBe(want);
      expect(readFileSync(join(path, 'completions.jsonl')).equals(before)).toBe(true);
    },
  );
});
