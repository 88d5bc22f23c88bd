/** Runs the program in this process and collects what it writes. */
import { run } from '../../lib/cli/program.js';

export async function mambalab(...args: string[]) {
  const said = { out: '', err: '' };
  const code = await run(args, {
    out: {
      write: (text: string) => {
        said.out += text;
      },
    },
    err: {
      write: (text: string) => {
        said.err += text;
      },
    },
  });
  return { code, ...said };
}
