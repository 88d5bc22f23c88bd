/** One axis of a chart. */
export interface Axis {
  /** What it measures, with its unit in brackets where it has one. */
  readonly title: string;
  /** 'log2' and 'log10' label their powers; 'linear' by default. */
  readonly scale?: 'linear' | 'log2' | 'log10';
  /** 'percent' takes shares from 0 to 1; 'number' by default. */
  readonly format?: 'number' | 'percent';
  /** Start a linear axis at zero; false by default. */
  readonly zero?: boolean;
}

export type Domain = readonly [low: number, high: number];

const BASES = { log2: 2, log10: 10 } as const;

/** The round values of a logarithmic axis within one power of its base. */
const MANTISSAS = { log2: [1], log10: [1, 2, 5] } as const;

/** A logarithmic axis with more round values than this labels powers of its base alone. */
const MAX_TICKS = 9;

/** Intervals that a linear axis is divided into, about. */
const DIVISIONS = 5;

/** The smallest and largest value; a lone value gets some room, so that a scale can be made of it. */
export function tightDomain(values: readonly number[], axis: Axis): Domain {
  let low = values[0] ?? 0;
  let high = low;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const base = baseOf(axis);
  if (base !== undefined && low <= 0) {
    throw new RangeError(
      `axis "${axis.title}": a ${axis.scale} scale needs values above 0, got ${low}`,
    );
  }
  if (axis.zero && base === undefined) {
    [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  }
  if (low < high) {
    return [low, high];
  }
  return base === undefined ? [low - (low === 0 ? 0 : 0.5), high + 0.5] : [low / base, high * base];
}

/** The tight domain widened to round numbers. */
export function roundDomain(values: readonly number[], axis: Axis): Domain {
  const [low, high] = tightDomain(values, axis);
  if (axis.scale === 'log2' || axis.scale === 'log10') {
    const values = roundValues(low / BASES[axis.scale], high * BASES[axis.scale], axis.scale);
    const below = values.findLast((value) => value <= low * (1 + 1e-9));
    const above = values.find((value) => value >= high * (1 - 1e-9));
    return [below ?? low, above ?? high];
  }
  const step = roundStep((high - low) / DIVISIONS);
  const top = Math.ceil(high / step - 1e-9) * step;
  const isShare = axis.format === 'percent' && high <= 1;
  return [Math.floor(low / step + 1e-9) * step, isShare ? Math.min(top, 1) : top];
}

/** The Vega-Lite channel of an axis over a domain. */
export function channelOf(field: string, axis: Axis, domain: Domain, padding = 0): object {
  const base = baseOf(axis);
  return {
    field,
    type: 'quantitative',
    scale: {
      domain,
      nice: false,
      ...(base === undefined ? { zero: false } : { type: 'log', base }),
      ...(padding === 0 ? {} : { padding }),
    },
    axis: {
      title: axis.title,
      ...ticksOf(axis, domain),
      ...formatOf(axis),
    },
  };
}

/** The d3 format of an axis' values, where it isn't the usual one. */
export function formatOf(axis: Axis): { format?: string } {
  if (axis.format === 'percent') {
    return { format: '~%' };
  }
  return axis.scale === 'log2' || axis.scale === 'log10' ? { format: ',~g' } : {};
}

/** How far along its axis a value stands, 0 at the start of the domain and 1 at its end. */
export function fractionAt(value: number, [low, high]: Domain, axis: Axis): number {
  return baseOf(axis) === undefined
    ? (value - low) / (high - low)
    : Math.log(value / low) / Math.log(high / low);
}

/** The value that stands at a fraction of its axis: the inverse of {@link fractionAt}. */
export function valueAt(fraction: number, [low, high]: Domain, axis: Axis): number {
  return baseOf(axis) === undefined
    ? low + fraction * (high - low)
    : low * (high / low) ** fraction;
}

function baseOf({ scale = 'linear' }: Axis): number | undefined {
  return scale === 'linear' ? undefined : BASES[scale];
}

function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= step * (1 - 1e-9));
  return (factor ?? 10) * power;
}

function ticksOf({ scale = 'linear' }: Axis, [low, high]: Domain): object {
  if (scale === 'linear') {
    return { tickCount: DIVISIONS };
  }
  const values = roundValues(low, high, scale);
  const powers = values.filter((value) => Number.isInteger(Math.log10(value)));
  return { values: values.length > MAX_TICKS && scale === 'log10' ? powers : values };
}

/** The round values from `low` to `high`, in order. */
function roundValues(low: number, high: number, scale: 'log2' | 'log10'): number[] {
  const base = BASES[scale];
  const first = Math.floor(Math.log(low) / Math.log(base)) - 1;
  const last = Math.ceil(Math.log(high) / Math.log(base)) + 1;
  return Array.from({ length: last - first + 1 }, (_, i) => base ** (first + i))
    .flatMap((power) => MANTISSAS[scale].map((mantissa) => mantissa * power))
    .filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
}
