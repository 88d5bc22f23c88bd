/** Writes small notebooks for Python's kernel, which the project's environment always has. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function writeNotebook(
  folder: string,
  name: string,
  markdown: string,
  code: string[],
  mambalab?: object,
): void {
  const cell = (i: number, type: string, source: string) => ({
    cell_type: type,
    id: `cell-${i}`,
    metadata: {},
    source,
    ...(type === 'code' ? { outputs: [], execution_count: null } : {}),
  });
  const cells = [cell(0, 'markdown', markdown), ...code.map((c, i) => cell(i + 1, 'code', c))];
  const kernelspec = { name: 'python3', display_name: 'Python 3', language: 'python' };
  const notebook = {
    cells,
    metadata: { kernelspec, ...(mambalab && { mambalab }) },
    nbformat: 4,
    nbformat_minor: 5,
  };
  writeFileSync(join(folder, `${name}.ipynb`), JSON.stringify(notebook));
}
