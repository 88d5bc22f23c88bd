import ts from 'typescript';
import { hasModifier, isUsingList, isVarList, topLevelNames } from './names.js';
import { cellOf } from './scope.js';

const { factory } = ts;

/** Names that the runtime passes to every cell. */
export const scopeName = '__scope';
export const cellName = '__cell';
export const tickName = '__tick';

/** The transformation of one cell and what it learnt on the way. */
export interface Rewrite {
  transformers: ts.CustomTransformers;
  /** Names that get a value in the shared scope when the cell runs. */
  valued: Set<string>;
}

/**
 * Prepares a cell to run as the body of an async function:
 *
 * - top-level names live in the shared scope, so closures of earlier cells see later changes;
 * - imports become awaited calls, so both ES modules and CommonJS load from the notebook's folder;
 * - every `await` and every loop can be interrupted;
 * - the value of a last expression is kept as the cell's result.
 *
 * @param file The framed cell.
 * @param checker Checker of the program that holds it.
 */
export function rewriteCell(file: ts.SourceFile, checker: ts.TypeChecker): Rewrite {
  const names = topLevelNames(file);
  const shared = new Set<ts.Node>(names.filter((n) => n.kind !== 'local').map(({ node }) => node));
  const valued = new Set<string>();
  const before: ts.TransformerFactory<ts.SourceFile> = (context) => (node) =>
    new CellRewriter(checker, shared, valued, context).rewrite(node);
  return { transformers: { before: [before], after: [dropModuleSyntax] }, valued };
}

/** An ES module without imports and exports still ends in `export {}`, which no function may. */
const dropModuleSyntax: ts.TransformerFactory<ts.SourceFile> = () => (file) =>
  factory.updateSourceFile(
    file,
    file.statements.filter((s) => !ts.isExportDeclaration(s) && !ts.isExportAssignment(s)),
  );

class CellRewriter {
  readonly #checker: ts.TypeChecker;
  readonly #shared: ReadonlySet<ts.Node>;
  readonly #valued: Set<string>;
  readonly #context: ts.TransformationContext;
  /** Imports and functions, which are there before the first statement runs. */
  readonly #hoisted: ts.Statement[] = [];
  readonly #vars = new Set<string>();
  /** Class, enum or namespace whose body is being visited: its own name is its own there. */
  #owner: ts.Node | null = null;
  #functionDepth = 0;

  constructor(
    checker: ts.TypeChecker,
    shared: ReadonlySet<ts.Node>,
    valued: Set<string>,
    context: ts.TransformationContext,
  ) {
    this.#checker = checker;
    this.#shared = shared;
    this.#valued = valued;
    this.#context = context;
  }

