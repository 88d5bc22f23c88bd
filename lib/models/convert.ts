/**
 * Students out of a teacher: a Llama's attention layers become Mamba mixers that start from its own
 * projections (Wang et al. 2024, section 2; models' linearised attention: without rotation and
 * softmax, `q_t . k_s v_s` is `C_t . B_s x_s`).
 */
import { checkConfig } from './check-config.js';
import { ConversionReport } from './conversion-report.js';
import { studentWeights } from './convert-weights.js';
import { Llama } from './llama.js';
import type { LlamaConfig } from './llama-config.js';
import { Llamba } from './llamba.js';
import { type LlambaConfig, UNLIMITED_CONTEXT } from './llamba-config.js';
import { MambaInLlama } from './mamba-in-llama.js';
import type { MambaInLlamaConfig, MambaInLlamaLayout } from './mamba-in-llama-config.js';

/** What both kinds of conversion take. */
interface ConversionOptions {
  /** Tokens that the convolutions see, 2 to 4; default 4. */
  convWidth?: number;
  /** Of the new weights; default 0. The same seed makes the same student. */
  seed?: number;
  /** Takes the lines that say what was copied, expanded and new; default prints them. */
  log?: (line: string) => void;
}

/** A pure recurrent student. */
export interface LlambaSpec extends ConversionOptions {
  family: 'llamba';
  /** Heads of the mixer; default the teacher's. With others B and C start at random. */
  heads?: number;
  /** Width of the heads of B and C; default the teacher's. With another B and C start at random. */
  stateDim?: number;
}

/** A hybrid student. */
export interface MambaInLlamaSpec extends ConversionOptions {
  family: 'mamba-in-llama';
  /** The layers that stay attention, counted from 0. */
  attentionLayers: readonly number[];
  /** What the others become; default Mamba-1. */
  mixer?: 'mamba' | 'mamba2';
  /** Numbers of state a channel of Mamba-1; default 16. Mamba-2's is the width of a head. */
  stateDim?: number;
  /** How `save` names the tensors; default M1's for Mamba-1, MambaInLlama's for Mamba-2. */
  layout?: MambaInLlamaLayout;
}

/**
 * Builds a student with a teacher's weights. The teacher stays as it is.
 *
 * x starts from the value projection, B from the key's, C from the query's, and the output projection
 * from the attention's; embeddings, norms, MLPs and kept attention layers are copied. In a Llamba the
 * key-value heads are expanded to all heads. Gates, time steps, decays, convolutions and skips are
 * new. All weights are float32, to be trained.
 *
 * @throws RangeError listing every part of the spec that makes no student of this teacher, and why.
 */
export function convert(teacher: Llama, spec: LlambaSpec): Llamba;
export function convert(teacher: Llama, spec: MambaInLlamaSpec): MambaInLlama;
export function convert(
  teacher: Llama,
  spec: LlambaSpec | MambaInLlamaSpec,
): Llamba | MambaInLlama {
  if (!(teacher instanceof Llama)) {
    throw new TypeError('convert: a Llama expected as the teacher, got another model');
  }
  const config = studentConfig(teacher.config, spec);
  const report = new ConversionReport();
  const weights = studentWeights(teacher, config, spec.seed ?? 0, report);
  const options = teacher.ref === undefined ? {} : { ref: teacher.ref };
  const student =
    config.family === 'llamba'
      ? new Llamba(config, weights, options)
      : new MambaInLlama(config, weights, options);
  const log = spec.log ?? console.log;
  for (const line of report.lines(teacher, config)) log(line);
  return student;
}

/**
 * The configuration of the student that {@link convert} makes of a teacher of this configuration.
 *
 * @throws RangeError listing every part of the spec that makes no student of it, and why.
 */
export function studentConfig(teacher: LlamaConfig, spec: LlambaSpec): LlambaConfig;
export function studentConfig(teacher: LlamaConfig, spec: MambaInLlamaSpec): MambaInLlamaConfig;
export function studentConfig(
  teacher: LlamaConfig,
  spec: LlambaSpec | MambaInLlamaSpec,
): LlambaConfig | MambaInLlamaConfig;
export function studentConfig(
  teacher: LlamaConfig,
  spec: LlambaSpec | MambaInLlamaSpec,
): LlambaConfig | MambaInLlamaConfig {
  checkSpec(spec, teacher);
  const config =
    spec.family === 'llamba' ? llambaConfig(teacher, spec) : hybridConfig(teacher, spec);
  checkConfig(config);
  return config;
}

const KNOWN = {
  llamba: ['heads', 'stateDim'],
  'mamba-in-llama': ['attentionLayers', 'mixer', 'stateDim', 'layout'],
} as const;
const COMMON = ['family', 'convWidth', 'seed', 'log'];

