import {
  type Axis,
  channelOf,
  formatOf,
  fractionAt,
  roundDomain,
  tightDomain,
  valueAt,
} from './axes.js';
import { Figure } from './figure.js';
import { textWidth } from './fonts.js';
import { formatNumber, formatPercent } from './format.js';
import { seriesColors, spreadLabels } from './series.js';
import { PALETTE, THEME } from './theme.js';

/** A point of a line; `low` and `high`, where given, draw a band. */
export interface LinePoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
  /** Name of the line that the point belongs to; none in a chart of one line. */
  readonly series?: string;
}

/** A horizontal line across the chart: a limit, a target, a chance level. */
export interface Reference {
  readonly y: number;
  readonly label: string;
}

/** Options of {@link lines}. */
export interface LineOptions {
  readonly title: string;
  /** Lines below the title: what was measured, on how much data. */
  readonly subtitle?: string | readonly string[];
  readonly x: Axis;
  readonly y: Axis;
  /** A dot at every point; true by default, for charts of few measurements. */
  readonly markers?: boolean;
  /** False where the lines are named in a figure beside it, in the same colours; default true. */
  readonly named?: boolean;
  readonly references?: readonly Reference[];
  /** Colours of series by their names, as CSS has them; the theme's for others. */
  readonly colors?: Readonly<Record<string, string>>;
  /** Size of the plotting area in pixels; 480 by default. */
  readonly width?: number;
  /** 300 by default. */
  readonly height?: number;
}

type Point = LinePoint & { readonly series: string };

/** More lines than this are named in a legend instead of at their ends. */
const MAX_END_LABELS = 7;

const LEGEND = { title: null, symbolType: 'stroke', symbolSize: 300 } as const;

export const LABEL_SIZE = 12;
export const LABEL_WEIGHT = 600;

/** Pixels between the centres of neighbouring labels. */
const LABEL_GAP = 16;

/** A line that ends before this share of the width is named there, others at the edge. */
const EARLY_END = 0.8;

/** How much wider than the bundled typeface a viewer's own may be. */
export const WIDER = 0.3;

/** Pixels between the first and last points and the edges of the plot. */
const SIDE_PADDING = 12;

/**
 * Lines over a continuous x: metrics against steps, measurements against a size. Points that are
 * not finite (a loss that overflowed) are left out.
 *
 * @throws RangeError where no point is finite, or where a logarithmic axis has a value of 0 or less
 */
