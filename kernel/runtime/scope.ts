/** The variables that cells share, by name. */
export type Scope = Record<string, unknown>;

/**
 * An empty scope. It inherits from nothing, so that no name is there by accident, through a
 * constructor because engines keep objects made so fast.
 */
export function createScope(): Scope {
  return new (ScopeObject as unknown as new () => Scope)();
}

function ScopeObject(): void {}
ScopeObject.prototype = Object.create(null) as object;

/** What a name held before a cell ran, to tell whether the cell gave it a value. */
export class ScopeSnapshot {
  readonly #scope: Scope;
  readonly #before: Map<string, PropertyDescriptor | undefined>;

  constructor(scope: Scope, names: string[]) {
    this.#scope = scope;
    this.#before = new Map(
      names.map((name) => [name, Object.getOwnPropertyDescriptor(scope, name)]),
    );
  }

  /** Names that hold something else now. */
  changed(): string[] {
    return [...this.#before].flatMap(([name, before]) => {
      const now = Object.getOwnPropertyDescriptor(this.#scope, name);
      if (now === undefined) return [];
      const same =
        before !== undefined && before.get === now.get && Object.is(before.value, now.value);
      return same ? [] : [name];
    });
  }
}
