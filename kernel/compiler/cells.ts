import ts from 'typescript';
import { completionsAt, inspectionAt } from './complete.js';
import type {
  Completeness,
  Completion,
  ConvertedCell,
  Converter,
  DeclaredName,
  Diagnostic,
  Inspection,
  RejectedCell,
} from './converter.js';
import { type Frame, translate } from './diagnostics.js';
import { globalDeclarations } from './globals.js';
import { completeness } from './isComplete.js';
import { Language } from './language.js';
import { LocalModules } from './modules.js';
import { rewriteCell } from './rewrite.js';
import { CellScope, type FramedCell, specifierOf } from './scope.js';

/** Cells that start with this comment are not run: later cells import them as `./name`. */
const moduleCell = /^\s*\/\*\*\s*@module\s+([\w-]+)\s*\*\//;

/** Cells that start with this comment run even where their types are wrong. */
const noCheck = /^\s*\/\/\s*@ts-nocheck\b/;

/** {@link Converter} on the TypeScript compiler's language service. */
export class CellConverter implements Converter {
  readonly #language: Language;
  readonly #scope = new CellScope();
  readonly #modules: LocalModules;
  /** Converted cells that may still be committed; several where cells run side by side. */
  readonly #pending = new Map<number, FramedCell>();
  #lastCell = 0;

  /** @param folder The notebook's folder: imports are looked up from there. */
  constructor(folder: string) {
    this.#language = new Language(folder, globalDeclarations);
    this.#modules = new LocalModules(this.#language);
  }

  convert(code: string, check: boolean): ConvertedCell | RejectedCell {
    const name = moduleCell.exec(code)?.[1];
    if (name !== undefined) return this.#module(name, code, check);
    const framed = this.#show(code, false);
    const frame = this.#frame(framed);
    const program = this.#language.service.getProgram()!;
    const file = program.getSourceFile(this.#language.current)!;
    const syntactic = translate(program.getSyntacticDiagnostics(file), 'syntax', frame);
    if (syntactic.length > 0) return { ok: false, diagnostics: syntactic };
    const modules = this.#modules.collect(file, program);
    if (check && !noCheck.test(code)) {
      const diagnostics: Diagnostic[] = [
        ...translate(program.getSemanticDiagnostics(file), 'type', frame),
        ...translate(this.#modules.diagnostics(modules, program), 'type', frame),
      ];
      if (diagnostics.length > 0) return { ok: false, diagnostics };
    }
    const { transformers, valued } = rewriteCell(file, program.getTypeChecker());
    let js = '';
    let map = '';
    program.emit(
      file,
      (name, text) => {
        if (name.endsWith('.map')) map = text;
        else js = text;
      },
      undefined,
      false,
      transformers,
    );
    this.#lastCell += 1;
    const declares = framed.names.some(({ kind }) => kind !== 'local');
    if (declares) {
      this.#pending.set(this.#lastCell, {
        ...framed,
        names: framed.names.map(({ name, kind }) => ({
          name,
          kind: kind === 'local' || valued.has(name) ? kind : 'type',
        })),
      });
    }
    return {
      ok: true,
      cell: this.#lastCell,
      code: js.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n'),
      map,
      names: [...valued],
      declares,
      modules,
    };
  }

  commit(cell: number, defined: string[]): void {
    const framed = this.#pending.get(cell);
    if (framed === undefined) return;
    this.#pending.delete(cell);
    this.#language.addCell(specifierOf(cell), framed.committed);
    const waiting = [...this.#pending.values()].flatMap(({ uses }) => uses);
    const forgotten = this.#scope.commit(cell, framed, new Set(defined), waiting);
    for (const old of forgotten) this.#language.dropCell(specifierOf(old));
  }

  discard(cell: number): void {
    this.#pending.delete(cell);
  }

  complete(code: string, offset: number): Completion {
    const framed = this.#show(code, true);
    const { start, end, matches } = completionsAt(
      this.#language,
      framed.text,
      offset + framed.prefix,
    );
    return { start: start - framed.prefix, end: end - framed.prefix, matches };
  }

  inspect(code: string, offset: number): Inspection | null {
    const framed = this.#show(code, false);
    return inspectionAt(this.#language, offset + framed.prefix);
  }

  isComplete(code: string): Completeness {
    return completeness(code);
  }

  names(): DeclaredName[] {
    return this.#scope.names().map((name) => ({
      name,
      signature: this.inspect(name, 0)?.signature ?? '',
    }));
  }

  warm(): void {
    this.#show('', false);
    this.#language.service.getProgram()?.getTypeChecker();
  }

  reset(): void {
    this.#scope.clear();
    this.#modules.clear();
    this.#pending.clear();
  }

  /** Keeps a cell as a local file that exists nowhere but here. */
  #module(name: string, code: string, check: boolean): ConvertedCell | RejectedCell {
    this.#language.setModule(`./${name}`, code);
    const framed = this.#show(`import ${JSON.stringify(`./${name}`)};`, false);
    const program = this.#language.service.getProgram()!;
    const file = program.getSourceFile(this.#language.pathOf(`./${name}`))!;
    const syntactic = program.getSyntacticDiagnostics(file);
    const wrong =
      syntactic.length > 0 || !check || noCheck.test(code)
        ? syntactic
        : program.getSemanticDiagnostics(file);
    const kind = syntactic.length > 0 ? 'syntax' : 'type';
    const diagnostics = translate(wrong, kind, this.#frame(framed));
    if (diagnostics.length > 0) return { ok: false, diagnostics };
    this.#lastCell += 1;
    const map = '{"version":3,"sources":[],"names":[],"mappings":""}';
    return {
      ok: true,
      cell: this.#lastCell,
      code: '',
      map,
      names: [],
      declares: false,
      modules: [],
    };
  }

  #show(code: string, allNames: boolean): FramedCell {
    const framed = this.#scope.frame(code, allNames);
    this.#language.setCurrent(framed.text);
    return framed;
  }

  #frame({ prefix }: FramedCell): Frame {
    return {
      path: this.#language.current,
      prefix,
      folder: this.#language.folder,
      isConstant: (name) => this.#scope.isConstant(name),
    };
  }
}

/** Version of the compiler that checks the cells. */
export const compilerVersion = ts.version;
