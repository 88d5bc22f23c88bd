import { Figure } from './figure.js';
import { THEME } from './theme.js';

/** Options of {@link panels}. */
export interface PanelsOptions {
  readonly title: string;
  /** Lines below the title: what was measured, on how much data. */
  readonly subtitle?: string | readonly string[];
  /** Figures beside each other; default 2. */
  readonly columns?: number;
}

/** Pixels between two rows of panels, and between neighbours at least. */
const BELOW = 36;
const BESIDE = 24;

/**
 * Several figures as the panels of one, each under its own title with a letter before it: `(a)`,
 * `(b)`. One alone has no letter.
 *
 * @throws RangeError for no figures.
 */
export function panels(figures: readonly Figure[], options: PanelsOptions): Figure {
  if (figures.length === 0) {
    throw new RangeError('panels: expected at least one figure, got none');
  }
  const { title, subtitle, columns = 2 } = options;
  const parts = figures.map(({ spec }, i) => {
    const { $schema: _, config: _config, description: _text, padding, title: own, ...rest } = spec;
    const text = typeof own === 'string' ? own : ((own as { text?: string })?.text ?? '');
    const letter = figures.length > 1 ? `(${String.fromCharCode(97 + i)}) ` : '';
    // Labels at the ends of lines need the room that a figure of its own has as padding.
    const right = (padding as { right?: number } | undefined)?.right ?? 0;
    return { ...rest, title: { text: `${letter}${text}`, fontSize: 13 }, spill: right };
  });
  const last = Math.min(columns, parts.length) - 1;
  const spillOf = (isLast: boolean): number =>
    Math.max(0, ...parts.filter((_, i) => (i % columns === last) === isLast).map((p) => p.spill));
  const spacing = Math.max(BESIDE, spillOf(false));
  const rows: object[] = [];
  for (let i = 0; i < parts.length; i += columns) {
    const row = parts.slice(i, i + columns).map(({ spill: _, ...part }) => part);
    rows.push({ hconcat: row, spacing });
  }
  return new Figure({
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    description: `${title}. ${figures.map(({ description }) => description).join(' ')}`,
    title: subtitle === undefined ? title : { text: title, subtitle },
    padding: { ...THEME.padding, right: Math.max(THEME.padding.right, spillOf(true)) },
    vconcat: rows,
    spacing: BELOW,
    config: THEME,
  });
}
