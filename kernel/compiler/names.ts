import ts from 'typescript';

/**
 * How later cells see a name: `variable` may be assigned, `constant` may not, `type` has no
 * value, `local` stays inside its cell.
 */
export type NameKind = 'variable' | 'constant' | 'type' | 'local';

/** A name that a source file declares at its top level. */
export interface TopLevelName {
  name: string;
  kind: NameKind;
  /** The declaration as the checker's symbols list it. */
  node: ts.Declaration;
  /** True for `var`, which keeps its value when it is declared again. */
  isVar: boolean;
  /** True when the source itself exports it. */
  exported: boolean;
}

/** Every name declared at the top level of a source file, `var`s of nested blocks included. */
export function topLevelNames(file: ts.SourceFile): TopLevelName[] {
  const found: TopLevelName[] = [];
  const add = (
    name: ts.Node | undefined,
    kind: NameKind,
    node: ts.Declaration,
    more: { isVar?: boolean; exported?: boolean } = {},
  ): void => {
    if (name === undefined || !ts.isIdentifier(name) || name.text === '') return;
    found.push({
      name: name.text,
      kind,
      node,
      isVar: more.isVar ?? false,
      exported: more.exported ?? false,
    });
  };
  const addBinding = (
    binding: ts.VariableDeclaration | ts.BindingElement,
    kind: NameKind,
    more: { isVar: boolean; exported: boolean },
  ): void => {
    if (ts.isIdentifier(binding.name)) {
      add(binding.name, kind, binding, more);
      return;
    }
    for (const element of binding.name.elements) {
      if (ts.isBindingElement(element)) addBinding(element, kind, more);
    }
  };
  const addList = (list: ts.VariableDeclarationList, exported: boolean): void => {
    for (const declaration of list.declarations) {
      addBinding(declaration, listKind(list), { isVar: isVarList(list), exported });
    }
  };
  const addNestedVars = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isModuleDeclaration(node)) return;
    if (ts.isVariableDeclarationList(node) && isVarList(node)) addList(node, false);
    ts.forEachChild(node, addNestedVars);
  };
  for (const statement of file.statements) {
    const exported = hasModifier(statement, ts.SyntaxKind.ExportKeyword);
    if (ts.isVariableStatement(statement)) {
      addList(statement.declarationList, exported);
    } else if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      add(statement.name, 'constant', statement, { exported });
    } else if (ts.isEnumDeclaration(statement)) {
      add(statement.name, 'constant', statement, { exported });
    } else if (ts.isModuleDeclaration(statement)) {
      if (!(statement.flags & ts.NodeFlags.GlobalAugmentation)) {
        add(statement.name, 'constant', statement, { exported });
      }
    } else if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) {
      add(statement.name, 'type', statement, { exported });
    } else if (ts.isImportEqualsDeclaration(statement)) {
      add(statement.name, 'constant', statement, { exported });
    } else if (ts.isImportDeclaration(statement)) {
      const clause = statement.importClause;
      if (clause === undefined) continue;
      add(clause.name, 'constant', clause);
      if (clause.namedBindings === undefined) continue;
      if (ts.isNamespaceImport(clause.namedBindings)) {
        add(clause.namedBindings.name, 'constant', clause.namedBindings);
      } else {
        for (const element of clause.namedBindings.elements) add(element.name, 'constant', element);
      }
    } else {
      addNestedVars(statement);
    }
  }
  return found;
}

/** Whether a list is declared by `var`. */
export function isVarList(list: ts.VariableDeclarationList): boolean {
  return (list.flags & ts.NodeFlags.BlockScoped) === 0;
}

/** Whether a list is declared by `using` or `await using`, whose values end with their block. */
export function isUsingList(list: ts.VariableDeclarationList): boolean {
  return (list.flags & ts.NodeFlags.Using) !== 0;
}

/** Whether a statement carries a modifier such as `export` or `declare`. */
export function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((m) => m.kind === kind);
}

function listKind(list: ts.VariableDeclarationList): NameKind {
  if (isUsingList(list)) return 'local';
  return list.flags & ts.NodeFlags.Const ? 'constant' : 'variable';
}
