import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root } from '#setup/places.mjs';
import { modelOf, parseInference } from '../../bench/decode/inference.js';
import { measure } from '../../bench/decode/measure.js';
import { parseOptions } from '../../bench/decode/options.js';
import { aligned, type DecodeReport } from '../../bench/decode/report.js';
import { floorOf } from '../../lib/generate/floor.js';
import { published, stepWork } from '../../lib/models/index.js';
import { folderWith } from '../data/temporary.js';
import { tinyConfig } from '../models/tiny.js';

const run = promisify(execFile);
/** Processes that load the model, on machines that do other work too. */
const PATIENCE = { timeout: 180_000 };
const program = join(root, 'dist', 'bench', 'decode.js');

describe('bench decode', () => {
  it('prints what it measured as JSON', PATIENCE, async () => {
    const args = ['--batch', '1,3', '--prompt', '5', '--new', '4', '--runs', '1', '--no-peers'];
    const { stdout } = await run(process.execPath, [program, ...args, '--json']);
    const report: DecodeReport = JSON.parse(stdout);
    expect(report).toMatchObject({ promptTokens: 5, newTokens: 4, runs: 1, absent: {} });
    expect(report.batches.map((b) => [b.batch, b.activations])).toEqual(
      [1, 3].flatMap((batch) => ['float32', 'int8'].map((kind) => [batch, kind])),
    );
    for (const { ours, work, floor, shareOfFloor, peers } of report.batches) {
      for (const n of [ours.tokensPerSecond, ours.decodeTokensPerSecond, ours.stepMs]) {
        expect(n).toBeGreaterThan(0);
      }
      expect(ours.outsideShare).toBeLessThan(1);
      expect(work.flopsPerToken).toBeGreaterThan(2.6e8);
      expect(['arithmetic', 'memory']).toContain(floor.bound);
      const longer = Math.max(floor.arithmeticMs, floor.memoryMs);
      expect(shareOfFloor).toBeCloseTo(longer / ours.stepMs, 10);
      expect(peers).toEqual({});
    }
    const { fresh, limits, machine } = report;
    expect(fresh.firstLogitsMs).toBeGreaterThan(fresh.loadMs);
    expect(fresh.fromStartMs).toBeGreaterThan(fresh.firstLogitsMs);
    expect(fresh.residentBytes).toBeGreaterThan(5e7);
    expect(limits.flopsPerSecond).toBeGreaterThan(1e8);
    expect(limits.bytesPerSecond).toBeGreaterThan(1e8);
    expect(machine.threads).toBeGreaterThan(0);
  });

  it('names a wrong argument and ends with exit code 2', PATIENCE, async () => {
    for (const [args, message] of [
      [['--batch', '8,x'], "--batch takes whole numbers of at least 1, got 'x'"],
      [['--new', '2'], "--new takes whole numbers of at least 3, got '2'"],
      [
        ['--activations', 'int4'],
        "--activations takes float32, int8 or both with a comma, got 'int4'",
      ],
      [['--speed'], '--speed'],
    ] as const) {
      const failure = await run(process.execPath, [program, ...args]).catch((error) => error);
      expect(failure.code).toBe(2);
      expect(failure.stderr).toContain(message);
    }
  });

  it('has defaults', () => {
    expect(parseOptions([])).toMatchObject({
      batches: [1, 8, 32, 64],
      promptTokens: 64,
      newTokens: 64,
      runs: 3,
      statePrecision: 'f32',
      threads: undefined,
      peers: true,
    });
  });

  it('counts the work of a step', () => {
    const config = published['smollm2-135m'];
    // SmolLM2-135M has 134,515,008 parameters, of which 61 norms of 576 are in no product.
    const products = 2 * (134_515_008 - 61 * 576);
    expect(stepWork(config, 0, 4, 0)).toEqual({ flopsPerToken: products, bytesPerStep: 0 });
    const { flopsPerToken, bytesPerStep } = stepWork(config, 1000, 4, 100);
    const half = stepWork(config, 1000, 4, 100, 'bf16');
    expect(half.flopsPerToken).toBe(flopsPerToken);
    expect(half.bytesPerStep - 1000).toBe((bytesPerStep - 1000) / 2);
    expect(flopsPerToken - products).toBe(4 * 30 * 576 * 100);
    expect(bytesPerStep - 1000).toBe(4 * 30 * 100 * 2 * 192 * 4);
    const limits = { flopsPerSecond: 1e9, bytesPerSecond: 1e6 };
    const work = { flopsPerToken: 1e6, bytesPerStep: 2000 };
    expect(floorOf(work, 1, limits)).toEqual({ arithmeticMs: 1, memoryMs: 2, bound: 'memory' });
    expect(floorOf(work, 4, limits)).toEqual({ arithmeticMs: 4, memoryMs: 2, bound: 'arithmetic' });
  });

  it('takes turns, and a contender that fails is a line and not a crash', async () => {
    const turns: string[] = [];
    // The warm-up, then three rounds.
    const whole = [99, 5, 4, 3];
    const steady = {
      name: 'steady',
      sample: async () => {
        turns.push('steady');
        const steps = { seconds: 2, busySeconds: 1.5 };
        return { whole: { seconds: whole.shift() as number }, steps };
      },
    };
    const broken = {
      name: 'broken',
      sample: async () => {
        turns.push('broken');
        throw new Error('out of breath');
      },
    };
    const work = { prompt: [1], batch: 2, newTokens: 4 };
    const outcomes = await measure([steady, broken], work, 3, () => undefined);
    expect(turns).toEqual(['steady', 'broken', 'steady', 'steady', 'steady']);
    expect(outcomes.get('steady')).toEqual({
      tokensPerSecond: 8 / 4,
      decodeTokensPerSecond: 2,
      stepMs: 1000,
      outsideShare: 0.25,
    });
    expect(outcomes.get('broken')).toEqual({ error: 'out of breath' });
  });

  it('aligns columns', () => {
    expect(
      aligned([
        ['batch', 'x'],
        ['1', '1000'],
      ]),
    ).toBe('batch     x\n    1  1000');
  });
});

