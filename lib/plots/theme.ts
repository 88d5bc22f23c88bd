/** The typeface that PNGs are drawn with and text is measured in; browsers fall back to theirs. */
export const FONT_FAMILY = 'Inter';

/**
 * Series colours, told apart with any colour vision: the palette of Okabe and Ito 2008 without its
 * yellow, which is lost on white.
 */
export const PALETTE = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#4d4d4d',
] as const;

const INK = '#1f2328';
const MUTED = '#57606a';
const RULE = '#e4e7eb';

/** The Vega-Lite configuration that all figures share. */
export const THEME = {
  background: '#ffffff',
  padding: { left: 10, top: 10, right: 14, bottom: 10 },
  font: `${FONT_FAMILY}, system-ui, sans-serif`,
  title: {
    anchor: 'start',
    frame: 'bounds',
    color: INK,
    fontSize: 16,
    fontWeight: 600,
    offset: 14,
    subtitleColor: MUTED,
    subtitleFontSize: 12,
    subtitlePadding: 6,
    subtitleLineHeight: 16,
  },
  axis: {
    domainColor: '#8c959f',
    tickColor: '#8c959f',
    gridColor: RULE,
    labelColor: MUTED,
    labelFontSize: 12,
    labelLimit: 260,
    labelPadding: 5,
    titleColor: INK,
    titleFontSize: 13,
    titleFontWeight: 400,
    titlePadding: 10,
  },
  axisX: { grid: false },
  axisY: { domain: false, ticks: false },
  legend: {
    labelColor: INK,
    labelFontSize: 12,
    titleColor: INK,
    titleFontSize: 12,
    titleFontWeight: 600,
    symbolStrokeWidth: 2.5,
  },
  view: { stroke: null },
  range: { category: [...PALETTE] },
} as const;

/** What each colour of the theme becomes on a dark page; others stay. */
export const DARK: Readonly<Record<string, string>> = {
  '#ffffff': '#0d1117',
  [INK]: '#e6edf3',
  [MUTED]: '#9198a1',
  [RULE]: '#2a313a',
  '#0072b2': '#58a6e0',
  '#d55e00': '#f0803c',
  '#009e73': '#2fbf95',
  '#cc79a7': '#dd93bd',
  '#4d4d4d': '#c3c9d0',
};
