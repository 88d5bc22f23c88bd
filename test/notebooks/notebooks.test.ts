import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { globalDeclarations } from '../../kernel/compiler/globals.js';
import { compilerOptions } from '../../kernel/compiler/language.js';

interface Cell {
  cell_type: string;
  id: string;
  source: string[];
  outputs?: unknown[];
  execution_count?: number | null;
}

interface Notebook {
  nbformat: number;
  nbformat_minor: number;
  metadata: { kernelspec: { name: string; language: string } };
  cells: Cell[];
}

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'notebooks');
const names = readdirSync(folder).filter((name) => name.endsWith('.ipynb'));

const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Notebook;

/** The code cells as one module, with the line on which each starts. */
function moduleOf(cells: readonly Cell[]): { text: string; starts: [string, number][] } {
  let text = 'export {};\n';
  const starts: [string, number][] = [];
  for (const { cell_type, id, source } of cells) {
    if (cell_type === 'code') {
      starts.push([id, text.split('\n').length - 1]);
      text += `${source.join('')};\n`;
    }
  }
  return { text, starts };
}

/** What the compiler has against a notebook, each with the cell and its line. */
function typeErrors(name: string): string[] {
  const { text, starts } = moduleOf(read(name).cells);
  const file = join(folder, `${name}.ts`);
  const globals = join(folder, 'globals.d.ts');
  const virtual = new Map([
    [file, text],
    [globals, globalDeclarations],
  ]);
  const options: ts.CompilerOptions = {
    ...compilerOptions,
    noEmit: true,
    paths: { 'mambalab/*': [join(root, 'lib', '*', 'index.ts')] },
    typeRoots: [join(root, 'node_modules', '@types')],
    types: ['node'],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => virtual.has(path) || fileExists(path);
  host.readFile = (path) => virtual.get(path) ?? readFile(path);
  host.getSourceFile = (path, version) => {
    const content = virtual.get(path);
    return content === undefined
      ? getSourceFile(path, version)
      : ts.createSourceFile(path, content, version);
  };
  const program = ts.createProgram([file, globals], options, host);
  const source = program.getSourceFile(file);
  const found = [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ];
  return found.map(({ start = 0, messageText }) => {
    const line = text.slice(0, start).split('\n').length - 1;
    const [id, first] = starts.findLast(([, begin]) => begin <= line) ?? ['', 0];
    return `cell ${id}, line ${line - first + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe.each(names)('%s', (name) => {
  it('is nbformat 4.5 for the mambalab kernel', () => {
    const { nbformat, nbformat_minor, metadata, cells } = read(name);
    expect([nbformat, nbformat_minor]).toEqual([4, 5]);
    expect(metadata.kernelspec).toMatchObject({ name: 'mambalab', language: 'typescript' });
    const ids = cells.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, cell_type, source } of cells) {
      expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      expect(['code', 'markdown']).toContain(cell_type);
      expect(source.length).toBeGreaterThan(0);
      for (const line of source.slice(0, -1)) {
        expect(line).toMatch(/\n$/);
      }
    }
  });

  it('is stored without outputs', () => {
    for (const cell of read(name).cells.filter(({ cell_type }) => cell_type === 'code')) {
      expect(cell.outputs).toEqual([]);
      expect(cell.execution_count).toBeNull();
    }
  });

  it('type-checks', () => {
    expect(typeErrors(name)).toEqual([]);
  });
});

it('finds the notebooks', () => {
  expect(names).toContain('00-tour.ipynb');
});