describe('bench decode --models', () => {
  it('prints a line of JSON for each point and draws the figure', PATIENCE, async () => {
    const folder = folderWith({ 'small.json': JSON.stringify(tinyConfig) });
    const small = join(folder, 'small.json');
    const figure = join(folder, 'figure.svg');
    const args = ['--context', '20,8', '--new', '3', '--batch', '2,1', '--figure', figure];
    const models = `${small},${small}:llamba,${small}:hybrid`;
    const { stdout } = await run(process.execPath, [
      program,
      '--models',
      models,
      ...args,
      '--json',
    ]);
    const [head, ...points] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(head.machine.rates.flopsPerSecond).toBeGreaterThan(1e8);
    expect(points.map((p) => [p.model, p.context, p.batch])).toEqual(
      models
        .split(',')
        .flatMap((model) => [20, 8].flatMap((context) => [1, 2].map((n) => [model, context, n]))),
    );
    for (const { stepMs, shareOfFloor, floor } of points) {
      const longer = Math.max(floor.arithmeticMs, floor.memoryMs);
      expect(shareOfFloor).toBeCloseTo(longer / stepMs, 10);
    }
    const svg = readFileSync(figure, 'utf8');
    expect(svg).toContain('3 new tokens after 20, prefill excluded');
    expect(svg).toContain(':llamba');
  });

  it('prints a table whose last line of a model says that memory ended', PATIENCE, async () => {
    const folder = folderWith({ 'small.json': JSON.stringify(tinyConfig) });
    const small = join(folder, 'small.json');
    const args = ['--context', '20', '--new', '3', '--memory', '300000'];
    const { stdout } = await run(process.execPath, [program, '--models', small, ...args]);
    expect(stdout).toMatch(/share of floor +bound by\n/);
    expect(stdout).toMatch(/ 1 {2} *[\d.]+ /);
    expect(stdout).toMatch(/ \d+ {2}out of memory /);
  });

  it('names a wrong argument', () => {
    const wrong =
      (...args: string[]) =>
      () =>
        parseInference(['--models', 'smollm2-135m', ...args]);
    expect(wrong('--new', '2')).toThrow('--new takes whole numbers of at least 3');
    expect(wrong('--precision', 'f64')).toThrow('--precision takes f32, bf16');
    expect(wrong('--state-precision', 'f16')).toThrow('--state-precision takes f32, bf16');
    expect(wrong('--figure', 'a.pdf')).toThrow('--figure takes a path that ends in .svg');
    expect(() => modelOf('llamba-1b:hybrid', 'f32', 10)).toThrow('students are made of a Llama');
    expect(() => modelOf('no-such.json', 'f32', 10)).toThrow("there is no file 'no-such.json'");
    expect(() => modelOf('no-such-model', 'f32', 10)).toThrow('no-such-model');
    expect(parseInference(['--models', 'a,b'])).toMatchObject({
      models: ['a', 'b'],
      batches: undefined,
      mostRows: 1024,
      contexts: [512],
      newTokens: 32,
      precision: 'f32',
      statePrecision: 'f32',
    });
  });
});
