import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root, venvProgram } from '#setup/places.mjs';

/** A kernel and how the same things are said to it. */
export interface Contender {
  name: string;
  command(connectionFile: string): readonly string[];
  /** A cell with an import and a type. */
  typed: string;
  lines: string;
  complete: string;
  inspect: string;
  /** Cells that print a word and then never end; null where an interrupt is known to hang. */
  endless: { busy: string; waiting: string | null; loopAfterAwait: string | null };
}

const lines = `for (let i = 0; i < 100000; i++) console.log('line ' + i);`;

const ours: Contender = {
  name: 'mambalab',
  command: (file) => [process.execPath, join(root, 'dist', 'kernel', 'main.js'), file],
  typed: `import { passAtK } from 'mambalab/eval'; const p: number = passAtK(16, 4, 8); p`,
  lines,
  complete: 'console.lo',
  inspect: 'Math.max',
  endless: {
    busy: `console.log('begun'); for (;;) {}`,
    waiting: `console.log('begun'); await new Promise(() => {});`,
    loopAfterAwait: `console.log('begun'); await null; for (;;) {}`,
  },
};

function tslab(): Contender[] {
  const require = createRequire(import.meta.url);
  let program: string;
  try {
    program = join(require.resolve('tslab/package.json'), '..', 'bin', 'tslab');
  } catch {
    return [];
  }
  return [
    {
      ...ours,
      name: 'tslab',
      command: (file) => [process.execPath, program, 'kernel', '--config-path', file],
      typed: `import * as path from 'path'; const p: string = path.basename('/a/b'); p`,
      endless: { busy: ours.endless.busy, waiting: null, loopAfterAwait: null },
    },
  ];
}

function ipykernel(): Contender[] {
  const python = venvProgram('python');
  if (!existsSync(python)) return [];
  return [
    {
      name: 'ipykernel',
      command: (file) => [python, '-m', 'ipykernel_launcher', '-f', file],
      typed: 'import json\np: str = json.dumps([1])\np',
      lines: `for i in range(100000):\n    print('line ' + str(i))`,
      complete: 'print.__na',
      inspect: 'max',
      endless: {
        busy: `print('begun', flush=True)\nwhile True: pass`,
        waiting: null,
        loopAfterAwait: null,
      },
    },
  ];
}

function deno(): Contender[] {
  if (spawnSync('deno', ['--version'], { stdio: 'ignore' }).status !== 0) return [];
  return [
    {
      ...ours,
      name: 'Deno',
      command: (file) => ['deno', 'jupyter', '--kernel', '--conn', file],
      typed: `import { basename } from 'node:path'; { const p: string = basename('/a/b'); p }`,
      endless: { busy: ours.endless.busy, waiting: null, loopAfterAwait: null },
    },
  ];
}

/** Our kernel and the peers that are installed here. */
export function contenders(): Contender[] {
  return [ours, ...tslab(), ...ipykernel(), ...deno()];
}
