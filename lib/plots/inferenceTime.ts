import { type Axis, channelOf, roundDomain, tightDomain } from './axes.js';
import { Figure } from './figure.js';
import { formatNumber } from './format.js';
import { legendSpill } from './lines.js';
import { seriesColors } from './series.js';
import { THEME } from './theme.js';

/** The time of decoding at one batch size, or that the memory did not hold the batch. */
export interface InferenceTimePoint {
  /** The model. */
  readonly series: string;
  /** Sequences decoded together. */
  readonly batch: number;
  /** Time of all new tokens of all sequences; none where the memory ended. */
  readonly seconds?: number;
  /** The shortest that the machine allows. */
  readonly floorSeconds?: number;
  readonly outOfMemory?: boolean;
}

/** Options of {@link inferenceTime}. */
export interface InferenceTimeOptions {
  readonly title?: string;
  /** Lines below the title: machine, context, number of tokens. */
  readonly subtitle?: string | readonly string[];
  /** Size of the plotting area in pixels; 480 by default. */
  readonly width?: number;
  /** 320 by default. */
  readonly height?: number;
}

const BATCH: Axis = { title: 'Batch size (sequences)', scale: 'log2' };
const TIME: Axis = { title: 'Time of the new tokens (s)', scale: 'log10' };

const KINDS = ['measured', "machine's limit"] as const;

/**
 * Inference time against batch size: Figure 2 of "Thinking Slow, Fast" (arXiv 2502.20339). Beside each
 * model's line the machine's limit is dashed; a cross at the top is the batch at which memory ended.
 *
 * @throws RangeError where no point has a time, or a time or a batch is not above 0
 */
export function inferenceTime(
  points: readonly InferenceTimePoint[],
  options: InferenceTimeOptions = {},
): Figure {
  const {
    title = 'Inference time against batch size',
    subtitle,
    width = 480,
    height = 320,
  } = options;
  const rows = points.flatMap(({ series, batch, seconds, floorSeconds }) => [
    ...(seconds === undefined ? [] : [{ series, batch, seconds, kind: KINDS[0] }]),
    ...(floorSeconds === undefined
      ? []
      : [{ series, batch, seconds: floorSeconds, kind: KINDS[1] }]),
  ]);
  if (!rows.some(({ kind }) => kind === KINDS[0])) {
    throw new RangeError(
      `inferenceTime: expected a point with a time, got ${points.length} points`,
    );
  }
  const ends = firstEnds(points);
  const timeDomain = roundDomain(
    rows.map(({ seconds }) => seconds),
    TIME,
  );
  const batches = [...rows, ...ends].map(({ batch }) => batch);
  const x = channelOf('batch', BATCH, tightDomain(batches, BATCH), 14);
  const y = channelOf('seconds', TIME, timeDomain);
  const colors = seriesColors(points.map(({ series }) => series));
  const color = {
    field: 'series',
    type: 'nominal',
    title: null,
    scale: { domain: [...colors.keys()], range: [...colors.values()] },
    legend: { symbolType: 'stroke', symbolSize: 300 },
  };
  const strokeDash = {
    field: 'kind',
    type: 'nominal',
    title: null,
    scale: {
      domain: KINDS,
      range: [
        [1, 0],
        [5, 4],
      ],
    },
    legend: { symbolType: 'stroke', symbolSize: 300 },
  };
  const tooltip = [
    { field: 'series', type: 'nominal', title: 'Model' },
    { field: 'batch', type: 'quantitative', title: 'Batch' },
    { field: 'seconds', type: 'quantitative', title: 'Seconds', format: '.3~g' },
  ];
  const top = timeDomain[1];
  const layer: object[] = [
    {
      mark: { type: 'line', strokeWidth: 2, strokeJoin: 'round' },
      encoding: { x, y, color, strokeDash },
    },
    {
      transform: [{ filter: `datum.kind === '${KINDS[0]}'` }],
      mark: { type: 'point', filled: true, opacity: 1, size: 46 },
      encoding: { x, y, color, tooltip },
    },
  ];
  if (ends.length > 0) {
    const data = { values: ends.map((end) => ({ ...end, seconds: top })) };
    const place = { x, y, color };
    layer.push(
      {
        data,
        mark: { type: 'point', shape: 'cross', angle: 45, filled: true, opacity: 1, size: 130 },
        encoding: place,
      },
      {
        data: { values: [{ batch: Math.min(...ends.map(({ batch }) => batch)), seconds: top }] },
        mark: {
          type: 'text',
          align: 'right',
          dx: -12,
          dy: 1,
          baseline: 'middle',
          fontSize: 11,
          color: '#57606a',
        },
        encoding: { x, y, text: { value: 'out of memory' } },
      },
    );
  }
  return new Figure({
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    description: describe(title, points, [...colors.keys()]),
    title: subtitle === undefined ? title : { text: title, subtitle },
    width,
    height,
    padding: { ...THEME.padding, right: THEME.padding.right + legendSpill([...colors.keys()]) },
    data: { values: rows },
    layer,
    config: THEME,
  });
}

/** Each model's smallest batch that the memory did not hold. */
function firstEnds(points: readonly InferenceTimePoint[]): { series: string; batch: number }[] {
  const first = new Map<string, number>();
  for (const { series, batch, outOfMemory } of points) {
    if (outOfMemory) first.set(series, Math.min(batch, first.get(series) ?? batch));
  }
  return [...first].map(([series, batch]) => ({ series, batch }));
}

function describe(title: string, points: readonly InferenceTimePoint[], names: string[]): string {
  const ends = new Map(firstEnds(points).map(({ series, batch }) => [series, batch]));
  const courses = names.map((name) => {
    const own = points
      .filter(({ series, seconds }) => series === name && seconds !== undefined)
      .sort((a, b) => a.batch - b.batch);
    const at = (p: InferenceTimePoint) =>
      `${formatNumber(p.seconds as number)} s at batch ${formatNumber(p.batch)}`;
    const [first, last] = [own[0], own.at(-1)];
    const end = ends.has(name) ? `, out of memory at ${ends.get(name)}` : '';
    return first && last
      ? `${name}: from ${at(first)} to ${at(last)}${end}`
      : `${name}: no time${end}`;
  });
  return `${title}. ${courses.join('; ')}.`;
}