  rewrite(file: ts.SourceFile): ts.SourceFile {
    const result = lastExpression(file);
    const statements: ts.Statement[] = [];
    for (const statement of file.statements) {
      if (statement === result) {
        const value = this.#visit(result.expression);
        statements.push(placeStatement(assign(access(cellName, 'value'), value), statement));
      } else {
        statements.push(...this.#topLevel(statement));
      }
    }
    if (this.#vars.size > 0) {
      const list = [...this.#vars].map((name) => factory.createStringLiteral(name));
      this.#hoisted.unshift(
        factory.createExpressionStatement(
          call(access(cellName, 'vars'), [factory.createArrayLiteralExpression(list)]),
        ),
      );
    }
    return factory.updateSourceFile(file, [...this.#hoisted, ...statements]);
  }

  #topLevel(node: ts.Statement): ts.Statement[] {
    if (ts.isImportDeclaration(node)) return this.#import(node);
    if (ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier !== undefined && !node.isTypeOnly) {
        this.#hoisted.push(placeStatement(awaitImport(node.moduleSpecifier, undefined), node));
      }
      return [];
    }
    if (ts.isExportAssignment(node)) {
      return [placeStatement(this.#visit(node.expression), node)];
    }
    if (hasModifier(node, ts.SyntaxKind.DeclareKeyword)) return [];
    if (ts.isVariableStatement(node) && !isUsingList(node.declarationList)) {
      return this.#declare(node.declarationList);
    }
    if (ts.isFunctionDeclaration(node)) {
      const bare = factory.updateFunctionDeclaration(
        node,
        withoutExport(node.modifiers),
        node.asteriskToken,
        node.name ?? factory.createIdentifier('_default'),
        node.typeParameters,
        node.parameters,
        node.type,
        node.body,
      );
      if (node.body !== undefined && node.name !== undefined) {
        this.#hoisted.push(this.#publish(node.name));
      }
      return [this.#inside(bare)];
    }
    if (ts.isClassDeclaration(node)) {
      const bare = factory.updateClassDeclaration(
        node,
        withoutExport(node.modifiers),
        node.name ?? factory.createIdentifier('_default'),
        node.typeParameters,
        node.heritageClauses,
        node.members,
      );
      const visited = this.#owned(node, bare);
      return node.name === undefined ? [visited] : [visited, this.#publish(node.name)];
    }
    if (ts.isEnumDeclaration(node)) {
      const bare = factory.updateEnumDeclaration(
        node,
        withoutExport(node.modifiers) as ts.Modifier[],
        node.name,
        node.members,
      );
      return [this.#owned(node, bare), this.#publish(node.name)];
    }
    if (ts.isModuleDeclaration(node) && ts.isIdentifier(node.name)) {
      const symbol = this.#checker.getSymbolAtLocation(node.name);
      if (symbol === undefined || !(symbol.flags & ts.SymbolFlags.ValueModule)) return [];
      const bare = factory.updateModuleDeclaration(
        node,
        withoutExport(node.modifiers) as ts.Modifier[],
        node.name,
        node.body,
      );
      return [this.#owned(node, bare), this.#publish(node.name)];
    }
    if (ts.isImportEqualsDeclaration(node)) return this.#importEquals(node);
    return [this.#visitAny(node) as ts.Statement];
  }

  #import(node: ts.ImportDeclaration): ts.Statement[] {
    const specifier = node.moduleSpecifier;
    const isFrame = ts.isStringLiteral(specifier) && cellOf(specifier.text) !== null;
    const clause = node.importClause;
    if (isFrame || clause?.phaseModifier === ts.SyntaxKind.TypeKeyword) return [];
    if (clause === undefined) {
      this.#hoisted.push(placeStatement(awaitImport(specifier, node.attributes), node));
      return [];
    }
    const wanted: [imported: string, local: ts.Identifier][] = [];
    if (clause.name !== undefined) wanted.push(['default', clause.name]);
    const bindings = clause.namedBindings;
    if (bindings !== undefined && ts.isNamespaceImport(bindings)) {
      wanted.push(['*', bindings.name]);
    } else if (bindings !== undefined) {
      for (const element of bindings.elements) {
        if (!element.isTypeOnly) {
          wanted.push([(element.propertyName ?? element.name).text, element.name]);
        }
      }
    }
    const pairs = wanted.filter(([, local]) => this.#hasValue(local));
    if (pairs.length === 0 && wanted.length > 0) return [];
    for (const [, local] of pairs) this.#valued.add(local.text);
    const list = pairs.map(([imported, local]) =>
      factory.createArrayLiteralExpression([
        factory.createStringLiteral(imported),
        factory.createStringLiteral(local.text),
      ]),
    );
    const bind = call(access(cellName, 'bind'), [
      awaitImport(specifier, node.attributes),
      factory.createArrayLiteralExpression(list),
      factory.createStringLiteral(ts.isStringLiteral(specifier) ? specifier.text : ''),
    ]);
    this.#hoisted.push(placeStatement(bind, node));
    return [];
  }

  /** `import a = b.c`, another name for a member of a namespace. */
  #importEquals(node: ts.ImportEqualsDeclaration): ts.Statement[] {
    const path = node.moduleReference;
    if (ts.isExternalModuleReference(path) || !this.#hasValue(node.name)) return [];
    this.#valued.add(node.name.text);
    return [placeStatement(assign(this.#target(node.name), this.#entity(path)), node)];
  }

  #entity(path: ts.EntityName): ts.Expression {
    return ts.isIdentifier(path)
      ? (this.#identifier(path) as ts.Expression)
      : factory.createPropertyAccessExpression(this.#entity(path.left), path.right.text);
  }

  /** False for an import that turns out to be a type only. */
  #hasValue(local: ts.Identifier): boolean {
    const symbol = this.#checker.getSymbolAtLocation(local);
    if (symbol === undefined || !(symbol.flags & ts.SymbolFlags.Alias)) return true;
    const target = this.#checker.getAliasedSymbol(symbol);
    const unknown = target.declarations === undefined && target.name === 'unknown';
    return unknown || (target.flags & ts.SymbolFlags.Value) !== 0;
  }

  /** Statements that put the variables of a top-level declaration into the shared scope. */
  #declare(list: ts.VariableDeclarationList): ts.Statement[] {
    const out: ts.Statement[] = [];
    for (const declaration of list.declarations) {
      this.#noteNames(declaration.name, isVarList(list));
      const { name, initializer } = declaration;
      if (initializer === undefined) {
        if (!isVarList(list) && ts.isIdentifier(name)) {
          out.push(
            placeStatement(assign(this.#target(name), factory.createVoidZero()), declaration),
          );
        }
        continue;
      }
      const value = this.#visit(initializer);
      if (ts.isIdentifier(name) && isAnonymousFunction(initializer)) {
        // A local declaration first: the language names a function after its variable.
        const local = factory.createVariableDeclaration(name, undefined, undefined, value);
        const constant = factory.createVariableDeclarationList([local], ts.NodeFlags.Const);
        out.push(
          ts.setTextRange(factory.createVariableStatement(undefined, constant), declaration),
          placeStatement(
            assign(this.#target(name), factory.createIdentifier(name.text)),
            declaration,
          ),
        );
      } else {
        out.push(placeStatement(assign(this.#target(name), value), declaration));
      }
    }
    return out;
  }

  /** The same for a `var` inside a block or a loop's head, as one expression. */
  #declareExpression(list: ts.VariableDeclarationList): ts.Expression | undefined {
    let joined: ts.Expression | undefined;
    for (const { name, initializer } of list.declarations) {
      this.#noteNames(name, true);
      if (initializer === undefined) continue;
      const next = assign(this.#target(name), this.#visit(initializer));
      joined = joined === undefined ? next : factory.createComma(joined, next);
    }
    return joined;
  }

  #noteNames(name: ts.BindingName, isVar: boolean): void {
    if (ts.isIdentifier(name)) {
      this.#valued.add(name.text);
      if (isVar) this.#vars.add(name.text);
      return;
    }
    for (const element of name.elements) {
      if (ts.isBindingElement(element)) this.#noteNames(element.name, isVar);
    }
  }

  /** Where a declared name is stored; a binding pattern becomes an assignment pattern. */
  #target(name: ts.BindingName): ts.Expression {
    if (ts.isIdentifier(name)) return place(access(scopeName, name.text), name);
    if (ts.isArrayBindingPattern(name)) {
      return factory.createArrayLiteralExpression(
        name.elements.map((element) => {
          if (ts.isOmittedExpression(element)) return element;
          const target = this.#defaulted(element);
          return element.dotDotDotToken ? factory.createSpreadElement(target) : target;
        }),
      );
    }
    return factory.createObjectLiteralExpression(
      name.elements.map((element) => {
        const target = this.#defaulted(element);
        if (element.dotDotDotToken) return factory.createSpreadAssignment(target);
        const key = element.propertyName ?? (element.name as ts.Identifier);
        const visited = ts.isComputedPropertyName(key)
          ? factory.createComputedPropertyName(this.#visit(key.expression))
          : ts.isIdentifier(key)
            ? factory.createIdentifier(key.text)
            : key;
        return factory.createPropertyAssignment(visited, target);
      }),
    );
  }

  #defaulted(element: ts.BindingElement): ts.Expression {
    const target = this.#target(element.name);
    return element.initializer === undefined
      ? target
      : assign(target, this.#visit(element.initializer));
  }

  /** `__scope.f = f` for a name that a declaration made. */
  #publish(name: ts.Identifier): ts.Statement {
    this.#valued.add(name.text);
    return factory.createExpressionStatement(
      assign(access(scopeName, name.text), factory.createIdentifier(name.text)),
    );
  }

  /** Visits a declaration's parts but not its name. */
  #inside<T extends ts.FunctionDeclaration>(node: T): T {
    this.#functionDepth += 1;
    const name = node.name;
    const visited = ts.visitEachChild(
      node,
      (child) => (child === name ? child : this.#visitAny(child)),
      this.#context,
    );
    this.#functionDepth -= 1;
    return visited;
  }

  #owned<T extends ts.ClassDeclaration | ts.EnumDeclaration | ts.ModuleDeclaration>(
    original: ts.Node,
    node: T,
  ): T {
    const outer = this.#owner;
    this.#owner = original;
    this.#functionDepth += 1;
    const name = node.name;
    const visited = ts.visitEachChild(
      node as ts.Node,
      (child) => (child === name ? child : this.#visitAny(child)),
      this.#context,
    );
    this.#functionDepth -= 1;
    this.#owner = outer;
    return visited as T;
  }

  #visit<T extends ts.Expression>(node: T): ts.Expression {
    return this.#visitAny(node) as ts.Expression;
  }

  #visitAny = (node: ts.Node): ts.VisitResult<ts.Node | undefined> => {
    if (ts.isExpressionWithTypeArguments(node)) {
      return factory.updateExpressionWithTypeArguments(
        node,
        this.#visit(node.expression),
        node.typeArguments,
      );
    }
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) {
      return node;
    }
    if (ts.isIdentifier(node)) return this.#identifier(node);
    if (ts.isShorthandPropertyAssignment(node)) return this.#shorthand(node);
    if (ts.isCallExpression(node)) return this.#call(node);
    if (ts.isTaggedTemplateExpression(node)) {
      return factory.updateTaggedTemplateExpression(
        node,
        this.#callee(node.tag),
        node.typeArguments,
        this.#visit(node.template) as ts.TemplateLiteral,
      );
    }
    if (ts.isAwaitExpression(node)) {
      const guarded = call(access(cellName, 'guard'), [this.#visit(node.expression)]);
      return factory.updateAwaitExpression(node, ts.setTextRange(guarded, node.expression));
    }
    if (ts.isMetaProperty(node)) {
      const isImport = node.keywordToken === ts.SyntaxKind.ImportKeyword;
      return isImport ? place(access(cellName, 'meta'), node) : node;
    }
    if (this.#functionDepth === 0) {
      if (ts.isVariableStatement(node) && isVarList(node.declarationList)) {
        const expression = this.#declareExpression(node.declarationList);
        return expression === undefined
          ? factory.createEmptyStatement()
          : placeStatement(expression, node);
      }
      if (ts.isForStatement(node) || ts.isForInStatement(node) || ts.isForOfStatement(node)) {
        return this.#topLevelFor(node);
      }
    }
    if (ts.isIterationStatement(node, false)) return this.#loop(node);
    const entersFunction = ts.isFunctionLike(node) || ts.isClassStaticBlockDeclaration(node);
    if (entersFunction) this.#functionDepth += 1;
    const visited = ts.visitEachChild(node, this.#visitAny, this.#context);
    if (entersFunction) this.#functionDepth -= 1;
    return visited;
  };

  #isShared(symbol: ts.Symbol | undefined): boolean {
    return (symbol?.declarations ?? []).some((d) => this.#shared.has(d) && d !== this.#owner);
  }

  #identifier(node: ts.Identifier): ts.Node {
    return this.#isShared(this.#checker.getSymbolAtLocation(node))
      ? place(access(scopeName, node.text), node)
      : node;
  }

  #shorthand(node: ts.ShorthandPropertyAssignment): ts.Node {
    const symbol = this.#checker.getShorthandAssignmentValueSymbol(node);
    const initializer = node.objectAssignmentInitializer;
    if (!this.#isShared(symbol)) {
      return initializer === undefined
        ? node
        : factory.updateShorthandPropertyAssignment(node, node.name, this.#visit(initializer));
    }
    const target = place(access(scopeName, node.name.text), node.name);
    return factory.createPropertyAssignment(
      factory.createIdentifier(node.name.text),
      initializer === undefined ? target : assign(target, this.#visit(initializer)),
    );
  }

  #call(node: ts.CallExpression): ts.Node {
    const args = node.arguments.map((argument) => this.#visit(argument));
    if (node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      return place(call(access(cellName, 'import'), args), node);
    }
    const callee = this.#callee(node.expression);
    return ts.isCallChain(node)
      ? factory.updateCallChain(node, callee, node.questionDotToken, node.typeArguments, args)
      : factory.updateCallExpression(node, callee, node.typeArguments, args);
  }

  /** A shared function is called without the scope as its `this`. */
  #callee(node: ts.Expression): ts.Expression {
    const visited = this.#visit(node);
    const bare = withoutWrapping(node);
    if (!ts.isIdentifier(bare) || !this.#isShared(this.#checker.getSymbolAtLocation(bare))) {
      return visited;
    }
    const comma = factory.createComma(factory.createNumericLiteral(0), visited);
    return ts.setTextRange(factory.createParenthesizedExpression(comma), node);
  }

  /** A loop at the top level may declare shared variables by `var` in its head. */
  #topLevelFor(node: ts.ForStatement | ts.ForInStatement | ts.ForOfStatement): ts.Node {
    const head = node.initializer;
    if (head === undefined || !ts.isVariableDeclarationList(head) || !isVarList(head)) {
      return this.#loop(node);
    }
    const body = this.#ticking(node.statement);
    if (ts.isForStatement(node)) {
      return factory.updateForStatement(
        node,
        this.#declareExpression(head),
        node.condition && this.#visit(node.condition),
        node.incrementor && this.#visit(node.incrementor),
        body,
      );
    }
    const name = head.declarations[0]!.name;
    this.#noteNames(name, true);
    const target = this.#target(name);
    return ts.isForInStatement(node)
      ? factory.updateForInStatement(node, target, this.#visit(node.expression), body)
      : factory.updateForOfStatement(node, node.awaitModifier, target, this.#items(node), body);
  }

  #loop(node: ts.IterationStatement): ts.Node {
    const body = this.#ticking(node.statement);
    const visited = ts.visitEachChild(
      node as ts.Node,
      (child) => {
        if (child === node.statement) return body;
        return ts.isForOfStatement(node) && child === node.expression
          ? this.#items(node)
          : this.#visitAny(child);
      },
      this.#context,
    );
    return visited;
  }

  #items(node: ts.ForOfStatement): ts.Expression {
    const items = this.#visit(node.expression);
    return node.awaitModifier === undefined ? items : call(access(cellName, 'guardEach'), [items]);
  }

  /** A loop's body that first looks whether the cell was interrupted. */
  #ticking(body: ts.Statement): ts.Block {
    const tick = factory.createExpressionStatement(call(factory.createIdentifier(tickName), []));
    const visited = this.#visitAny(body);
    const inner = visited as ts.Statement;
    return ts.setTextRange(
      factory.createBlock(ts.isBlock(inner) ? [tick, ...inner.statements] : [tick, inner], true),
      body,
    );
  }
}

/** The last statement when it is an expression; types after it do not count. */
function lastExpression(file: ts.SourceFile): ts.ExpressionStatement | undefined {
  const last = file.statements.findLast(
    (s) =>
      !ts.isEmptyStatement(s) && !ts.isInterfaceDeclaration(s) && !ts.isTypeAliasDeclaration(s),
  );
  return last !== undefined && ts.isExpressionStatement(last) ? last : undefined;
}

/** The expression inside parentheses, type assertions and `!`. */
function withoutWrapping(node: ts.Expression): ts.Expression {
  let bare = node;
  while (
    ts.isParenthesizedExpression(bare) ||
    ts.isAssertionExpression(bare) ||
    ts.isNonNullExpression(bare) ||
    ts.isSatisfiesExpression(bare)
  ) {
    bare = bare.expression;
  }
  return bare;
}

function isAnonymousFunction(node: ts.Expression): boolean {
  const bare = withoutWrapping(node);
  return (
    ts.isArrowFunction(bare) ||
    ((ts.isFunctionExpression(bare) || ts.isClassExpression(bare)) && bare.name === undefined)
  );
}

function withoutExport(
  modifiers: ts.NodeArray<ts.ModifierLike> | undefined,
): ts.ModifierLike[] | undefined {
  return modifiers?.filter(
    ({ kind }) => kind !== ts.SyntaxKind.ExportKeyword && kind !== ts.SyntaxKind.DefaultKeyword,
  );
}

function access(object: string, name: string): ts.PropertyAccessExpression {
  return factory.createPropertyAccessExpression(factory.createIdentifier(object), name);
}

function call(callee: ts.Expression, args: ts.Expression[]): ts.CallExpression {
  return factory.createCallExpression(callee, undefined, args);
}

function assign(target: ts.Expression, value: ts.Expression): ts.Expression {
  return factory.createAssignment(target, value);
}

function awaitImport(
  specifier: ts.Expression,
  attributes: ts.ImportAttributes | undefined,
): ts.Expression {
  const given = attributes?.elements.map(({ name, value }) =>
    factory.createPropertyAssignment(
      ts.isIdentifier(name)
        ? factory.createIdentifier(name.text)
        : factory.createStringLiteral(name.text),
      value,
    ),
  );
  const options =
    given === undefined
      ? []
      : [
          factory.createObjectLiteralExpression([
            factory.createPropertyAssignment('with', factory.createObjectLiteralExpression(given)),
          ]),
        ];
  const text = factory.createStringLiteral(ts.isStringLiteral(specifier) ? specifier.text : '');
  const load = call(access(cellName, 'import'), [text, ...options]);
  return factory.createAwaitExpression(call(access(cellName, 'guard'), [load]));
}

/** Gives a made-up expression the source position of the code it stands for. */
function place<T extends ts.Expression>(node: T, at: ts.Node): T {
  return ts.setSourceMapRange(node, ts.getSourceMapRange(at));
}

/** The same as a statement. */
function placeStatement(node: ts.Expression, at: ts.Node): ts.Statement {
  return ts.setSourceMapRange(factory.createExpressionStatement(node), ts.getSourceMapRange(at));
}
