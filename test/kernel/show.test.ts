import { inflateSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as aq from 'arquero';
import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../kernel/link/messages.js';
import { bundleOf, displaySymbol } from '../../kernel/show/bundle.js';
import * as show from '../../kernel/show/helpers.js';

const bundle = async (value: unknown): Promise<Bundle> => bundleOf(value);
const plain = async (value: unknown): Promise<string> =>
  String((await bundle(value))['text/plain']);
const markup = async (value: unknown): Promise<string> =>
  String((await bundle(value))['text/html']);

describe('tables', () => {
  it("of arquero are HTML and text, in the table's own order and filter", async () => {
    const table = aq
      .table({ name: ['b', 'a', '<c>'], x: [1, 2.123456789, null] })
      .filter((d: { name: string }) => d.name !== 'b')
      .orderby('name');
    expect(await markup(table)).toContain('<td style="text-align: left">&lt;c&gt;</td>');
    expect(await plain(table)).toBe(
      ['name  x', '<c>   null', 'a     2.12346', 'Table: 2 rows × 2 columns'].join('\n'),
    );
  });

  it('that are long are cut, with a count of what there is', async () => {
    const table = aq.table({ n: Array.from({ length: 1000 }, (_, i) => i) });
    const text = await plain(table);
    expect(text.split('\n')).toHaveLength(1 + 20 + 1 + 5 + 1);
    expect(text).toContain('1,000 rows × 1 column, of which 25 rows are shown');
    expect(text).toContain('999');
    const html = await markup(table);
    expect(html.match(/<tr>/g)).toHaveLength(1 + 20 + 1 + 5);
    expect(await plain(show.table(table, { limit: 3 }))).toContain('of which 3 rows are shown');
  });

  it('that are wide are cut, and empty ones shown', async () => {
    const wide = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`c${i}`, [i]]));
    expect(await plain(aq.table(wide))).toContain('50 columns, of which 30 columns are shown');
    expect(await plain(aq.table({ a: [] }))).toContain('0 rows × 1 column');
  });

  it('of danfojs show their index and types', async () => {
    // Its look as its own package has it: the package itself takes seconds to load.
    const frame = {
      columns: ['a', 'b'],
      dtypes: ['int32', 'string'],
      index: ['first', 'second'],
      shape: [2, 2],
      values: [
        [1, 'x'],
        [2, 'y'],
      ],
    };
    expect(await markup(frame)).toContain('<small>int32</small>');
    expect(await plain(frame)).toMatch(/first +1 {2}x/);
    expect(await plain(frame)).toContain('DataFrame: 2 rows × 2 columns');
    const series = { ...frame, columns: ['a'], dtypes: ['int32'], shape: [2], values: [1, 2] };
    expect(await plain(series)).toContain('Series: 2 rows × 1 column');
  });

  it('are made of rows, of columns, and refused for the rest', async () => {
    expect(await plain(show.table([{ a: 1 }, { b: 2 }]))).toContain('2 rows × 2 columns');
    expect(await plain(show.table({ a: new Float32Array([1, 2]) }))).toContain('2 rows × 1 column');
    expect(() => show.table(5)).toThrow('table: expected rows');
    expect(() => show.table({ a: 5 })).toThrow('table: expected rows');
  });
});

describe('tensors', () => {
  it('show shape, type, statistics and a corner', async () => {
    const tensor = tf.tensor2d([
      [1, 2.5],
      [-3, Number.NaN],
    ]);
    const text = await plain(tensor);
    expect(text).toContain('Tensor float32 [2, 2], 4 values');
    expect(text).toContain('min -3, mean 0.1667, max 2.5, std');
    expect(text).toContain('1 NaN');
    expect(await markup(tensor)).toContain('<td>2.5</td>');
  });

  it('of many values and axes show only the beginning', async () => {
    const text = await plain(tf.zeros([3, 100, 100]));
    expect(text).toContain('[0, :, :]');
    expect(text).toContain('…');
    expect(text.split('\n').length).toBeLessThan(12);
  });

  it('of other types, empty or disposed, are shown too', async () => {
    expect(await plain(tf.scalar(3))).toContain('Tensor float32 [], 1 value');
    expect(await plain(tf.tensor1d(['a', 'b']))).toContain("'a'");
    expect(await plain(tf.tensor1d([true, false]))).toContain('true');
    expect(await plain(tf.complex([1], [-2]))).toContain('1-2i');
    expect(await plain(tf.zeros([0, 3]))).toContain('0 values');
    const gone = tf.scalar(1);
    gone.dispose();
    expect(await plain(gone)).toContain('disposed');
  });

  it('become images where asked', async () => {
    const shown = await bundle(show.image(tf.tensor2d([[0, 1]])));
    const png = Buffer.from(String(shown['image/png']), 'base64');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2, 1]);
    const length = png.readUInt32BE(33);
    expect([...inflateSync(png.subarray(41, 41 + length))]).toEqual([0, 0, 255]);
    expect(() => show.image(tf.zeros([2, 2, 7]))).toThrow('image: expected a tensor');
  });
});