function checkSpec(spec: LlambaSpec | MambaInLlamaSpec, teacher: LlamaConfig): void {
  const { family } = spec;
  if (!Object.hasOwn(KNOWN, family)) {
    throw new RangeError(`convert: family must be 'llamba' or 'mamba-in-llama', got '${family}'`);
  }
  const problems: string[] = [];
  const known: readonly string[] = [...COMMON, ...KNOWN[family]];
  for (const key of Object.keys(spec)) {
    if (known.includes(key)) continue;
    const why = key === 'attentionLayers' ? ': a Llamba has no attention' : '';
    problems.push(`'${key}' is no option of ${family}${why}; there are ${known.join(', ')}`);
  }
  const { seed = 0, convWidth = 4 } = spec;
  const whole = (name: string, value: number, least: number, most: number) => {
    if (Number.isSafeInteger(value) && value >= least && value <= most) return;
    problems.push(`${name} must be an integer from ${least} to ${most}, got ${value}`);
  };
  whole('seed', seed, 0, 2 ** 32 - 1);
  whole('convWidth', convWidth, 2, 4);
  if (spec.family === 'llamba') problems.push(...llambaProblems(spec, teacher));
  else problems.push(...hybridProblems(spec, teacher));
  if (problems.length > 0) throw new RangeError(`convert: ${problems.join('; ')}`);
}

function llambaProblems(spec: LlambaSpec, teacher: LlamaConfig): string[] {
  const { nHeads, headDim, dModel } = teacher;
  const width = nHeads * headDim;
  const { heads = nHeads, stateDim = headDim } = spec;
  const problems: string[] = [];
  if (width % dModel) {
    problems.push(
      `the teacher's ${nHeads} heads of ${headDim} are no multiple of its width ${dModel}, which a ` +
        "Llamba's inner width must be",
    );
  }
  if (!Number.isInteger(heads) || heads < 1 || width % heads) {
    problems.push(`heads must divide the inner width ${width}, got ${heads}`);
  }
  if (!Number.isInteger(stateDim) || stateDim < 1) {
    problems.push(`stateDim must be a positive integer, got ${stateDim}`);
  }
  return problems;
}

function hybridProblems(spec: MambaInLlamaSpec, teacher: LlamaConfig): string[] {
  const { nLayers, nKvHeads, headDim } = teacher;
  const { attentionLayers, mixer = 'mamba', stateDim, layout } = spec;
  const problems: string[] = [];
  const layers: unknown = attentionLayers;
  if (!Array.isArray(layers)) {
    problems.push(`attentionLayers must list the layers that stay attention, got ${layers}`);
  } else {
    const outside = layers.filter((i) => !Number.isInteger(i) || i < 0 || i >= nLayers);
    if (outside.length > 0) {
      problems.push(
        `attentionLayers must be from 0 to ${nLayers - 1}, as the teacher has ${nLayers} layers, ` +
          `got ${outside.join(', ')}`,
      );
    }
    const twice = layers.filter((layer, i) => layers.indexOf(layer) !== i);
    if (twice.length > 0) problems.push(`attentionLayers has ${twice.join(', ')} more than once`);
  }
  if (mixer !== 'mamba' && mixer !== 'mamba2') {
    problems.push(`mixer must be 'mamba' or 'mamba2', got '${mixer}'`);
  }
  if (layout !== undefined && layout !== 'm1' && layout !== 'mamba-in-llama') {
    problems.push(`layout must be 'm1' or 'mamba-in-llama', got '${layout}'`);
  }
  const width = nKvHeads * headDim;
  if (stateDim !== undefined && mixer === 'mamba2') {
    problems.push(`stateDim is the teacher's ${headDim} in Mamba-2, and no option`);
  } else if (!Number.isInteger(width / (stateDim ?? 16))) {
    problems.push(
      `stateDim must divide the width of keys and values ${width}, got ${stateDim ?? 16}`,
    );
  }
  return problems;
}

function llambaConfig(teacher: LlamaConfig, spec: LlambaSpec): LlambaConfig {
  const { nHeads, headDim, vocabSize, dModel, nLayers, dMlp, tieEmbeddings, bosId, eosIds } =
    teacher;
  const heads = spec.heads ?? nHeads;
  const eps = exact(teacher.normEps);
  return {
    family: 'llamba',
    vocabSize,
    dModel,
    nLayers,
    nHeads: heads,
    nQkHeads: heads,
    headDim: (nHeads * headDim) / heads,
    stateDim: spec.stateDim ?? headDim,
    convWidth: spec.convWidth ?? 4,
    chunkSize: 128,
    dMlp,
    blockNormEps: eps,
    normEps: eps,
    contextLength: UNLIMITED_CONTEXT,
    tieEmbeddings,
    bosId,
    eosIds,
  };
}

function hybridConfig(teacher: LlamaConfig, spec: MambaInLlamaSpec): MambaInLlamaConfig {
  const { nHeads, nKvHeads, headDim, dModel, normEps } = teacher;
  const { mixer: type = 'mamba', convWidth = 4, stateDim = 16 } = spec;
  const widths = { dInner: nHeads * headDim, dXb: nKvHeads * headDim, convWidth };
  return {
    ...teacher,
    family: 'mamba-in-llama',
    normEps: exact(normEps),
    attentionLayers: [...spec.attentionLayers].sort((a, b) => a - b),
    mixer:
      type === 'mamba'
        ? { type, ...widths, stateDim, dtRank: Math.ceil(dModel / 16) }
        : { type, ...widths, nHeads },
    layout: spec.layout ?? (type === 'mamba' ? 'm1' : 'mamba-in-llama'),
  };
}

/** 1e-5 where a file had it as a float32. */
function exact(eps: number): number {
  return eps === Math.fround(1e-5) ? 1e-5 : eps;
}
