import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from './client.js';
import { Notebook } from './notebook.js';
import { plainModule, type RandomSequence, randomSequence } from './randomCells.js';

const minutes = 60_000;

/** Sequences that share a notebook: the compiler's work for a cell hardly depends on its length. */
const together = 100;

/** Final values of a sequence, run as one plain module. */
async function plainly(sequence: RandomSequence): Promise<Record<string, unknown>> {
  const wrapped = `(async function () {"use strict";\n${plainModule(sequence)}\n})`;
  const { outputText } = ts.transpileModule(wrapped, {
    compilerOptions: { target: ts.ScriptTarget.ES2022 },
  });
  const body = new Script(outputText).runInThisContext() as () => Promise<Record<string, unknown>>;
  return body();
}

describe('random sequences of cells', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mambalab-fuzz-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('10,000 of them leave the scope as one plain module does', {
    timeout: 20 * minutes,
  }, async () => {
    const notebook = new Notebook(folder);
    for (let start = 0; start < 10_000; start += together) {
      notebook.reset();
      // A cell that fails ends there, so only the last of the sequences may have some.
      const sequences = Array.from({ length: together }, (_, i) =>
        randomSequence(start + i, `_${i}`, i === together - 1),
      );
      const longest = Math.max(...sequences.map(({ cells }) => cells.length));
      for (let at = 0; at < longest; at += 1) {
        const code = sequences.map(({ cells }) => cells[at]?.notebook ?? '').join('\n');
        const { diagnostics, thrown } = await notebook.run(code);
        const wrong = diagnostics.map(({ message, sourceLine }) => `${message}: ${sourceLine}`);
        expect(wrong, `sequences from ${start}`).toEqual([]);
        if (thrown !== undefined) expect(String(thrown), `from ${start}`).toBe('Error: stop');
      }
      for (const [i, sequence] of sequences.entries()) {
        const values = sequence.names.map((name) => [name, notebook.scope[name]]);
        const cells = sequence.cells.map((cell) => cell.notebook).join('\n// ---\n');
        expect(Object.fromEntries(values), `seed ${start + i}:\n${cells}`).toEqual(
          await plainly(sequence),
        );
      }
    }
  });

  it('fifty of them leave a kernel alive and right', { timeout: 20 * minutes }, async () => {
    const client = await Client.start();
    try {
      for (let seed = 20_000; seed < 20_050; seed += 1) {
        const sequence = randomSequence(seed);
        for (const cell of sequence.cells) {
          await client.execute(cell.notebook, { stop_on_error: false });
        }
        const { reply } = await client.execute('', {
          user_expressions: { all: `JSON.stringify({ ${sequence.names.join(', ')} })` },
        });
        const { all } = reply.content.user_expressions as {
          all: { data: Record<string, string> };
        };
        const expected = JSON.stringify(await plainly(sequence));
        expect(all.data?.['text/plain']?.slice(1, -1), `seed ${seed}`).toBe(expected);
      }
    } finally {
      await client.close();
    }
  });
});
