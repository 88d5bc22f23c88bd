import { createRequire } from 'node:module';
import { Resvg, type ResvgRenderOptions } from '@resvg/resvg-js';
import { escapeHtml } from './display.js';
import { FONT_FAMILY } from './theme.js';

const { resolve } = createRequire(import.meta.url);

/** The bundled faces alone, so that a PNG is the same on a machine with other fonts or none. */
export const BUNDLED_FONTS: NonNullable<ResvgRenderOptions['font']> = {
  loadSystemFonts: false,
  fontFiles: [
    resolve('@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf'),
    resolve('@expo-google-fonts/inter/600SemiBold/Inter_600SemiBold.ttf'),
  ],
  defaultFontFamily: FONT_FAMILY,
  sansSerifFamily: FONT_FAMILY,
};

/** Widths scale with the size, so one size is measured and others follow. */
const MEASURED_SIZE = 32;

const cache = new Map<string, number>();

/** Width of a line of text in the bundled typeface, in pixels. */
export function textWidth(text: string, size: number, weight: number): number {
  const key = `${weight} ${text}`;
  let width = cache.get(key);
  if (width === undefined) {
    const svg =
      `<svg xmlns="http://www.w3.org/2000/svg" width="4000" height="100"><text y="50" ` +
      `font-family="${FONT_FAMILY}" font-size="${MEASURED_SIZE}" font-weight="${weight}">` +
      `${escapeHtml(text)}</text></svg>`;
    width = new Resvg(svg, { font: BUNDLED_FONTS }).getBBox()?.width ?? 0;
    cache.set(key, width);
  }
  return (width * size) / MEASURED_SIZE;
}
