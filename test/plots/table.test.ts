import { table as arqueroTable } from 'arquero';
import { describe, expect, it } from 'vitest';
import { jupyterDisplay, markdown, table, toDanfo } from '../../lib/plots/index.js';

const source = arqueroTable({
  problem: ['apples & <pears>', 'two\nlines', 'c'],
  correct: [3, 11, 0],
  share: [0.1875, 0.6875, 0],
  note: ['x', null, undefined],
});

const show = async (...args: Parameters<typeof table>) => {
  const bundle = await table(...args)[jupyterDisplay]();
  return { html: String(bundle['text/html']), text: String(bundle['text/plain']) };
};

describe('table', () => {
  it('aligns text, numbers to the right', async () => {
    const { text } = await show(source);
    expect(text.split('\n')).toEqual([
      'problem           correct   share  note',
      '----------------  -------  ------  ----',
      'apples & <pears>        3  0.1875  x',
      'two lines              11  0.6875',
      'c                       0       0',
      '3 rows',
    ]);
  });

  it('writes HTML with its cells as text', async () => {
    const { html } = await show(source);
    expect(html).toContain('apples &amp; &lt;pears&gt;</td>');
    expect(html).not.toContain('<pears>');
    expect(html.match(/<tr>/g)).toHaveLength(4);
    expect(html).toContain('text-align: right');
  });

  it('escapes column names', async () => {
    const { html } = await show(arqueroTable({ '<script>': [1] }));
    expect(html).not.toContain('<script>');
  });

  it('formats columns as asked and says what it left out', async () => {
    const format = { share: (value: unknown) => `${100 * Number(value)}%` };
    const { text, html } = await show(source, { limit: 2, format });
    expect(text).toContain('18.75%');
    expect(text).toContain('2 of 3 rows');
    expect(html).toContain('2 of 3 rows');
    expect(text).not.toContain('\nc ');
  });

  it('follows the order and filter of the table', async () => {
    const { text } = await show(source.orderby('correct').filter('d => d.correct < 10'));
    expect(text.split('\n').slice(2, 4)).toEqual([
      'c                       0       0',
      'apples & <pears>        3  0.1875  x',
    ]);
  });

  it('shows an empty table and refuses a limit of none', async () => {
    const { text } = await show(arqueroTable({ a: [] }));
    expect(text).toBe('a\n-\n0 rows');
    expect(() => table(source, { limit: -1 })).toThrow(/limit .* got -1/);
  });
});

describe('toDanfo', () => {
  it('hands over the same rows and columns', async () => {
    const frame = await toDanfo(source.select('problem', 'correct').filter('d => d.correct > 0'));
    expect(frame.columns).toEqual(['problem', 'correct']);
    expect(frame.values).toEqual([
      ['apples & <pears>', 3],
      ['two\nlines', 11],
    ]);
    expect(frame.column('correct').mean()).toBe(7);
  });

  it('refuses a table without rows', async () => {
    await expect(toDanfo(arqueroTable({ a: [] }))).rejects.toThrow(/at least one row/);
  });
});

describe('markdown', () => {
  it('is shown as it is', () => {
    expect(markdown('**3** of 4')[jupyterDisplay]()).toEqual({
      'text/markdown': '**3** of 4',
      'text/plain': '**3** of 4',
    });
  });
});
