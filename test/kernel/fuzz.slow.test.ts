import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Script } from 'node:vm';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from './client.js';
import { Notebook } from './notebook.js';
import { plainModule, type RandomSequence, randomSequence } from './randomCells.js';

const minutes = 60_000;

/**
 * Sequences for the converter, and as many for a running kernel; they take some two minutes on two cores.
 * `MAMBALAB_FUZZ=300 npm test -- --project slow test/kernel/fuzz` runs fewer.
 */
const count = Number(process.env.MAMBALAB_FUZZ ?? 10_000);

/** Sequences that share a notebook: the compiler's work for a cell hardly depends on its length. */
const together = 100;

/** Sequences, from different seeds for the converter and the kernel. */
function batch(start: number): RandomSequence[] {
  // A cell that fails ends there, so only the last of the sequences may have some.
  return Array.from({ length: together }, (_, i) =>
    randomSequence(start + i, `_${i}`, i === together - 1),
  );
}

/** The cells of a batch: each is one cell of every sequence. */
function cellsOf(sequences: RandomSequence[]): string[] {
  const longest = Math.max(...sequences.map(({ cells }) => cells.length));
  return Array.from({ length: longest }, (_, at) =>
    sequences.map(({ cells }) => cells[at]?.notebook ?? '').join('\n'),
  );
}

/** Final values of a sequence, run as one plain module. */
async function plainly(sequence: RandomSequence): Promise<Record<string, unknown>> {
  const wrapped = `(async function () {"use strict";\n${plainModule(sequence)}\n})`;
  const { outputText } = ts.transpileModule(wrapped, {
    compilerOptions: { target: ts.ScriptTarget.ES2022 },
  });
  const body = new Script(outputText).runInThisContext() as () => Promise<Record<string, unknown>>;
  return body();
}

/** Compares the values that a batch has left with those of its sequences run plainly. */
async function compare(
  start: number,
  sequences: RandomSequence[],
  textOf: (name: string) => string | undefined,
): Promise<void> {
  for (const [i, sequence] of sequences.entries()) {
    const values = sequence.names.map((name) => [name, textOf(name)]);
    const cells = sequence.cells.map((cell) => cell.notebook).join('\n// ---\n');
    const plain = Object.entries(await plainly(sequence));
    expect(Object.fromEntries(values), `seed ${start + i}:\n${cells}`).toEqual(
      Object.fromEntries(plain.map(([name, value]) => [name, inspect(value)])),
    );
  }
}

describe(`${count} random sequences of cells`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mambalab-fuzz-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are converted so that the scope is that of one plain module', {
    timeout: 20 * minutes,
  }, async () => {
    const notebook = new Notebook(folder);
    for (let start = 0; start < count; start += together) {
      notebook.reset();
      const sequences = batch(start);
      for (const code of cellsOf(sequences)) {
        const { diagnostics, thrown } = await notebook.run(code);
        const wrong = diagnostics.map(({ message, sourceLine }) => `${message}: ${sourceLine}`);
        expect(wrong, `sequences from ${start}`).toEqual([]);
        if (thrown !== undefined) expect(String(thrown), `from ${start}`).toBe('Error: stop');
      }
      await compare(start, sequences, (name) => inspect(notebook.scope[name]));
    }
  });

  it('leave a kernel alive, with the scope of one plain module', {
    timeout: 20 * minutes,
  }, async () => {
    const client = await Client.start();
    const first = 1_000_000;
    try {
      for (let start = first; start < first + count; start += together) {
        const sequences = batch(start);
        for (const code of cellsOf(sequences)) {
          const { reply } = await client.execute(code, { stop_on_error: false });
          const { status, evalue } = reply.content;
          if (status !== 'ok') expect(evalue, `sequences from ${start}`).toBe('stop');
        }
        const names = sequences.flatMap((sequence) => sequence.names);
        const exchange = await client.execute(
          `json([${names.join(', ')}].map((value) => require('node:util').inspect(value)))`,
        );
        const shown = exchange.published.find(({ header }) => header.msg_type === 'execute_result');
        const data = shown?.content.data as Record<string, string[]> | undefined;
        const texts = data?.['application/json'] ?? [];
        await compare(start, sequences, (name) => texts[names.indexOf(name)]);
        await client.execute('%reset');
      }
    } finally {
      await client.close();
    }
  });
});
