/** The results of `bench decode`, as one value and as tables. */

import type { MachineRates } from '../../lib/backend/limits.js';
import type { Floor } from '../../lib/generate/floor.js';
import type { StatePrecision } from '../../lib/layers/index.js';
import type { Activations, StepWork } from '../../lib/models/index.js';
import type { Fresh } from './fresh.js';
import type { Outcome, Rates } from './measure.js';

/** The machine of a run. */
export interface Machine {
  processor: string;
  cores: number;
  /** Instruction set that the engine uses. */
  isa: string;
  threads: number;
  memoryBytes: number;
  node: string;
}

/** One batch size with one kind of activations. */
export interface BatchReport {
  batch: number;
  activations: Activations;
  ours: Rates;
  work: StepWork;
  floor: Floor;
  /** The longer limit over the measured step. */
  shareOfFloor: number;
  /** By name. */
  peers: Record<string, Outcome>;
}

/** Everything that a run measured. */
export interface DecodeReport {
  model: string;
  statePrecision: StatePrecision;
  promptTokens: number;
  newTokens: number;
  runs: number;
  machine: Machine;
  limits: MachineRates;
  batches: BatchReport[];
  /** With the first of the activations. */
  fresh: Fresh;
  /** Peers that could not be started, and why. */
  absent: Record<string, string>;
}

/** Rows as columns of equal width, aligned to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const line = (row: readonly string[]) =>
    row.map((cell, i) => cell.padStart(widths[i] as number)).join('  ');
  return rows.map(line).join('\n');
}

const rate = (value: number) => value.toFixed(value < 10 ? 1 : 0);
const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)} %`;
const failed = (outcome: Outcome | undefined): outcome is { error: string } =>
  outcome !== undefined && 'error' in outcome;

/** A peer's column and our multiple of it. */
function against(
  report: DecodeReport,
  name: string,
  speed: (rates: Rates) => number,
): [string, string][] {
  return report.batches.map(({ ours, peers }) => {
    const outcome = peers[name];
    if (outcome === undefined || failed(outcome)) return ['-', '-'];
    return [rate(speed(outcome)), `${(speed(ours) / speed(outcome)).toFixed(2)} x`];
  });
}

/** The peers that were started. */
function peerNames({ batches }: DecodeReport): string[] {
  return Object.keys(batches[0]?.peers ?? {});
}

function wholeTable(report: DecodeReport): string {
  const names = peerNames(report);
  const head = [
    'batch',
    'activations',
    'tokens/s',
    'decode only',
    'step ms',
    'share of floor',
    'bound by',
  ];
  const columns = names.map((name) => against(report, name, (r) => r.tokensPerSecond));
  const rows = report.batches.map(({ batch, activations, ours, shareOfFloor, floor }, i) => [
    String(batch),
    activations,
    rate(ours.tokensPerSecond),
    rate(ours.decodeTokensPerSecond),
    ours.stepMs.toFixed(1),
    percent(shareOfFloor),
    floor.bound,
    ...columns.flatMap((column) => column[i] as [string, string]),
  ]);
  return aligned([[...head, ...names.flatMap((name) => [name, 'ratio'])], ...rows]);
}

function decodeTable(report: DecodeReport): string {
  const names = peerNames(report);
  const columns = names.map((name) => against(report, name, (r) => r.decodeTokensPerSecond));
  const rows = report.batches.map(({ batch, activations, ours }, i) => [
    String(batch),
    activations,
    rate(ours.decodeTokensPerSecond),
    ...columns.flatMap((column) => column[i] as [string, string]),
  ]);
  const head = ['batch', 'activations', 'decode only', ...names.flatMap((name) => [name, 'ratio'])];
  return aligned([head, ...rows]);
}

function floorTable({ batches }: DecodeReport): string {
  const head = ['batch', 'activations', 'MFLOP/token', 'MB/step', 'arithmetic ms', 'memory ms'];
  const outside = ['JavaScript of a step', 'of the whole run'];
  const share = (part: number | undefined) => (part === undefined ? '-' : percent(part, 1));
  const rows = batches.map(({ batch, activations, work, floor, ours }) => [
    String(batch),
    activations,
    (work.flopsPerToken / 1e6).toFixed(0),
    (work.bytesPerStep / 1e6).toFixed(0),
    floor.arithmeticMs.toFixed(1),
    floor.memoryMs.toFixed(1),
    share(ours.outsideShare),
    share(ours.wholeOutsideShare),
  ]);
  return aligned([[...head, ...outside], ...rows]);
}

function complaints({ batches, absent }: DecodeReport): string[] {
  const never = Object.entries(absent).map(([name, why]) => `${name}: ${why}`);
  const sometimes = batches.flatMap(({ batch, peers }) =>
    Object.entries(peers).flatMap(([name, outcome]) =>
      failed(outcome) ? [`${name} at batch ${batch}: ${outcome.error}`] : [],
    ),
  );
  return [...never, ...new Set(sometimes)];
}

/** The report as text. */
export function text(report: DecodeReport): string {
  const { model, statePrecision, promptTokens, newTokens, runs, machine, limits, fresh } = report;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const blocks = [
    `${model}: ${promptTokens}-token prompt shared by the batch, ${newTokens} tokens sampled in ` +
      `every row, caches in ${statePrecision}, median of ${runs}`,
    wholeTable(report),
    ...(peerNames(report).length > 0 ? [decodeTable(report)] : []),
    floorTable(report),
    [
      `limits measured in this run: ${(limits.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s float32, ` +
        `${(limits.bytesPerSecond / 1e9).toFixed(1)} GB/s memory`,
      `first logits: ${fresh.firstLogitsMs.toFixed(0)} ms after models.load was called ` +
        `(${fresh.loadMs.toFixed(0)} ms in it), ${fresh.fromStartMs.toFixed(0)} ms after Node started`,
      `resident memory at batch 1: ${megabytes(fresh.residentBytes)}, the mapped weights included`,
      ...complaints(report),
      `${machine.processor}, ${machine.cores} cores, ${machine.isa}, ${machine.threads} threads, ` +
        `${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, Node ${machine.node}`,
    ].join('\n'),
  ];
  return blocks.join('\n\n');
}
