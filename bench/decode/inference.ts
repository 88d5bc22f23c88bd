/** `bench decode --models`: the time of decoding against the batch, for any configuration. */
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { init, memory } from '../../lib/backend/index.js';
import { type MachineRates, measureRates } from '../../lib/backend/limits.js';
import { type InferencePoint, inferenceTime } from '../../lib/generate/index.js';
import type { StatePrecision } from '../../lib/layers/index.js';
import {
  type LlamaConfig,
  load,
  type Model,
  type ModelConfig,
  type PublishedName,
  published,
  type RandomOptions,
  random,
  studentConfig,
} from '../../lib/models/index.js';
import { inferenceTime as figureOf } from '../../lib/plots/index.js';
import { ArgumentError, statePrecision, whole, wholeOrDefault } from '../shared/program.js';
import { aligned } from './report.js';

/** A line of the table. */
type Line = InferencePoint & { readonly model: string };

const PRECISIONS = ['f32', 'bf16', 'f16', 'q8_0', 'q4_0', 'q4_1'] as const;

/** What `--models` asks for. */
export interface InferenceOptions {
  models: string[];
  /** None: growing. */
  batches: number[] | undefined;
  mostRows: number;
  contexts: number[];
  newTokens: number;
  precision: NonNullable<RandomOptions['precision']>;
  statePrecision: StatePrecision;
  memory: number | undefined;
  figure: string | undefined;
  threads: number | undefined;
  json: boolean;
}

/**
 * Reads the arguments.
 * @throws ArgumentError naming the option, what is allowed and what came.
 */
export function parseInference(args: readonly string[]): InferenceOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      models: { type: 'string', default: '' },
      batch: { type: 'string' },
      most: { type: 'string', default: '1024' },
      context: { type: 'string', default: '512' },
      new: { type: 'string', default: '32' },
      precision: { type: 'string', default: 'f32' },
      'state-precision': { type: 'string', default: 'f32' },
      memory: { type: 'string' },
      figure: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const models = values.models.split(',').filter(Boolean);
  if (models.length === 0) throw new ArgumentError("--models takes names with commas, got ''");
  const precision = PRECISIONS.find((known) => known === values.precision);
  if (!precision) {
    throw new ArgumentError(
      `--precision takes ${PRECISIONS.join(', ')}, got '${values.precision}'`,
    );
  }
  const { figure } = values;
  if (figure !== undefined && !/\.(svg|png|json)$/i.test(figure)) {
    throw new ArgumentError(
      `--figure takes a path that ends in .svg, .png or .json, got '${figure}'`,
    );
  }
  return {
    models,
    batches: values.batch?.split(',').map((n) => whole('--batch', n)),
    mostRows: whole('--most', values.most),
    contexts: values.context.split(',').map((n) => whole('--context', n)),
    newTokens: whole('--new', values.new, 3),
    precision,
    statePrecision: statePrecision(values['state-precision']),
    memory: wholeOrDefault('--memory', values.memory),
    figure,
    threads: wholeOrDefault('--threads', values.threads),
    json: values.json,
  };
}

/** The student of a Llama's shape, as `:llamba` or `:hybrid` behind its name asks. */
function studentOf(teacher: ModelConfig, kind: string, name: string): ModelConfig {
  if (teacher.family !== undefined && teacher.family !== 'llama') {
    throw new ArgumentError(`--models: ${name}: students are made of a Llama`);
  }
  if (kind === 'llamba') return studentConfig(teacher, { family: 'llamba' });
  const attentionLayers = Array.from({ length: teacher.nLayers }, (_, i) => i).filter(
    (i) => i % 5 === 4,
  );
  return studentConfig(teacher, { family: 'mamba-in-llama', attentionLayers });
}

/** A configuration by name or file; none where the name is that of a checkpoint. */
function configOf(name: string): ModelConfig | undefined {
  if (Object.hasOwn(published, name)) return published[name as PublishedName];
  if (!name.endsWith('.json')) return undefined;
  if (!existsSync(name)) throw new ArgumentError(`--models: there is no file '${name}'`);
  try {
    return JSON.parse(readFileSync(name, 'utf8')) as ModelConfig;
  } catch (error) {
    throw new ArgumentError(`--models: ${name}: ${(error as Error).message}`);
  }
}

