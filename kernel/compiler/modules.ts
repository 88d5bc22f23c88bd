import { createHash } from 'node:crypto';
import ts from 'typescript';
import type { LocalModule } from './converter.js';
import { isInstalled, type Language } from './language.js';
import { cellOf } from './scope.js';

interface Node {
  path: string;
  imports: string[];
}

/** What a TypeScript file becomes. */
interface Emitted {
  /** That of the file it was made from. */
  version: string;
  source: string;
  map: string;
}

/**
 * The local files that cells import, directly or through each other. Their versions let the
 * runtime load a file again when it or anything below it changed, and only then.
 */
export class LocalModules {
  readonly #language: Language;
  /** TypeScript files that have been compiled, by path. */
  readonly #emitted = new Map<string, Emitted>();
  /** Every file that cells have imported so far. */
  readonly #known = new Set<string>();

  constructor(language: Language) {
    this.#language = language;
  }

  /** Files that a source file's relative imports lead to, with the versions of now. */
  collect(file: ts.SourceFile, program: ts.Program): LocalModule[] {
    for (const path of this.#importsOf(file)) this.#known.add(path);
    if (this.#known.size === 0) return [];
    const graph = new Map<string, Node>();
    for (const path of this.#known) this.#walk(path, program, graph);
    return [...graph.values()].map((node) => {
      const emitted = this.#emit(node.path, program);
      return {
        path: node.path,
        version: this.#versionOf(node, graph),
        source: emitted?.source ?? null,
        map: emitted?.map ?? null,
      };
    });
  }

  /** The type problems of the files below a cell, which would otherwise surface as it runs. */
  diagnostics(modules: LocalModule[], program: ts.Program): readonly ts.Diagnostic[] {
    return modules.flatMap(({ path, source }) => {
      const file = source === null ? undefined : program.getSourceFile(path);
      if (file === undefined) return [];
      const syntactic = program.getSyntacticDiagnostics(file);
      return syntactic.length > 0 ? syntactic : program.getSemanticDiagnostics(file);
    });
  }

  clear(): void {
    this.#known.clear();
  }

  #walk(path: string, program: ts.Program, graph: Map<string, Node>): void {
    if (graph.has(path)) return;
    const file = program.getSourceFile(path);
    if (file === undefined && !path.endsWith('.wasm')) return;
    const node: Node = { path, imports: file === undefined ? [] : this.#importsOf(file) };
    graph.set(path, node);
    for (const next of node.imports) this.#walk(next, program, graph);
  }

  #importsOf(file: ts.SourceFile): string[] {
    const { importedFiles } = ts.preProcessFile(file.text, true, true);
    return importedFiles.flatMap(({ fileName }) => {
      if (!fileName.startsWith('.') || cellOf(fileName) !== null) return [];
      const declared = this.#language.resolve(fileName, file.fileName)?.resolvedFileName;
      const found = fileName.endsWith('.wasm') ? declared?.replace(/\.d\.ts$/, '') : declared;
      const runs = found !== undefined && !found.endsWith('.d.ts') && !isInstalled(found);
      return runs ? [found] : [];
    });
  }

  #versionOf(node: Node, graph: Map<string, Node>): string {
    const reached = new Set<string>();
    const pending = [node.path];
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      if (reached.has(path)) continue;
      reached.add(path);
      pending.push(...(graph.get(path)?.imports ?? []));
    }
    const hash = createHash('sha256');
    for (const path of [...reached].sort()) {
      hash.update(`${path}\n${this.#language.version(path)}\n`);
    }
    return hash.digest('hex').slice(0, 16);
  }

  #emit(path: string, program: ts.Program): Emitted | null {
    if (!/\.[mc]?tsx?$/.test(path)) return null;
    const version = this.#language.version(path);
    const kept = this.#emitted.get(path);
    if (kept?.version === version) return kept;
    const emitted: Emitted = { version, source: '', map: '' };
    program.emit(program.getSourceFile(path), (name, text) => {
      if (name.endsWith('.map')) emitted.map = text;
      else emitted.source = text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
    });
    this.#emitted.set(path, emitted);
    return emitted;
  }
}
