/**
 * Tokens per second of sampling at several batch sizes, beside this machine's limits and the peers,
 * all in one run.
 */
import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { init } from '../lib/backend/index.js';
import { measureRates } from '../lib/backend/limits.js';
import { loadTokenizer } from '../lib/data/index.js';
import { median } from '../lib/eval/index.js';
import { type Floor, floorOf } from '../lib/generate/floor.js';
import { load, resolveModel, type StepWork, stepWork } from '../lib/models/index.js';
import { progress } from '../lib/plots/index.js';
import type { Work } from './decode/contender.js';
import type { Fresh } from './decode/fresh.js';
import { measureInference, parseInference } from './decode/inference.js';
import { measure, type Rates } from './decode/measure.js';
import { type DecodeOptions, HELP, parseOptions } from './decode/options.js';
import { Ours } from './decode/ours.js';
import { Peer, PROGRAMS } from './decode/peer.js';
import { type BatchReport, type DecodeReport, text } from './decode/report.js';
import { program } from './shared/program.js';

const SENTENCE =
  'A farmer packs 12 boxes with 30 apples each, sells 7 boxes on Monday and gives 45 apples away. ' +
  'How many apples are left, and how many full boxes could be packed with them? ';

/** The first `length` tokens of a text of the kind that the model is asked. */
function promptOf(ref: string, length: number): number[] {
  const tokenizer = loadTokenizer(ref);
  const sentence = tokenizer.encode(SENTENCE, { addSpecialTokens: false });
  return Array.from({ length }, (_, i) => sentence[i % sentence.length] as number);
}

async function startPeers(file: string, threads: number) {
  const peers: Peer[] = [];
  const absent: Record<string, string> = {};
  for (const peer of PROGRAMS) {
    try {
      peers.push(await Peer.start(peer, file, threads));
    } catch (error) {
      absent[peer.name] = (error as Error).message;
    }
  }
  return { peers, absent };
}

/** Medians over fresh processes. */
async function measureFresh(
  { model, activations, statePrecision, runs, newTokens }: DecodeOptions,
  threads: number,
  prompt: readonly number[],
): Promise<Fresh> {
  const script = fileURLToPath(new URL('./decode/fresh.js', import.meta.url));
  const args = [
    script,
    model,
    activations[0] as string,
    statePrecision,
    String(threads),
    String(newTokens),
    prompt.join(),
  ];
  const all: Fresh[] = [];
  for (let run = 0; run < runs; run++) {
    const { stdout } = await promisify(execFile)(process.execPath, args);
    all.push(JSON.parse(stdout));
  }
  return {
    firstLogitsMs: median(all.map((f) => f.firstLogitsMs)),
    loadMs: median(all.map((f) => f.loadMs)),
    fromStartMs: median(all.map((f) => f.fromStartMs)),
    residentBytes: Math.max(...all.map((f) => f.residentBytes)),
  };
}

/** Measures everything that the options ask for. */
async function measureAll(options: DecodeOptions): Promise<DecodeReport> {
  const { activations, statePrecision, batches, newTokens, promptTokens, runs } = options;
  const engine = init(options.threads === undefined ? {} : { threads: options.threads });
  const prompt = promptOf(options.model, promptTokens);
  const ours = activations.map(
    (kind) => new Ours(load(options.model, { activations: kind }), kind, statePrecision),
  );
  const limits = measureRates();
  const { peers, absent } = options.peers
    ? await startPeers(resolveModel(options.model), engine.threads)
    : { peers: [], absent: {} };
  const bar = progress(batches.length * runs * (ours.length + peers.length), {
    label: 'decode',
    unit: 'measurements',
  });
  const reports: BatchReport[] = [];
  try {
    for (const batch of batches) {
      const work: Work = { prompt, batch, newTokens };
      const outcomes = await measure([...ours, ...peers], work, runs, (name) =>
        bar.advance(1, `batch ${batch}, ${name}`),
      );
      const others = peers.flatMap(({ name }) => {
        const outcome = outcomes.get(name);
        return outcome ? [[name, outcome] as const] : [];
      });
      for (const { name, model, activations } of ours) {
        const own = outcomes.get(name);
        if (!own || 'error' in own) throw new Error(`batch ${batch}, ${name}: ${own?.error}`);
        const seen = promptTokens + newTokens / 2;
        const work = stepWork(model.config, model.bytes, batch, seen, statePrecision);
        const report = reportOf(own, work, floorOf(work, batch, limits));
        reports.push({ batch, activations, ...report, peers: Object.fromEntries(others) });
      }
    }
  } finally {
    bar.done();
    for (const peer of peers) peer.stop();
  }
  return {
    model: options.model,
    statePrecision,
    promptTokens,
    newTokens,
    runs,
    machine: {
      processor: cpus()[0]?.model.trim() ?? process.arch,
      cores: cpus().length,
      isa: engine.isa,
      threads: engine.threads,
      memoryBytes: totalmem(),
      node: process.versions.node,
    },
    limits,
    batches: reports,
    fresh: await measureFresh(options, engine.threads, prompt),
    absent,
  };
}

function reportOf(ours: Rates, work: StepWork, floor: Floor) {
  const shareOfFloor = Math.max(floor.arithmeticMs, floor.memoryMs) / ours.stepMs;
  return { ours, work, floor, shareOfFloor };
}

await program('decode', HELP, async (args) => {
  if (args.some((arg) => arg === '--models' || arg.startsWith('--models='))) {
    await measureInference(parseInference(args));
    return;
  }
  const options = parseOptions(args);
  const report = await measureAll(options);
  process.stdout.write(`${options.json ? JSON.stringify(report) : text(report)}\n`);
});
