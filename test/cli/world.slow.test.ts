/** Models trained side by side, killed in the middle: the workers end too, and the same command goes on. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startOf } from '#setup/lock.mjs';
import { root } from '#setup/places.mjs';
import { readWorldManifest } from '../../lib/world/index.js';

const main = join(root, 'dist', 'lib', 'cli', 'main.js');
const MODELS = ['small-teacher', 'small-llamba-1', 'small-teacher-finetuned'];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'world-jobs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(only: readonly string[]) {
  const args = ['world', '--out', folder, '--seed', '4', '--share', '0.0015', '--jobs', '2'];
  const child = spawn(process.execPath, [main, ...args, '--only', only.join(',')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let err = '';
  child.stdout.resume();
  child.stderr.on('data', (data) => {
    err += data;
  });
  const ended = new Promise<number | null>((done) => child.on('close', done));
  return { child, ended, err: () => err };
}

const lock = (name: string) => join(folder, 'runs', `${name}.lock`);

it('goes on after a kill, and no worker outlives it', async () => {
  const first = start(MODELS);
  const steps = join(folder, 'runs', 'small-teacher', 'metrics.jsonl');
  while (!existsSync(steps) || readFileSync(steps, 'utf8') === '') await sleep(20);
  const worker = JSON.parse(readFileSync(lock('small-teacher'), 'utf8')).pid as number;
  expect(worker).not.toBe(first.child.pid);
  first.child.kill('SIGKILL');
  await first.ended;
  const second = start(MODELS);
  expect([await second.ended, second.err()]).toEqual([0, expect.any(String)]);
  expect(startOf(worker)).toBeNull();
  const manifests = MODELS.map((name) => readWorldManifest(join(folder, name)));
  const teacher = manifests[0]?.sha256;
  for (const manifest of manifests.slice(1)) {
    expect(manifest?.parents).toEqual({ 'small-teacher': teacher });
  }
  expect(readdirSync(join(folder, 'runs'))).toEqual([]);
});

it('names the model that failed, and finishes those that do not need it', async () => {
  const run = start(['small-teacher', 'large-llamba-1', 'large-llamba-2']);
  expect(await run.ended).toBe(1);
  expect(run.err()).toMatch(/large-llamba-1 failed: .*expected the model large-teacher/);
  expect(run.err()).toContain('not trained, for want of those: large-llamba-2');
  expect(readWorldManifest(join(folder, 'small-teacher'))).toBeDefined();
});
