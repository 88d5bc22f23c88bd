import { Resvg } from '@resvg/resvg-js';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { escapeHtml } from './display.js';
import type { VegaLiteSpec } from './figure.js';
import { BUNDLED_FONTS, textWidth } from './fonts.js';

interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: number | string;
  readonly limit?: number;
}

// Without a canvas Vega takes every character for 0.8 em, which leaves wide gaps beside titles,
// labels and legends. Its width function is the hook that it offers for better metrics.
const { textMetrics } = vega as unknown as {
  textMetrics: { width: (item: TextItem, text: unknown) => number };
};
textMetrics.width = ({ fontSize = 11, fontWeight, limit = 0 }, text) => {
  const weight = fontWeight === 'bold' || Number(fontWeight) >= 550 ? 600 : 400;
  const width = textWidth(String(text ?? '').trim(), fontSize, weight);
  return limit > 0 ? Math.min(width, limit) : width;
};

/**
 * Draws a Vega-Lite specification as SVG, without a browser or a canvas.
 *
 * @throws Error where Vega-Lite cannot compile the specification or its data cannot be loaded
 */
export async function renderSVG(spec: VegaLiteSpec): Promise<string> {
  // Vega marks the data that it reads, so it gets its own copy.
  const { spec: compiled } = compile(structuredClone(spec) as unknown as TopLevelSpec);
  const view = new vega.View(vega.parse(compiled), {
    renderer: 'none',
    logLevel: vega.Warn,
  });
  try {
    return withTitle(await view.toSVG(), spec.description);
  } finally {
    view.finalize();
  }
}

/** Gives an SVG its description, for readers of the screen and as a tool tip. */
function withTitle(svg: string, description: string): string {
  return svg.replace(
    /^<svg[^>]*>/,
    (tag) => `${tag.slice(0, -1)} role="img"><title>${escapeHtml(description)}</title>`,
  );
}

/** Draws an SVG as PNG at `scale` pixels per unit, with the bundled typeface. */
export function rasterize(svg: string, scale: number): Buffer {
  if (!(scale > 0 && scale <= 16)) {
    throw new RangeError(`toPNG: scale must be above 0 and at most 16, got ${String(scale)}`);
  }
  const image = new Resvg(svg, { fitTo: { mode: 'zoom', value: scale }, font: BUNDLED_FONTS });
  return image.render().asPng();
}
