import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { cellOf } from './scope.js';
import { wasmDeclarations } from './wasm.js';

/** What the language service asks of its host although its declarations leave it out. */
interface HostExtras {
  /** Keeps what is known of package.json files from one program to the next. */
  getModuleResolutionCache(): ts.ModuleResolutionCache;
  hasInvalidatedResolutions(path: string): boolean;
}

/** File that stands for modules looked up from the kernel's own package. */
const ownFile = slashes(fileURLToPath(import.meta.url));

/** Compiler options of every cell and every local file. */
export const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: standardLibrary(Number.parseInt(process.versions.node, 10)),
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  customConditions: ['node'],
  moduleDetection: ts.ModuleDetectionKind.Force,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  esModuleInterop: true,
  allowJs: true,
  checkJs: false,
  strict: true,
  skipLibCheck: true,
  preserveConstEnums: true,
  sourceMap: true,
  newLine: ts.NewLineKind.LineFeed,
  types: [],
};

/** The declarations of what a major version of Node.js has of the language's library. */
function standardLibrary(major: number): string[] {
  if (major >= 24) return ['lib.esnext.d.ts'];
  if (major >= 22) {
    const newer = ['collection', 'iterator', 'disposable'].map((name) => `lib.esnext.${name}.d.ts`);
    return ['lib.es2024.d.ts', ...newer];
  }
  return ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'];
}

/** Paths as the compiler writes them, with forward slashes on every platform. */
export function slashes(path: string): string {
  return path.replaceAll('\\', '/');
}

/** Whether a file belongs to an installed package, which does not change while a kernel runs. */
export function isInstalled(path: string): boolean {
  return path.includes('/node_modules/');
}

/** The WebAssembly file whose declarations a path stands for, or null for any other path. */
function wasmOf(path: string): string | null {
  if (!path.endsWith('.wasm.d.ts')) return null;
  const wasm = path.slice(0, -'.d.ts'.length);
  return existsSync(wasm) ? wasm : null;
}

/**
 * A TypeScript language service over one changing cell, the cells before it, and the files and
 * packages that they import from the notebook's folder.
 */
export class Language {
  readonly folder: string;
  /** The cell being worked on. */
  readonly current: string;
  readonly service: ts.LanguageService;
  readonly #virtual = new Map<string, string>();
  readonly #versions = new Map<string, string>();
  readonly #moduleVersions = new Map<string, number>();
  readonly #snapshots = new Map<string, { version: string; snapshot: ts.IScriptSnapshot }>();
  readonly #resolutions: ts.ModuleResolutionCache;
  /** Local files with an import that led nowhere: the file may appear later. */
  readonly #unresolved = new Set<string>();
  readonly #host: ts.ModuleResolutionHost;
  #currentVersion = 0;

