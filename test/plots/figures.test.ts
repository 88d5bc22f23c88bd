import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { coverageCurve, powersOfTwo } from '../../lib/eval/index.js';
import {
  bars,
  coverage,
  Figure,
  jupyterDisplay,
  type LinePoint,
  lines,
  throughput,
} from '../../lib/plots/index.js';

const tallies = Array.from({ length: 12 }, (_, i) => ({
  problem: i,
  samples: 16,
  correct: (i * 5) % 17,
}));
const curve = coverageCurve(tallies, powersOfTwo(16));

const manyLines: LinePoint[] = Array.from({ length: 9 }, (_, s) =>
  [1, 10, 100].map((x) => ({ x, y: s + x, series: `line ${s}` })),
).flat();

const figures: Record<string, () => Figure> = {
  'coverage of one model': () => coverage(curve, { title: 'One', subtitle: '12 problems' }),
  'coverage of two models': () => coverage({ teacher: curve, student: curve }),
  'coverage where nothing is right': () =>
    coverage(coverageCurve([{ problem: 0, samples: 4, correct: 0 }], [1])),
  throughput: () =>
    throughput(
      [
        { batch: 1, tokensPerSecond: 60 },
        { batch: 8, tokensPerSecond: 200, low: 190, high: 210 },
      ],
      { references: [{ y: 550, label: 'limit' }] },
    ),
  'a loss on a logarithmic scale': () =>
    lines(
      Array.from({ length: 200 }, (_, i) => ({ x: i, y: 6 * Math.exp(-i / 60) + 0.5 })),
      {
        title: 'Loss',
        x: { title: 'Step' },
        y: { title: 'Loss (nats)', scale: 'log10' },
        markers: false,
      },
    ),
  'nine lines with a legend': () =>
    lines(manyLines, { title: 'Nine', x: { title: 'x', scale: 'log10' }, y: { title: 'y' } }),
  bars: () =>
    bars(
      [
        { label: 'a', value: 0.5, low: 0.4, high: 0.7, group: 'x' },
        { label: 'b', value: 0.25, group: 'y' },
      ],
      { title: 'Bars', value: { title: 'Share', format: 'percent' } },
    ),
};

describe.each(Object.entries(figures))('%s', (_, make) => {
  it('compiles without a warning and draws every text of its spec', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const svg = await make().toSVG();
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
    expect(svg).toMatch(/^<svg [^>]*width="\d+"[^>]* role="img"><title>[^<]+<\/title>/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const { title } = make().spec as unknown as { title: string | { text: string } };
    expect(svg).toContain(`>${typeof title === 'string' ? title : title.text}</text>`);
  });

  it('says in words what it shows', () => {
    const { description } = make();
    expect(description.length).toBeGreaterThan(20);
    expect(description).not.toMatch(/NaN|undefined/);
  });

  it('is a bundle that Lab draws live and others draw as SVG, without HTML', async () => {
    const figure = make();
    const bundle = await figure[jupyterDisplay]();
    expect(Object.keys(bundle)).toEqual([
      'application/vnd.vegalite.v5+json',
      'image/svg+xml',
      'text/plain',
    ]);
    const spec = bundle['application/vnd.vegalite.v5+json'];
    expect(JSON.parse(JSON.stringify(spec))).toEqual(spec);
    expect(bundle['image/svg+xml']).toMatch(/^<svg/);
    expect(bundle['text/plain']).toBe(figure.description);
  });
});

describe('coverage', () => {
  it('puts data, band and axes where the numbers are', async () => {
    const svg = await coverage([
      { k: 1, coverage: 0.25, low: 0, high: 0.5 },
      { k: 4, coverage: 1, low: 0.5, high: 1 },
    ]).toSVG();
    // 480 x 300 with 12 pixels on either side: k = 1 and k = 4 stand at 12 and 468.
    expect(svg).toContain('d="M12,225L468,0"');
    expect(svg).toContain('M12,300L468,150L468,0L12,150Z');
    expect(Array.from(svg.matchAll(/>(\d+)%<\/text>/g), (match) => match[1])).toEqual(
      expect.arrayContaining(['0', '20', '40', '60', '80', '100']),
    );
  });

  it('names its courses', () => {
    const points = [
      { k: 1, coverage: 0.016, low: 0, high: 0.1 },
      { k: 16, coverage: 0.169, low: 0.1, high: 0.3 },
    ];
    expect(coverage(points).description).toBe(
      'Coverage against completions. Coverage (pass@k) against Completions per problem, k; ' +
        'from 1.6% at 1 to 16.9% at 16.',
    );
    expect(coverage({ teacher: points }).description).toContain('teacher: from 1.6% at 1');
  });
});