export function lines(points: readonly LinePoint[], options: LineOptions): Figure {
  const { title, subtitle, markers = true, references = [], width = 480, height = 300 } = options;
  const data: Point[] = points
    .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y))
    .map((point) => ({ ...point, series: point.series ?? '' }));
  if (data.length === 0) {
    throw new RangeError(`lines: expected at least one finite point, got ${points.length} points`);
  }
  const heights = data.flatMap(({ y, low = y, high = y }) => [y, low, high]);
  const yDomain = roundDomain([...heights, ...references.map(({ y }) => y)], options.y);
  const xValues = data.map((point) => point.x);
  const xDomain = tightDomain(xValues, options.x);
  const x = channelOf('x', options.x, xDomain, SIDE_PADDING);
  const y = channelOf('y', options.y, yDomain);

  const colors = seriesColors(
    data.map(({ series }) => series),
    options.colors,
  );
  const names = [...colors.keys()];
  const isNamed = names.length > 1 || names[0] !== '';
  const hasEndLabels = isNamed && options.named !== false && names.length <= MAX_END_LABELS;
  const withInterval = data.filter(({ low, high }) => low !== undefined && high !== undefined);
  const hasBand = withInterval.length > 0;
  const color = isNamed
    ? {
        field: 'series',
        type: 'nominal',
        scale: { domain: names, range: [...colors.values()] },
        legend: hasEndLabels || options.named === false ? null : LEGEND,
      }
    : { value: colors.get(names[0] as string) };
  const valueFormat = formatOf(options.y);
  const tooltip = [
    ...(isNamed ? [{ field: 'series', type: 'nominal' }] : []),
    { field: 'x', type: 'quantitative', title: options.x.title },
    { field: 'y', type: 'quantitative', title: options.y.title, ...valueFormat },
    ...(withInterval.length === data.length
      ? ['low', 'high'].map((field) => ({ field, type: 'quantitative', ...valueFormat }))
      : []),
  ];

  const layer: object[] = references.map((reference) => referenceLayer(reference, y, width));
  if (hasBand) {
    layer.push({
      transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
      mark: { type: 'area', opacity: 0.16 },
      encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
    });
  }
  layer.push({
    mark: { type: 'line', strokeWidth: 2.25, strokeJoin: 'round' },
    encoding: {
      x,
      y,
      color,
      ...(names.length > PALETTE.length ? { strokeDash: dash(names) } : {}),
    },
  });
  if (markers) {
    layer.push({
      mark: { type: 'point', filled: true, opacity: 1, size: 46 },
      encoding: { x, y, color, tooltip },
    });
  }
  let spill = 0;
  if (hasEndLabels) {
    const ends = names.map((name) => endOf(data.filter(({ series }) => series === name)));
    const reachOf = (end: Point) => fractionAt(end.x, xDomain, options.x);
    const early = ends.filter((end) => reachOf(end) < EARLY_END);
    const late = ends.filter((end) => reachOf(end) >= EARLY_END);
    for (const end of early) {
      const x = SIDE_PADDING + reachOf(end) * (width - 2 * SIDE_PADDING);
      layer.push(endLabel(end.series, x + 10, end.y));
    }
    const pixels = late.map((end) => fractionAt(end.y, yDomain, options.y) * height);
    spreadLabels(pixels, LABEL_GAP).forEach((pixel, i) => {
      const atEdge = valueAt(pixel / height, yDomain, options.y);
      layer.push(endLabel((late[i] as Point).series, width + 4, atEdge));
    });
    const widths = late.map(({ series }) => textWidth(series, LABEL_SIZE, LABEL_WEIGHT));
    spill = Math.ceil(WIDER * Math.max(0, ...widths));
  } else if (isNamed && options.named !== false) {
    spill = legendSpill(names);
  }

  function endLabel(series: string, pixel: number, height: number): object {
    return {
      data: { values: [{ series, y: height }] },
      mark: {
        type: 'text',
        align: 'left',
        baseline: 'middle',
        fontSize: LABEL_SIZE,
        fontWeight: LABEL_WEIGHT,
      },
      encoding: { x: { value: pixel }, y, color, text: { field: 'series', type: 'nominal' } },
    };
  }

  return new Figure({
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    description: describe(names, data, options),
    title: subtitle === undefined ? title : { text: title, subtitle },
    width,
    height,
    padding: { ...THEME.padding, right: THEME.padding.right + spill },
    data: { values: data },
    layer,
    config: THEME,
  });
}

/** The room beside a legend that a viewer's wider typeface takes. */
export function legendSpill(names: readonly string[]): number {
  const widths = names.map((name) => textWidth(name, THEME.legend.labelFontSize, 400));
  return Math.ceil(WIDER * Math.max(0, ...widths));
}

function referenceLayer({ y, label }: Reference, channel: object, width: number): object {
  const encoding = { y: channel };
  return {
    data: { values: [{ y, label }] },
    layer: [
      { mark: { type: 'rule', color: '#8c959f', strokeDash: [4, 3] }, encoding },
      {
        mark: {
          type: 'text',
          align: 'right',
          baseline: 'bottom',
          color: '#57606a',
          dy: -4,
          fontSize: 11,
        },
        encoding: { ...encoding, x: { value: width }, text: { field: 'label', type: 'nominal' } },
      },
    ],
  };
}

/** Past the last colour the palette starts again, with dashed lines. */
function dash(names: readonly string[]): object {
  const range = names.map((_, i) => (Math.floor(i / PALETTE.length) % 2 === 0 ? [1, 0] : [6, 4]));
  return { field: 'series', type: 'nominal', scale: { domain: names, range }, legend: LEGEND };
}

function endOf(points: readonly Point[]): Point {
  return points.reduce((last, point) => (point.x >= last.x ? point : last));
}

function describe(names: string[], data: Point[], { title, x, y }: LineOptions): string {
  const spell = y.format === 'percent' ? formatPercent : formatNumber;
  const courses = names.map((name) => {
    const own = data.filter(({ series }) => series === name).sort((a, b) => a.x - b.x);
    const [first, last] = [own[0] as Point, endOf(own)];
    const course =
      own.length === 1
        ? `${spell(first.y)} at ${formatNumber(first.x)}`
        : `from ${spell(first.y)} at ${formatNumber(first.x)} to ${spell(last.y)} at ${formatNumber(last.x)}`;
    return name === '' ? course : `${name}: ${course}`;
  });
  return `${title}. ${y.title} against ${x.title}; ${courses.join('; ')}.`;
}
