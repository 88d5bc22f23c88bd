import type { CoveragePoint } from '../eval/index.js';
import type { Figure } from './figure.js';
import { type LineOptions, lines } from './lines.js';

/** Options of charts whose axes are given: those of `lines` without the axes. */
export type ChartOptions = Pick<
  LineOptions,
  'subtitle' | 'width' | 'height' | 'references' | 'colors'
> & {
  readonly title?: string;
};

/**
 * Coverage against the number of completions k, on a scale of powers of two, with intervals as
 * bands: the arrangement of the paper's Figures 1 (a) and 5 (a).
 *
 * @param curves one curve, or several by name
 */
export function coverage(
  curves: readonly CoveragePoint[] | Readonly<Record<string, readonly CoveragePoint[]>>,
  options: ChartOptions = {},
): Figure {
  const named = Array.isArray(curves) ? { '': curves as readonly CoveragePoint[] } : curves;
  const points = Object.entries(named).flatMap(([series, curve]) =>
    (curve as readonly CoveragePoint[]).map(({ k, coverage: y, low, high }) => ({
      series,
      x: k,
      y,
      low,
      high,
    })),
  );
  return lines(points, {
    title: 'Coverage against completions',
    ...options,
    x: { title: 'Completions per problem, k', scale: 'log2' },
    y: { title: 'Coverage (pass@k)', format: 'percent', zero: true },
  });
}
