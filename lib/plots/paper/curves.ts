/** What the paper's figures share: models by name, their curves, and what they were measured on. */
import {
  type AccuracyOptions,
  type Clock,
  type Measure,
  type ProblemSamples,
  powersOfTwo,
  problemSamples,
  recorded,
  type TimePoint,
  timeCurve,
} from '../../eval/index.js';
import { columnsOf, type ResultsTable } from '../../results/index.js';
import type { Figure } from '../figure.js';
import { textWidth } from '../fonts.js';
import { formatCount } from '../format.js';
import { LABEL_SIZE, LABEL_WEIGHT, lines, WIDER } from '../lines.js';

/** The completions of each model, by the name that the figure gives it. */
export type ResultsByModel = Readonly<Record<string, ResultsTable>>;

/** Options of the paper's figures. */
export interface PaperFigureOptions extends AccuracyOptions {
  readonly title?: string;
  /** Lines below the title, before the one that counts problems, samples and seeds. */
  readonly subtitle?: string | readonly string[];
  /** Numbers of completions; default the powers of two up to the fewest samples of any problem. */
  readonly ks?: readonly number[];
  /** Where a model's times come from; default its run's own. */
  readonly clocks?: Readonly<Record<string, Clock>>;
  /** What the benchmark is called. */
  readonly benchmark?: string;
  /** Colours of models by their names in the figure, as CSS has them; the theme's for others. */
  readonly colors?: Readonly<Record<string, string>>;
  /** Size of a panel in pixels; by default as much as lets two fit a notebook's page, from 200 to 290. */
  readonly width?: number;
  /** 230 by default. */
  readonly height?: number;
}

/** One model's completions, ready to be measured. */
export interface Measured {
  readonly name: string;
  readonly problems: readonly ProblemSamples[];
  readonly ks: readonly number[];
  readonly clock: Clock;
}

/**
 * Parts each table by problem, once for all the panels of a figure.
 *
 * @throws RangeError where there is no model or a model has no completions.
 */
export function measured(results: ResultsByModel, options: PaperFigureOptions): Measured[] {
  const models = Object.entries(results);
  if (models.length === 0)
    throw new RangeError('expected the results of at least one model, got none');
  return models.map(([name, table]) => {
    const problems = problemSamples(table);
    if (problems.length === 0) throw new RangeError(`the results of ${name} hold no completions`);
    const most = Math.min(...problems.map((p) => p.groups.length));
    const ks = options.ks ?? powersOfTwo(most);
    return { name, problems, ks, clock: options.clocks?.[name] ?? recorded };
  });
}

/** How many problems, samples and seeds a figure is made of. */
export function counted(results: ResultsByModel, options: PaperFigureOptions): string[] {
  const counts = Object.entries(results).map(([name, table]) => {
    const { promptId, seed } = columnsOf(table);
    const problems = new Set(Array.from(promptId)).size;
    const samples = promptId.length / problems;
    const each = Number.isInteger(samples) ? formatCount(samples) : `about ${samples.toFixed(1)}`;
    const seeds = [...new Set(Array.from(seed))].sort((a, b) => a - b);
    const named = `seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}`;
    return [name, `${formatCount(problems)} problems x ${each} samples, ${named}`] as const;
  });
  const texts = [...new Set(counts.map(([, text]) => text))];
  const lines = texts.length === 1 ? texts : counts.map(([name, text]) => `${name}: ${text}`);
  const confidence = Math.round(100 * (options.confidence ?? 0.95));
  const before = options.benchmark === undefined ? '' : `${options.benchmark}, `;
  const own = options.subtitle ?? [];
  return [
    ...(typeof own === 'string' ? [own] : own),
    ...lines.map((line, i) =>
      i === lines.length - 1 ? `${before}${line}; bands: ${confidence} % over problems` : line,
    ),
  ];
}

/** Beside more lines than this, whose ends lie close together in time, names would cover them. */
const NAMED_TWICE = 3;

/** What JupyterLab shows of a figure's width beside its file browser, in a window of 1280 pixels. */
const PAGE_WIDTH = 800;

/** Pixels of two panels that are neither plots nor names: axes, what stands between them, margins. */
const BETWEEN = 190;

const WIDTHS = { least: 200, most: 290 } as const;

/** The width of a panel where the names stand beside one of two panels, or beside both. */
function panelWidth(names: readonly string[], named: 1 | 2): number {
  const widest = Math.max(...names.map((name) => textWidth(name, LABEL_SIZE, LABEL_WEIGHT)));
  return Math.floor((PAGE_WIDTH - BETWEEN - named * (1 + WIDER) * widest) / 2);
}

const NAMES: Readonly<Record<Measure, string>> = {
  coverage: 'Coverage (pass@k)',
  majority: 'Majority vote',
  best: 'Best of N',
  weighted: 'Weighted best of N',
};

/**
 * A measure's curve of each model against the number of completions and against time, as two figures; of
 * many models the first alone names them, where it is the first of a figure's.
 */
export function bothWays(
  models: readonly Measured[],
  measure: Measure,
  options: PaperFigureOptions,
  isFirst = true,
): [Figure, Figure] {
  const curves = models.map(({ name, problems, ks, clock }) => ({
    name,
    points: timeCurve(problems, measure, ks, { ...options, clock }),
  }));
  const names = models.map(({ name }) => name);
  const isNamedTwice = names.length <= NAMED_TWICE && panelWidth(names, 2) >= WIDTHS.least;
  const fitting = panelWidth(names, isNamedTwice ? 2 : 1);
  const usualWidth = Math.min(WIDTHS.most, Math.max(WIDTHS.least, fitting));
  const draw = (x: (p: TimePoint) => number, title: string, scale: 'log2' | 'log10'): Figure => {
    const points = curves.flatMap(({ name, points }) =>
      points.map((p) => ({
        series: name,
        x: x(p),
        y: p.accuracy,
        low: p.low,
        high: p.high,
      })),
    );
    const { width = usualWidth, height = 230, colors } = options;
    return lines(points, {
      title: `${NAMES[measure]} over ${scale === 'log2' ? 'k' : 'time'}`,
      x: { title, scale },
      y: { title: NAMES[measure], format: 'percent', zero: true },
      named: (isFirst && scale === 'log2') || isNamedTwice,
      ...(colors !== undefined && { colors }),
      width,
      height,
    });
  };
  const kinds = new Set(models.map(({ clock }) => clock.kind));
  const how = kinds.size > 1 ? '' : kinds.has('recorded') ? ', recorded' : ', at best throughput';
  return [
    draw((p) => p.k, 'Completions per problem, k', 'log2'),
    draw((p) => p.seconds, `Seconds per problem${how}`, 'log10'),
  ];
}
