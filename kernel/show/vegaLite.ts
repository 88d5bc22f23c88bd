import type { Bundle } from '../link/messages.js';

/** A Vega-Lite specification: a JSON object. */
export type VegaLiteSpec = Record<string, unknown>;

/** Whether an object says by its `$schema` that it is a Vega-Lite specification. */
export function isVegaLite(value: object): value is VegaLiteSpec {
  const { $schema } = value as VegaLiteSpec;
  return typeof $schema === 'string' && /\/schema\/vega-lite\/v\d/.test($schema);
}

/**
 * A chart: the specification, which JupyterLab draws live, and an SVG for everything else. Without
 * the packages that draw it, or where they cannot, the specification alone.
 */
export async function vegaLiteBundle(spec: VegaLiteSpec): Promise<Bundle> {
  const bundle: Bundle = {
    'application/vnd.vegalite.v5+json': spec,
    'text/plain': `Vega-Lite chart${typeof spec.title === 'string' ? `: ${spec.title}` : ''}`,
  };
  try {
    const [vegaLite, vega] = await Promise.all([import('vega-lite'), import('vega')]);
    const { spec: compiled } = vegaLite.compile(spec as never);
    const view = new vega.View(vega.parse(compiled), { renderer: 'none' });
    view.logLevel(vega.None);
    bundle['image/svg+xml'] = await view.toSVG();
    view.finalize();
  } catch (error) {
    bundle['text/plain'] = `${bundle['text/plain']} (not drawn here: ${(error as Error).message})`;
  }
  return bundle;
}
