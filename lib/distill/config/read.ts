/** Reading a configuration file. */
import { readFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';

/**
 * Reads a configuration: JSON, or the default export of a TypeScript or JavaScript module.
 *
 * @throws Error naming the file and everything in it that is unknown, missing or wrong.
 */
export async function readConfig<T extends z.ZodType>(
  schema: T,
  path: string,
): Promise<z.output<T>> {
  const value = await contentOf(path);
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const lines = checked.error.issues.flatMap((issue) => describe(schema, issue, value));
  throw new Error(`${path}:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

async function contentOf(path: string): Promise<unknown> {
  const extension = extname(path);
  if (extension === '.json') {
    const text = readFileSync(path, 'utf8');
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Error(`${path}: no JSON: ${(error as Error).message}`);
    }
  }
  if (!['.ts', '.mts', '.js', '.mjs'].includes(extension)) {
    throw new Error(`${path}: expected a file that ends in .json, .ts, .mts, .js or .mjs`);
  }
  const module = extension.endsWith('ts')
    ? await import(await transpiled(readFileSync(path, 'utf8')))
    : await import(pathToFileURL(resolve(path)).href);
  if (module.default === undefined) throw new Error(`${path}: it has no default export`);
  return module.default;
}

/** A module of TypeScript as a URL that Node imports: types gone, nothing else changed. */
async function transpiled(source: string): Promise<string> {
  // Loaded here, because the compiler would double the start of every command.
  const { default: ts } = await import('typescript');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  return `data:text/javascript,${encodeURIComponent(outputText)}`;
}

type Issue = z.core.$ZodIssue;

function describe(schema: z.ZodType, issue: Issue, value: unknown): string[] {
  const at = issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
  switch (issue.code) {
    case 'unrecognized_keys': {
      const here = keysAt(schema, issue.path);
      return issue.keys.map((key) => {
        const near = nearest(key, here) ?? nearest(key, keysOf(schema));
        return `${at}unknown field '${key}'${near === undefined ? '' : `; did you mean '${near}'?`}`;
      });
    }
    case 'invalid_union': {
      // Of the kinds that may stand there, the one that it is nearest to.
      const [inner] = issue.errors
        .map((errors) => errors.filter((e) => e.path.length > 0 || e.code === 'unrecognized_keys'))
        .filter((errors) => errors.length > 0)
        .sort((a, b) => a.length - b.length);
      if (!inner) return [`${at}${issue.message}${optionsOf(issue)}`];
      return inner.flatMap((e) =>
        describe(schema, { ...e, path: [...issue.path, ...e.path] }, value),
      );
    }
    case 'invalid_value': {
      const given = valueAt(value, issue.path);
      const near = typeof given === 'string' ? nearest(given, issue.values.map(String)) : undefined;
      return [`${at}${issue.message}${near === undefined ? '' : `; did you mean '${near}'?`}`];
    }
    default:
      return [`${at}${issue.message}`];
  }
}

function valueAt(value: unknown, path: Issue['path']): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}

const optionsOf = (issue: Issue) =>
  'options' in issue && Array.isArray(issue.options)
    ? `: expected ${issue.options.join(' or ')}`
    : '';

interface Definition {
  readonly shape?: Readonly<Record<PropertyKey, unknown>>;
  readonly options?: readonly unknown[];
  readonly innerType?: unknown;
  readonly element?: unknown;
}

function definitionOf(schema: unknown): Definition {
  const { def = {} } = (schema as { _zod?: { def: Definition } } | undefined)?._zod ?? {};
  return def;
}

/** What a schema may be: the parts of unions and of what is optional, one by one. */
function partsOf(schema: unknown): Definition[] {
  const definition = definitionOf(schema);
  const { options, innerType } = definition;
  if (options) return options.flatMap(partsOf);
  return innerType === undefined ? [definition] : partsOf(innerType);
}

/** The field names that a schema knows at a place. */
function keysAt(schema: unknown, path: Issue['path']): string[] {
  const parts = path.reduce<Definition[]>(
    (all, key) => all.flatMap(({ shape, element }) => partsOf(shape?.[key] ?? element)),
    partsOf(schema),
  );
  return parts.flatMap(({ shape = {} }) => Object.keys(shape));
}

/** Every field name that a schema knows anywhere. */
function keysOf(schema: unknown, seen = new Set<unknown>()): string[] {
  if (seen.has(schema)) return [];
  seen.add(schema);
  const { shape = {}, options = [], innerType, element } = definitionOf(schema);
  const below = [...Object.values(shape), ...options, innerType, element];
  return [...Object.keys(shape), ...below.flatMap((inner) => keysOf(inner, seen))];
}

/** The known name that is nearest, where one is near. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const apart = [...new Set(known)].map((other) => [distance(name, other), other] as const);
  const [least] = apart.sort(([a], [b]) => a - b);
  return least && least[0] <= Math.max(2, name.length / 3) ? least[1] : undefined;
}