  /**
   * @param folder The notebook's folder.
   * @param globals Declarations of what the runtime adds to every cell.
   */
  constructor(folder: string, globals: string) {
    this.folder = slashes(folder);
    this.current = this.pathOf('./__cell');
    const globalsPath = this.pathOf('./__globals');
    this.#virtual.set(this.current, 'export {};\n');
    this.#virtual.set(globalsPath, globals);
    this.#resolutions = ts.createModuleResolutionCache(
      this.folder,
      (path) => path,
      compilerOptions,
    );
    this.#host = {
      fileExists: (path) =>
        this.#virtual.has(path) || wasmOf(path) !== null || ts.sys.fileExists(path),
      readFile: (path) => {
        const wasm = wasmOf(path);
        if (wasm !== null) return wasmDeclarations(readFileSync(wasm));
        return this.#virtual.get(path) ?? ts.sys.readFile(path);
      },
      directoryExists: ts.sys.directoryExists,
      getDirectories: ts.sys.getDirectories,
      realpath: (path) => (this.#virtual.has(path) ? path : ts.sys.realpath!(path)),
      useCaseSensitiveFileNames: ts.sys.useCaseSensitiveFileNames,
    };
    const nodeTypes = this.#nodeTypes();
    const roots = [...(nodeTypes === undefined ? [] : [nodeTypes]), globalsPath, this.current];
    const host: ts.LanguageServiceHost & HostExtras = {
      ...this.#host,
      fileExists: this.#host.fileExists,
      readFile: this.#host.readFile,
      readDirectory: ts.sys.readDirectory,
      getCompilationSettings: () => compilerOptions,
      getScriptFileNames: () => roots,
      getScriptVersion: (path) => this.version(path),
      getScriptSnapshot: (path) => this.#snapshot(path),
      getCurrentDirectory: () => this.folder,
      getDefaultLibFileName: (options) => slashes(ts.getDefaultLibFilePath(options)),
      resolveModuleNameLiterals: (literals, from) =>
        literals.map(({ text }) => ({ resolvedModule: this.resolve(text, from) })),
      getModuleResolutionCache: () => this.#resolutions,
      hasInvalidatedResolutions: (path) => this.#unresolved.has(path),
      useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    };
    this.service = ts.createLanguageService(host, ts.createDocumentRegistry());
  }

  /** Absolute path of a virtual file. */
  pathOf(specifier: string): string {
    return `${slashes(join(this.folder, specifier))}.ts`;
  }

  /** Shows the service another cell. */
  setCurrent(text: string): void {
    // What local files look like is asked anew for every cell.
    this.#versions.clear();
    if (this.#virtual.get(this.current) === text) return;
    this.#virtual.set(this.current, text);
    this.#currentVersion += 1;
  }

  /** Keeps a cell that ran, for later cells to import. */
  addCell(specifier: string, text: string): void {
    this.#virtual.set(this.pathOf(specifier), text);
  }

  /** Forgets a cell that nothing imports any more. */
  dropCell(specifier: string): void {
    this.#virtual.delete(this.pathOf(specifier));
    this.#snapshots.delete(this.pathOf(specifier));
  }

  /** Makes a local file that exists nowhere but here, or changes it. */
  setModule(specifier: string, text: string): void {
    const path = this.pathOf(specifier);
    if (this.#virtual.get(path) === text) return;
    this.#virtual.set(path, text);
    this.#moduleVersions.set(path, (this.#moduleVersions.get(path) ?? 0) + 1);
  }

  /** Version of a file: constant for installed and virtual ones, its time and size for the rest. */
  version(path: string): string {
    if (path === this.current) return String(this.#currentVersion);
    const module = this.#moduleVersions.get(path);
    if (module !== undefined) return `module-${module}`;
    if (this.#virtual.has(path) || isInstalled(path)) return '0';
    let version = this.#versions.get(path);
    if (version === undefined) {
      const stat = statSync(wasmOf(path) ?? path, { throwIfNoEntry: false });
      version = stat === undefined ? 'gone' : `${stat.mtimeMs}-${stat.size}`;
      this.#versions.set(path, version);
    }
    return version;
  }

  /** Finds the file that an import means; bare names fall back on the kernel's own package. */
  resolve(specifier: string, from: string): ts.ResolvedModuleFull | undefined {
    if (cellOf(specifier) !== null) {
      return {
        resolvedFileName: this.pathOf(specifier),
        extension: '.ts',
      } as ts.ResolvedModuleFull;
    }
    // Ambient modules of @types/node: there is no file to find.
    if (isBuiltin(specifier)) return undefined;
    if (specifier.startsWith('.') || specifier.startsWith('/')) {
      if (specifier.endsWith('.wasm')) {
        const resolvedFileName = `${slashes(resolve(dirname(from), specifier))}.d.ts`;
        return wasmOf(resolvedFileName) === null
          ? this.#note(from, undefined)
          : ({ resolvedFileName, extension: '.d.ts' } as ts.ResolvedModuleFull);
      }
      const cache = isInstalled(from) ? this.#resolutions : undefined;
      return this.#note(from, this.#lookUp(specifier, from, cache));
    }
    const found =
      this.#lookUp(specifier, from, this.#resolutions) ??
      // A package may have been installed since the cache learnt that it was missing.
      (isInstalled(from) ? undefined : this.#lookUp(specifier, from, undefined)) ??
      (isInstalled(from) ? undefined : this.#lookUp(specifier, ownFile, this.#resolutions));
    return this.#note(from, found);
  }

  /** A file's text; read again only when its version says so, for the service asks every time. */
  #snapshot(path: string): ts.IScriptSnapshot | undefined {
    const version = this.version(path);
    const kept = this.#snapshots.get(path);
    if (kept?.version === version) return kept.snapshot;
    const text = this.#host.readFile(path);
    if (text === undefined) return undefined;
    const snapshot = ts.ScriptSnapshot.fromString(text);
    this.#snapshots.set(path, { version, snapshot });
    return snapshot;
  }

  #lookUp(
    specifier: string,
    from: string,
    cache: ts.ModuleResolutionCache | undefined,
  ): ts.ResolvedModuleFull | undefined {
    return ts.resolveModuleName(specifier, from, compilerOptions, this.#host, cache).resolvedModule;
  }

  #note(from: string, found: ts.ResolvedModuleFull | undefined): ts.ResolvedModuleFull | undefined {
    if (!isInstalled(from)) {
      if (found === undefined) this.#unresolved.add(from);
    }
    return found;
  }

  /** Node's types: those next to the notebook, else those the kernel came with. */
  #nodeTypes(): string | undefined {
    for (const from of [join(this.folder, 'notebook.ts'), ownFile]) {
      try {
        const manifest = createRequire(from).resolve('@types/node/package.json');
        return slashes(join(dirname(manifest), 'index.d.ts'));
      } catch {
        // Not there: try the next place.
      }
    }
    return undefined;
  }
}
