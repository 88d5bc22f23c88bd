import { extname } from 'node:path';
import { type Displayable, jupyterDisplay, type MimeBundle } from './display.js';
import { rasterize, renderSVG } from './render.js';
import { DARK } from './theme.js';
import { writeFileAtomic } from './writeFileAtomic.js';

/**
 * A Vega-Lite 5 specification as JSON. Wider than Vega-Lite's own type on purpose: that one costs a
 * notebook seconds of type-checking.
 */
export interface VegaLiteSpec {
  readonly $schema: 'https://vega.github.io/schema/vega-lite/v5.json';
  /** What the figure shows, in words: its alternative text. */
  readonly description: string;
  readonly [key: string]: unknown;
}

/** A chart: shown live in a notebook, and drawn as SVG or PNG anywhere. */
export class Figure implements Displayable {
  constructor(readonly spec: VegaLiteSpec) {}

  /** What the figure shows, in words. */
  get description(): string {
    return this.spec.description;
  }

  /** The same figure for a dark page. */
  dark(): Figure {
    const light = JSON.stringify(this.spec);
    const spec = light.replace(/"(#[0-9a-f]{6})"/g, (text, color: string) =>
      Object.hasOwn(DARK, color) ? `"${DARK[color]}"` : text,
    );
    return new Figure(JSON.parse(spec) as VegaLiteSpec);
  }

  /** The figure as SVG; text stays text, in Inter or the viewer's own sans-serif. */
  async toSVG(): Promise<string> {
    return renderSVG(this.spec);
  }

  /**
   * The figure as PNG.
   *
   * @param options.scale pixels per unit of the figure's size; 2 by default
   * @throws RangeError for a scale that is not above 0 and at most 16
   */
  async toPNG(options: { scale?: number } = {}): Promise<Buffer> {
    return rasterize(await this.toSVG(), options.scale ?? 2);
  }

  /**
   * Writes the figure as its extension says: .svg, .png, or .json for the specification. A file of
   * that name is replaced in one step, so no reader sees half of it.
   *
   * @throws RangeError for another extension
   */
  async save(path: string, options: { scale?: number } = {}): Promise<void> {
    await writeFileAtomic(path, await this.#encode(path, options));
  }

  /** What a notebook shows: the specification, the SVG, and the figure in words. */
  async [jupyterDisplay](): Promise<MimeBundle> {
    return {
      'application/vnd.vegalite.v5+json': this.spec,
      'image/svg+xml': await this.toSVG(),
      'text/plain': this.description,
    };
  }

  async #encode(path: string, options: { scale?: number }): Promise<string | Buffer> {
    switch (extname(path).toLowerCase()) {
      case '.svg':
        return this.toSVG();
      case '.png':
        return this.toPNG(options);
      case '.json':
        return `${JSON.stringify(this.spec, null, 2)}\n`;
      default:
        throw new RangeError(
          `Figure.save: expected a path that ends in .svg, .png or .json, got ${path}`,
        );
    }
  }
}
