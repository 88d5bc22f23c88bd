import { limits } from './files/llama-limits.js';
import type { LlamaConfig } from './llama-config.js';
import type { LlambaConfig } from './llamba-config.js';
import type { MambaInLlamaConfig } from './mamba-in-llama-config.js';
import { familyOf, type ModelConfig } from './model-config.js';

/**
 * Checks a configuration that a program made: sizes in range, and what must hold between them.
 *
 * @throws RangeError listing every field that is wrong, what it may be and what it is.
 */
export function checkConfig(config: ModelConfig): void {
  const problems = new Problems(config as unknown as Record<string, unknown>);
  problems.sizes({ vocabSize: 'vocabulary', dModel: 'width', nLayers: 'layers', dMlp: 'width' });
  problems.sizes({ contextLength: 'context', normEps: 'eps', nHeads: 'heads' });
  switch (config.family) {
    case 'llamba':
      checkLlamba(config, problems);
      break;
    case 'mamba-in-llama':
      checkAttention(config, problems);
      checkHybrid(config, problems);
      break;
    case 'llama':
    case undefined:
      checkAttention(config, problems);
      break;
    default: {
      const { family } = config as { family: unknown };
      problems.expect(false, 'family', "'llama', 'llamba' or 'mamba-in-llama'", family);
    }
  }
  problems.check(familyOf(config));
}

class Problems {
  private readonly found: string[] = [];

  constructor(private readonly config: Readonly<Record<string, unknown>>) {}

  expect(holds: boolean, field: string, expected: string, value: unknown): void {
    if (!holds) this.found.push(`${field} must be ${expected}, got ${String(value)}`);
  }

  sizes(
    fields: Readonly<Record<string, keyof typeof limits>>,
    of = this.config,
    prefix = '',
  ): void {
    for (const [field, kind] of Object.entries(fields)) {
      const { least, most } = limits[kind];
      const value = of[field];
      const whole = kind === 'eps' || kind === 'theta' || Number.isInteger(value);
      const fits = typeof value === 'number' && whole && value >= least && value <= most;
      const what = kind === 'eps' || kind === 'theta' ? 'a number' : 'an integer';
      this.expect(fits, `${prefix}${field}`, `${what} from ${least} to ${most}`, value);
    }
  }

  check(family: string): void {
    if (this.found.length === 0) return;
    throw new RangeError(`configuration of ${family}: ${this.found.join('; ')}`);
  }
}

function checkAttention(config: LlamaConfig | MambaInLlamaConfig, problems: Problems): void {
  const { nHeads, nKvHeads, headDim } = config;
  problems.sizes({ nKvHeads: 'heads', headDim: 'headDim', ropeTheta: 'theta' });
  problems.expect(nHeads % nKvHeads === 0, 'nKvHeads', `a divisor of nHeads ${nHeads}`, nKvHeads);
  problems.expect(headDim % 2 === 0, 'headDim', 'even', headDim);
}

function checkLlamba(config: LlambaConfig, problems: Problems): void {
  const { nHeads, nQkHeads, headDim, dModel, convWidth } = config;
  problems.sizes({ nQkHeads: 'heads', headDim: 'width', stateDim: 'width', chunkSize: 'width' });
  problems.sizes({ blockNormEps: 'eps' });
  problems.expect(nHeads % nQkHeads === 0, 'nQkHeads', `a divisor of nHeads ${nHeads}`, nQkHeads);
  const isMultiple = (nHeads * headDim) % dModel === 0;
  const expected = `such that nHeads * headDim is a multiple of dModel ${dModel}`;
  problems.expect(isMultiple, 'headDim', expected, `${nHeads} * ${headDim}`);
  checkConv(convWidth, 'convWidth', problems);
}

function checkHybrid(config: MambaInLlamaConfig, problems: Problems): void {
  const { mixer, attentionLayers, nLayers, layout } = config;
  const { dInner, dXb, convWidth } = mixer;
  const of = mixer as unknown as Record<string, unknown>;
  problems.sizes({ dInner: 'width', dXb: 'width' }, of, 'mixer.');
  problems.expect(dInner % dXb === 0, 'mixer.dXb', `a divisor of dInner ${dInner}`, dXb);
  checkConv(convWidth, 'mixer.convWidth', problems);
  if (mixer.type === 'mamba') {
    problems.sizes({ stateDim: 'width', dtRank: 'width' }, of, 'mixer.');
    const { stateDim } = mixer;
    problems.expect(dXb % stateDim === 0, 'mixer.stateDim', `a divisor of dXb ${dXb}`, stateDim);
  } else if (mixer.type === 'mamba2') {
    problems.sizes({ nHeads: 'heads' }, of, 'mixer.');
    const { nHeads } = mixer;
    const fits = dInner % nHeads === 0 && dXb % (dInner / nHeads) === 0;
    const expected = `such that dInner / nHeads is whole and divides dXb ${dXb}`;
    problems.expect(fits, 'mixer.nHeads', expected, nHeads);
  } else {
    problems.expect(false, 'mixer.type', "'mamba' or 'mamba2'", (mixer as { type: unknown }).type);
  }
  const sorted = attentionLayers.every(
    (i, at) => Number.isInteger(i) && i >= 0 && i < nLayers && i > (attentionLayers[at - 1] ?? -1),
  );
  const layers = `different layers from 0 to ${nLayers - 1} in order`;
  problems.expect(sorted, 'attentionLayers', layers, `[${attentionLayers.join(', ')}]`);
  const layouts = layout === 'm1' || layout === 'mamba-in-llama';
  problems.expect(layouts, 'layout', "'m1' or 'mamba-in-llama'", layout);
}

function checkConv(width: number, field: string, problems: Problems): void {
  const fits = Number.isInteger(width) && width >= 2 && width <= 4;
  problems.expect(fits, field, 'an integer from 2 to 4', width);
}
