import { type Axis, formatOf, roundDomain } from './axes.js';
import { Figure } from './figure.js';
import { formatNumber, formatPercent } from './format.js';
import { seriesColors } from './series.js';
import { THEME } from './theme.js';

/** One bar; `low` and `high`, where given, draw an interval over its end. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
  /** Bars of one group share a colour. */
  readonly group?: string;
}

/** Options of {@link bars}. */
export interface BarOptions {
  readonly title: string;
  readonly subtitle?: string | readonly string[];
  /** The axis of the values; it starts at zero. */
  readonly value: Omit<Axis, 'scale' | 'zero'>;
  /** Width of the plotting area in pixels; 420 by default. */
  readonly width?: number;
}

/** Height of a bar with its gap, in pixels. */
const ROW = 24;

/**
 * Horizontal bars in the order given, each with its value written at its end.
 *
 * @throws RangeError where there are no bars, a value is not finite or two labels are the same
 */
export function bars(items: readonly Bar[], options: BarOptions): Figure {
  const { title, subtitle, value, width = 420 } = options;
  if (items.length === 0) {
    throw new RangeError('bars: expected at least one bar, got none');
  }
  for (const { label, value: size } of items) {
    if (!Number.isFinite(size)) {
      throw new RangeError(`bars: the value of "${label}" must be finite, got ${size}`);
    }
  }
  if (new Set(items.map(({ label }) => label)).size < items.length) {
    throw new RangeError('bars: each label must stand for one bar, but some repeat');
  }
  const spell = value.format === 'percent' ? formatPercent : formatNumber;
  const data = items.map((item) => ({
    ...item,
    group: item.group ?? '',
    text: spell(item.value),
    end: Math.max(item.value, item.high ?? item.value),
  }));
  const extents = data.flatMap(({ value: size, low = size, end }) => [size, low, end]);
  const domain = roundDomain(extents, { ...value, zero: true });
  const colors = seriesColors(data.map(({ group }) => group));
  const y = {
    field: 'label',
    type: 'nominal',
    sort: data.map(({ label }) => label),
    axis: { title: null, ticks: false, domain: false },
  };
  const x = {
    field: 'value',
    type: 'quantitative',
    scale: { domain, nice: false },
    axis: {
      title: value.title,
      grid: true,
      domain: false,
      ticks: false,
      labelFlush: false,
      tickCount: 5,
      ...formatOf(value),
    },
  };
  const color = {
    field: 'group',
    type: 'nominal',
    scale: { domain: [...colors.keys()], range: [...colors.values()] },
    legend: colors.size > 1 ? { title: null, orient: 'top' } : null,
  };
  return new Figure({
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    description: `${title}. ${value.title}: ${data.map(({ label, text }) => `${label} ${text}`).join(', ')}.`,
    title: subtitle === undefined ? title : { text: title, subtitle },
    width,
    height: { step: ROW },
    data: { values: data },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.72 }, cornerRadiusEnd: 2 },
        encoding: { x, y, color },
      },
      ...(data.some(({ high }) => high !== undefined)
        ? [
            {
              transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
              mark: { type: 'rule', color: '#1f2328', strokeWidth: 1.25 },
              encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y },
            },
          ]
        : []),
      {
        mark: { type: 'text', align: 'left', dx: 6, fontSize: 12, color: '#1f2328' },
        encoding: { x: { ...x, field: 'end' }, y, text: { field: 'text', type: 'nominal' } },
      },
    ],
    config: THEME,
  });
}
