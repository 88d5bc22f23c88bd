import ts from 'typescript';
import type { Completion, Inspection } from './converter.js';
import { withoutCellPaths } from './diagnostics.js';
import type { Language } from './language.js';
import { variablePrefix } from './scope.js';

/** Completions at an offset of the current cell; offsets are of the framed text. */
export function completionsAt(language: Language, text: string, offset: number): Completion {
  const found = language.service.getCompletionsAtPosition(language.current, offset, {
    includeCompletionsForModuleExports: false,
    includeCompletionsWithInsertText: false,
    includeSymbol: true,
  });
  const span = found?.optionalReplacementSpan;
  const typed = /[\p{ID_Continue}$\u200c\u200d]*$/u.exec(text.slice(0, offset))?.[0] ?? '';
  const start = found?.entries[0]?.replacementSpan?.start ?? span?.start ?? offset - typed.length;
  const wanted = text.slice(start, offset).toLowerCase();
  const matches = (found?.entries ?? [])
    .filter(({ name }) => name.toLowerCase().startsWith(wanted))
    .filter(({ name }) => !name.startsWith(variablePrefix) && !/__(cell|globals)\d*$/.test(name))
    .map(({ name, kind, symbol }) => ({
      text: name,
      kind: kind === ts.ScriptElementKind.alias ? aliasedKind(language, symbol) : kind,
    }));
  return { start, end: offset, matches };
}

/** What an import stands for: names of earlier cells are imports to the compiler, not to a person. */
function aliasedKind({ service }: Language, alias: ts.Symbol | undefined): string {
  const checker = service.getProgram()?.getTypeChecker();
  if (alias === undefined || checker === undefined) return ts.ScriptElementKind.alias;
  const { flags, valueDeclaration } = checker.getAliasedSymbol(alias);
  if (flags & ts.SymbolFlags.Function) return 'function';
  if (flags & ts.SymbolFlags.Class) return 'class';
  if (flags & ts.SymbolFlags.Enum) return 'enum';
  if (flags & ts.SymbolFlags.Variable) {
    const isConstant =
      valueDeclaration !== undefined &&
      ts.getCombinedNodeFlags(valueDeclaration) & ts.NodeFlags.Const;
    return isConstant ? 'const' : 'var';
  }
  if (flags & ts.SymbolFlags.Interface) return 'interface';
  if (flags & ts.SymbolFlags.TypeAlias) return 'type';
  return 'module';
}

/** The name, or failing that the call, at an offset of the current cell. */
export function inspectionAt(language: Language, offset: number): Inspection | null {
  const { service, current } = language;
  const info =
    service.getQuickInfoAtPosition(current, offset) ??
    (offset > 0 ? service.getQuickInfoAtPosition(current, offset - 1) : undefined);
  if (info !== undefined) {
    return {
      signature: withoutAlias(withoutCellPaths(ts.displayPartsToString(info.displayParts))),
      documentation: markdown(info.documentation, info.tags),
    };
  }
  const help = service.getSignatureHelpItems(current, offset, undefined);
  if (help === undefined) return null;
  const item = help.items[help.selectedItemIndex];
  if (item === undefined) return null;
  const parameters = item.parameters.map((p) => ts.displayPartsToString(p.displayParts));
  const separator = ts.displayPartsToString(item.separatorDisplayParts);
  return {
    signature: withoutCellPaths(
      ts.displayPartsToString(item.prefixDisplayParts) +
        parameters.join(separator) +
        ts.displayPartsToString(item.suffixDisplayParts),
    ),
    documentation: markdown(item.documentation, item.tags),
  };
}

/** The signature of what an import stands for; that it is imported is the kernel's doing. */
function withoutAlias(signature: string): string {
  return signature.replace(/^\(alias\) ([\s\S]*)\nimport [^\n]*$/, '$1');
}

function markdown(
  documentation: ts.SymbolDisplayPart[] | undefined,
  tags: ts.JSDocTagInfo[] | undefined,
): string {
  const lines = (tags ?? []).map(({ name, text }) => {
    const parts = text ?? [];
    const first = parts[0];
    if (first?.kind === 'parameterName') {
      const rest = ts.displayPartsToString(parts.slice(1)).trim().replace(/^-\s*/, '');
      return `*@${name}* \`${first.text}\` — ${rest}`;
    }
    return `*@${name}* ${ts.displayPartsToString(parts)}`;
  });
  return [ts.displayPartsToString(documentation ?? []), ...lines]
    .filter((part) => part.trim() !== '')
    .join('\n\n');
}