describe('lines', () => {
  const axes = { title: 'T', x: { title: 'x' }, y: { title: 'y' } };

  it('labels lines at their ends without overlap', async () => {
    const points = ['a', 'b', 'c'].flatMap((series, i) => [
      { x: 0, y: i, series: `label ${series}` },
      { x: 1, y: 5 + i * 0.001, series: `label ${series}` },
    ]);
    const svg = await lines(points, axes).toSVG();
    const heights = Array.from(svg.matchAll(/translate\(\d+,([\d.]+)\)[^>]*>label/g), (match) =>
      Number(match[1]),
    ).sort((a, b) => a - b);
    expect(heights).toHaveLength(3);
    expect((heights[1] ?? 0) - (heights[0] ?? 0)).toBeGreaterThan(14);
    expect((heights[2] ?? 0) - (heights[1] ?? 0)).toBeGreaterThan(14);
  });

  it('leaves out what is not finite and refuses to draw nothing', () => {
    const figure = lines(
      [
        { x: 1, y: 2 },
        { x: 2, y: Number.NaN },
      ],
      axes,
    );
    expect((figure.spec.data as { values: unknown[] }).values).toHaveLength(1);
    expect(() => lines([], axes)).toThrow(/at least one finite point, got 0/);
    expect(() => lines([{ x: 1, y: Number.POSITIVE_INFINITY }], axes)).toThrow(/got 1 points/);
  });

  it('refuses a logarithm of zero by the name of the axis', () => {
    const y = { title: 'Loss', scale: 'log10' } as const;
    expect(() => lines([{ x: 1, y: 0 }], { ...axes, y })).toThrow(
      /axis "Loss": a log10 scale needs values above 0, got 0/,
    );
  });

  it('writes markup in names as text', async () => {
    const name = '<b>&"x"';
    const svg = await lines([{ x: 1, y: 1, series: name }], { ...axes, title: name }).toSVG();
    expect(svg).not.toContain('<b>');
    expect(svg).toContain('&lt;b&gt;&amp;');
  });
});

describe('bars', () => {
  const options = { title: 'T', value: { title: 'v' } };

  it('keeps the order that it is given', async () => {
    const items = ['zebra', 'ape', 'mole'].map((label, i) => ({ label, value: i + 1 }));
    const svg = await bars(items, options).toSVG();
    const order = ['zebra', 'ape', 'mole'].map((label) => svg.indexOf(`>${label}</text>`));
    expect(order.every((place) => place > 0)).toBe(true);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
  });

  it('refuses nothing, repeats and what is not finite', () => {
    const bar = { label: 'a', value: 1 };
    expect(() => bars([], options)).toThrow(/at least one bar/);
    expect(() => bars([bar, bar], options)).toThrow(/some repeat/);
    expect(() => bars([{ label: 'a', value: Number.NaN }], options)).toThrow(/"a" must be finite/);
  });
});

describe('Figure', () => {
  const figure = coverage(curve);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mambalab-plots-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('draws its text into the PNG from the bundled typeface', async () => {
    const { rasterize } = await import('../../lib/plots/render.js');
    const svg = await figure.toSVG();
    const png = await figure.toPNG();
    const mute = rasterize(svg.replaceAll(/<text[^>]*>[^<]*<\/text>/g, ''), 2);
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.readUInt32BE(16)).toBe(2 * Number(/width="(\d+)"/.exec(svg)?.[1]));
    expect(png.length).toBeGreaterThan(mute.length * 1.3);
  });

  it('saves by extension, replaces whole, and leaves nothing beside', async () => {
    const path = join(folder, 'deep', 'figure.svg');
    await figure.save(path);
    await writeFile(path, 'old');
    await figure.save(path);
    expect(await readFile(path, 'utf8')).toBe(await figure.toSVG());
    await figure.save(join(folder, 'deep', 'figure.png'), { scale: 1 });
    await figure.save(join(folder, 'deep', 'figure.json'));
    expect(JSON.parse(await readFile(join(folder, 'deep', 'figure.json'), 'utf8'))).toEqual(
      figure.spec,
    );
    expect((await readdir(join(folder, 'deep'))).sort()).toEqual([
      'figure.json',
      'figure.png',
      'figure.svg',
    ]);
  });

  it('refuses other extensions and scales', async () => {
    await expect(figure.save(join(folder, 'figure.pdf'))).rejects.toThrow(/\.svg, \.png or \.json/);
    await expect(figure.toPNG({ scale: 0 })).rejects.toThrow(/scale must be above 0/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('takes any Vega-Lite specification', async () => {
    const custom = new Figure({
      $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
      description: 'two points',
      data: { values: [{ a: 1 }, { a: 2 }] },
      mark: 'point',
      encoding: { x: { field: 'a', type: 'quantitative' } },
    });
    expect(await custom.toSVG()).toContain('<title>two points</title>');
  });
});
