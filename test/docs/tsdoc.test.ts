/** Everything that a room's index.ts exports says what it is: what the pages of `npm run docs` are made of. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { root } from '#setup/places.mjs';
import { fileWith } from '../data/temporary.js';

const { entryPoints } = JSON.parse(readFileSync(join(root, 'typedoc.json'), 'utf8')) as {
  entryPoints: string[];
};
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>;
};

/** The names of exports, and of public methods and accessors of exported classes, without a comment. */
function undocumented(program: ts.Program, file: string): string[] {
  const checker = program.getTypeChecker();
  const missing: string[] = [];
  // An interface's or a base class's comment counts for the member that implements it.
  const check = (path: string, symbol: ts.Symbol) => {
    if (symbol.getDocumentationComment(checker).length === 0) missing.push(path);
  };
  const visit = (path: string, exported: ts.Symbol): void => {
    const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
    const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
    if (symbol.flags & ts.SymbolFlags.ValueModule) {
      // `export * as losses`: the room within the room.
      for (const inner of checker.getExportsOfModule(symbol)) visit(`${path}.${inner.name}`, inner);
      return;
    }
    check(path, symbol);
    for (const member of symbol.declarations?.flatMap(publicMembers) ?? []) {
      const found = checker.getSymbolAtLocation(member.name);
      if (found) check(`${path}.${member.name.getText()}`, found);
    }
  };
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${file}: expected a module`);
  for (const symbol of checker.getExportsOfModule(module)) visit(symbol.name, symbol);
  return missing;
}

function publicMembers(
  declaration: ts.Declaration,
): (ts.MethodDeclaration | ts.GetAccessorDeclaration)[] {
  if (!ts.isClassDeclaration(declaration)) return [];
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Override;
  return declaration.members.filter(
    (member): member is ts.MethodDeclaration | ts.GetAccessorDeclaration =>
      (ts.isMethodDeclaration(member) || ts.isGetAccessorDeclaration(member)) &&
      !ts.isPrivateIdentifier(member.name) &&
      (ts.getCombinedModifierFlags(member) & hidden) === 0,
  );
}

function programOf(files: readonly string[]): ts.Program {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  return ts.createProgram(files, ts.parseJsonConfigFileContent(config, ts.sys, root).options);
}

describe('TSDoc', () => {
  it('is missed where there is none, on functions, types and public methods', () => {
    const file = fileWith(
      'index.ts',
      `/** Said. */ export function said(): void {}
      export function unsaid(): void {}
      export type Unsaid = number;
      /** Said. */
      export class Said {
        /** Said. */
        a(): void {}
        b(): void {}
        private c(): void {}
        get d() { return 1; }
      }`,
    );
    expect(undocumented(programOf([file]), file)).toEqual(['unsaid', 'Unsaid', 'Said.b', 'Said.d']);
  });

  const files = entryPoints.map((entry) => join(root, entry));
  const program = programOf(files);

  it.each(entryPoints)('of everything that %s exports', (entry) => {
    expect(undocumented(program, join(root, entry))).toEqual([]);
  });

  it('has a page for every room that a package may import', () => {
    const rooms = Object.keys(exports).filter((name) => name !== './package.json');
    expect(
      entryPoints.map((entry) => entry.replace(/^lib\/(\w+)\/index\.ts$/, './$1')).sort(),
    ).toEqual(rooms.sort());
  });
});
