/** Which notebooks `--only` means: by name, or by the number that a name begins with. */
import { CliError } from '../command.js';
import type { Notebook } from './notebook.js';

const numberOf = (name: string) => /^\d+(?=-|$)/.exec(name)?.[0];

function means(wanted: string, { name }: Notebook): boolean {
  if (name === wanted) return true;
  const number = numberOf(name);
  return /^\d+$/.test(wanted) && number !== undefined && Number(number) === Number(wanted);
}

/**
 * The chosen notebooks, each once, in the order in which they are asked for.
 * @param only names (`01-coverage`, `01-coverage.ipynb`) or numbers (`01`), each possibly several with
 *   commas; undefined for all
 * @throws CliError (exit code 2) that lists what there is, where a name or number is nobody's
 */
export function choose(
  all: readonly Notebook[],
  only: readonly string[] | undefined,
  folder: string,
): readonly Notebook[] {
  if (all.length === 0) throw new CliError(`${folder} has no notebooks (*.ipynb)`);
  if (only === undefined) return all;
  const known = `there are ${all.map(({ name }) => name).join(', ')}`;
  const wanted = only.flatMap((names) => names.split(',').map((name) => name.trim()));
  const asked = wanted.filter(Boolean);
  if (asked.length === 0) {
    throw new CliError(`--only: expected names or numbers of notebooks; ${known}`, 2);
  }
  const chosen = asked.flatMap((text) => {
    const found = all.filter((notebook) => means(text.replace(/\.ipynb$/, ''), notebook));
    if (found.length > 0) return found;
    throw new CliError(`--only: there is no notebook '${text}'; ${known}`, 2);
  });
  return [...new Set(chosen)];
}
