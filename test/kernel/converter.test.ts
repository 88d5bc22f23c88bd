import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cellRows } from './cellTable.js';
import { Notebook } from './notebook.js';

describe('the converter', () => {
  let folder: string;
  let notebook: Notebook;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mambalab-cells-'));
    writeFileSync(join(folder, 'numbers.json'), '{ "pi": 3.14 }\n');
    notebook = new Notebook(folder);
    await notebook.run('1');
  }, 180_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has a table of at least 150 cells', () => {
    expect(cellRows.flatMap(({ rows }) => rows).length).toBeGreaterThanOrEqual(150);
  });

  for (const { title, rows } of cellRows) {
    describe(title, () => {
      for (const [source, expected] of rows) {
        const cells = typeof source === 'string' ? [source] : source;
        it(cells.join(' ⏎ ').replaceAll(/\s+/g, ' '), { timeout: 180_000 }, async () => {
          notebook.reset();
          const before = cells.slice(0, -1);
          for (const cell of before) {
            const { diagnostics, thrown } = await notebook.run(cell);
            expect(diagnostics).toEqual([]);
            if (thrown !== undefined && !/throw/.test(cell)) throw thrown;
          }
          const end = await notebook.run(cells.at(-1)!);
          expect(end.diagnostics.map(({ code }) => code)).toEqual(expected.wrong ?? []);
          if (expected.at !== undefined) {
            const [first] = end.diagnostics;
            expect([first?.line, first?.column]).toEqual(expected.at);
          }
          if (expected.throws === undefined && end.thrown !== undefined) throw end.thrown;
          if (expected.throws !== undefined) expect(String(end.thrown)).toMatch(expected.throws);
          if (expected.value !== undefined) expect(end.value).toEqual(expected.value);
          if (expected.names !== undefined) expect(end.names.sort()).toEqual(expected.names);
        });
      }
    });
  }
});
