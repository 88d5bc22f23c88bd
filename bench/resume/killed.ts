/** Runs a program that samples into a file, kills it at random moments, and compares what is left. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Completion } from '../../lib/generate/index.js';

/** A kill comes at most so long after its place in the file was reached. */
const LATEST_MS = 50;

/** A program that appends completions to the file of its last argument, and goes on where it was. */
export interface SamplingProgram {
  readonly args: readonly string[];
  /** Uniform whole numbers below `n`. */
  readonly random: (n: number) => number;
}

/** What became of the two runs. */
export interface Comparison {
  readonly completions: number;
  /** Bytes of the file at each kill. */
  readonly killedAt: readonly number[];
  /** Lines of the first file that the second has not, or has otherwise. */
  readonly differing: number;
}

/** A completion without what differs from run to run. */
export type Essence = Omit<Completion, 'timing'>;

/** Runs the program to its end, or kills it as soon as its file has `bytes`. True where it ended. */
export async function run(
  { args, random }: SamplingProgram,
  file: string,
  bytes = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  const child = spawn(process.execPath, [...args, file], { stdio: ['ignore', 'ignore', 'pipe'] });
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
  // Not always just after a line was written.
  if (bytes !== Number.POSITIVE_INFINITY) await sleep(random(LATEST_MS));
  if (!ended && bytes !== Number.POSITIVE_INFINITY) child.kill('SIGKILL');
  const code = await end;
  if (code !== null && code !== 0) throw new Error(Buffer.concat(said).toString());
  return code === 0;
}

/** The file's completions as a set: in one order, without what differs from run to run. */
export function essence(file: string): Essence[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { timing: _, ...rest } = JSON.parse(line) as Completion;
      return rest;
    })
    .sort((a, b) => a.prompt - b.prompt || a.sample - b.sample);
}

/**
 * Runs the program once without a kill and once with `kills` of them, each at a random moment of the
 * next part of the run: at its start, or in the middle of anything.
 */
export async function compareKilled(
  program: SamplingProgram,
  clean: string,
  killed: string,
  kills: number,
  onStep: (what: string) => void = () => undefined,
): Promise<Comparison> {
  await run(program, clean);
  onStep(`the run without kills ended with ${sizeOf(clean)} bytes`);
  const killedAt: number[] = [];
  const part = Math.floor(sizeOf(clean) / (kills + 1));
  for (let i = 0; i < kills; i++) {
    if (await run(program, killed, i * part + 1 + program.random(part))) break;
    killedAt.push(sizeOf(killed));
    onStep(`kill ${i + 1} of ${kills} at ${sizeOf(killed)} bytes`);
  }
  await run(program, killed);
  const [want, got] = [essence(clean), essence(killed)];
  const lines = new Set(got.map((c) => JSON.stringify(c)));
  const differing = want.filter((c) => !lines.has(JSON.stringify(c))).length;
  return {
    completions: got.length,
    killedAt,
    differing: differing + Math.abs(got.length - want.length),
  };
}

function sizeOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}