describe('helpers', () => {
  it('escape the values of templates, but not markup of their own', async () => {
    expect(await markup(show.html`<b>${'<i>'}</b>`)).toBe('<b>&lt;i&gt;</b>');
    expect(await markup(show.html`<p>${show.html('<i>x</i>')}</p>`)).toBe('<p><i>x</i></p>');
    expect((await bundle(show.svg`<svg id="${'"'}"/>`))['image/svg+xml']).toBe(
      '<svg id="&quot;"/>',
    );
  });

  it('make Markdown, LaTeX, JSON and images', async () => {
    expect((await bundle(show.md`# ${1 + 1}`))['text/markdown']).toBe('# 2');
    expect((await bundle(show.latex`\frac{1}{2}`))['text/latex']).toBe('$$\\frac{1}{2}$$');
    expect((await bundle(show.latex('$x$')))['text/latex']).toBe('$x$');
    expect((await bundle(show.json({ a: [1] })))['application/json']).toEqual({ a: [1] });
    const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1]);
    expect((await bundle(show.image(png)))['image/png']).toBe(Buffer.from(png).toString('base64'));
    expect(await markup(show.image(png, { width: 20, alt: '"q"' }))).toContain(
      'width="20" alt="&quot;q&quot;"',
    );
    expect(() => show.image(new Uint8Array([1, 2, 3]))).toThrow('image: expected the bytes');
  });

  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: 'Points',
    data: { values: [{ x: 1, y: 2 }] },
    mark: 'point',
    encoding: { x: { field: 'x', type: 'quantitative' } },
  };

  it('draw Vega-Lite live and as SVG, also a bare specification', async () => {
    for (const value of [spec, show.vegaLite(spec)]) {
      const shown = await bundle(value);
      expect(shown['application/vnd.vegalite.v5+json']).toEqual(spec);
      expect(shown['image/svg+xml']).toContain('<svg');
      expect(shown['text/plain']).toBe('Vega-Lite chart: Points');
    }
    const broken = await bundle(show.vegaLite({ mark: 5 }));
    expect(broken['text/plain']).toContain('not drawn here');
  });
});

describe('other values', () => {
  it('are printed as a person would want', async () => {
    class Point {
      constructor(
        readonly x: number,
        readonly y: number,
      ) {}
    }
    expect(await plain(new Map([['a', new Set([1])]]))).toBe("Map(1) { 'a' => Set(1) { 1 } }");
    expect(await plain(new Point(1, 2))).toBe('Point { x: 1, y: 2 }');
    expect(await plain(Array.from({ length: 1000 }, () => 0))).toContain('900 more items');
    expect(await plain(new Float32Array(3))).toBe('Float32Array(3) [ 0, 0, 0 ]');
    expect(await plain(new Error('outer', { cause: new TypeError('inner') }))).toContain('inner');
  });

  it('that are too long are cut, and too large displays replaced, with a word', async () => {
    const long = { [displaySymbol]: () => ({ 'text/plain': 'x'.repeat(5_000_000) }) };
    expect(await plain(long)).toContain('4,000,000 characters are left out');
    const huge = { [displaySymbol]: () => ({ 'text/html': 'x'.repeat(100_000_001) }) };
    expect(await bundle(huge)).toEqual({
      'text/plain': expect.stringContaining('too large to be shown'),
    });
  });

  it('that only look like tables or tensors fall back on their text', async () => {
    const liar = {
      shape: [1],
      dtype: 'float32',
      size: 1,
      dataSync: () => {
        throw new Error('no data');
      },
    };
    expect(await plain(liar)).toContain('dtype');
    const trap = new Proxy(
      {},
      {
        get: () => {
          throw new Error('no');
        },
      },
    );
    expect(await plain(trap)).toBe('{}');
  });
});