/** A model of the list: loaded where it has weights, else with random ones and room for `tokens`. */
export function modelOf(
  entry: string,
  precision: NonNullable<RandomOptions['precision']>,
  tokens: number,
): Model {
  const [, name = entry, kind] = /^(.*?)(?::(llamba|hybrid))?$/.exec(entry) ?? [];
  let config = configOf(name);
  if (!config && !kind) return load(name);
  if (!config) {
    const teacher = load(name);
    config = teacher.config;
    teacher.dispose();
  }
  const shape = kind ? studentOf(config, kind, entry) : config;
  const contextLength = Math.max(shape.contextLength, tokens);
  return random({ ...shape, contextLength } as LlamaConfig, { precision });
}

function table(lines: readonly Line[]): string {
  const head = ['model', 'context', 'batch', 'tokens/s', 'step ms', 'arithmetic ms', 'memory ms'];
  const rows = lines.map((line) => {
    const who = [line.model, String(line.context), String(line.batch)];
    if (line.outOfMemory) return [...who, 'out of memory', '-', '-', '-', '-', '-'];
    const { tokensPerSecond, stepMs, floor, shareOfFloor } = line;
    const numbers = [tokensPerSecond, stepMs, floor.arithmeticMs, floor.memoryMs];
    const share = `${(100 * shareOfFloor).toFixed(0)} %`;
    return [...who, ...numbers.map((n) => n.toFixed(1)), share, floor.bound];
  });
  return aligned([[...head, 'share of floor', 'bound by'], ...rows]);
}

function machineOf(rates: MachineRates, engine: ReturnType<typeof init>) {
  const name = engine.deviceName ?? cpus()[0]?.model.trim() ?? process.arch;
  return { name, cores: cpus().length, isa: engine.isa, threads: engine.threads, rates };
}

async function draw(lines: readonly Line[], options: InferenceOptions, machine: string) {
  const [context] = options.contexts;
  const points = lines
    .filter((line) => line.context === context)
    .map((line) => {
      const { model: series, batch, newTokens } = line;
      if (line.outOfMemory) return { series, batch, outOfMemory: true };
      const { arithmeticMs, memoryMs } = line.floor;
      const floorSeconds = (newTokens * Math.max(arithmeticMs, memoryMs)) / 1e3;
      return { series, batch, seconds: line.seconds, floorSeconds };
    });
  const subtitle = `${options.newTokens} new tokens after ${context}, prefill excluded; ${machine}`;
  await figureOf(points, { subtitle }).save(options.figure as string);
}

/** Measures every model of the list in turn and prints what it finds as it comes. */
export async function measureInference(options: InferenceOptions): Promise<void> {
  const { newTokens, contexts, json, statePrecision } = options;
  const engine = init(options.threads === undefined ? {} : { threads: options.threads });
  const rates = measureRates();
  const machine = machineOf(rates, engine);
  const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  if (json) say({ machine, statePrecision });
  const lines: Line[] = [];
  for (const name of options.models) {
    const model = modelOf(name, options.precision, Math.max(...contexts) + newTokens);
    try {
      for (const context of contexts) {
        const points = inferenceTime(model, {
          context,
          newTokens,
          rates,
          statePrecision,
          mostRows: options.mostRows,
          ...(options.batches && { batches: options.batches }),
          ...(options.memory !== undefined && { memory: options.memory }),
        });
        for await (const point of points) {
          const line = { model: name, ...point };
          lines.push(line);
          if (json) say({ ...line, weightBytes: model.bytes, peakBytes: memory().peakBytes });
          else if (process.stderr.isTTY)
            process.stderr.write(`${name}, ${context}, ${point.batch}\n`);
        }
      }
    } finally {
      model.dispose();
    }
  }
  const about =
    `${machine.name}, ${machine.threads} threads, ${machine.isa}: ` +
    `${(rates.flopsPerSecond / 1e9).toFixed(0)} GFLOP/s, ${(rates.bytesPerSecond / 1e9).toFixed(1)} GB/s`;
  if (!json) process.stdout.write(`${table(lines)}\n\n${about}\n`);
  if (options.figure !== undefined) await draw(lines, options, about);
}
