/** Types of the exports of a WebAssembly module, read from its binary format (core 1, section 5). */

const sections = { type: 1, import: 2, function: 3, export: 7 } as const;

/** TypeScript's names for the value types of WebAssembly. */
const valueTypes: Record<number, string> = {
  127: 'number',
  126: 'bigint',
  125: 'number',
  124: 'number',
};

/** Declarations of the exports by kind: table, memory, global. */
const kinds: Record<number, string> = {
  1: 'WebAssembly.Table',
  2: 'WebAssembly.Memory',
  3: 'WebAssembly.Global',
};

interface Signature {
  parameters: string[];
  results: string[];
}

/**
 * A declaration file for a WebAssembly module.
 *
 * @param bytes The module; what cannot be read leads to a module without declared exports.
 */
export function wasmDeclarations(bytes: Uint8Array): string {
  try {
    return declarationsOf(new Reader(bytes));
  } catch {
    return 'export {};\n';
  }
}

function declarationsOf(reader: Reader): string {
  reader.at = 8;
  const signatures: Signature[] = [];
  /** Signature of each function, imported ones first. */
  const functions: number[] = [];
  const lines: string[] = [];
  while (!reader.ended) {
    const id = reader.byte();
    const end = reader.number() + reader.at;
    if (id === sections.type) {
      reader.list(() => {
        if (reader.byte() !== 0x60) throw new Error('a type that is no function');
        const parameters = reader.list(() => valueTypes[reader.byte()] ?? 'unknown');
        signatures.push({
          parameters,
          results: reader.list(() => valueTypes[reader.byte()] ?? 'unknown'),
        });
      });
    } else if (id === sections.import) {
      reader.list(() => {
        reader.text();
        reader.text();
        const kind = reader.byte();
        if (kind === 0) functions.push(reader.number());
        else if (kind === 3) reader.at += 2;
        else {
          if (kind === 1) reader.byte();
          reader.limits();
        }
      });
    } else if (id === sections.function) {
      reader.list(() => functions.push(reader.number()));
    } else if (id === sections.export) {
      reader.list(() => {
        const name = reader.text();
        const kind = reader.byte();
        const index = reader.number();
        const type =
          kind === 0 ? functionType(signatures[functions[index]!]) : (kinds[kind] ?? 'unknown');
        const local = `_${lines.length}`;
        lines.push(
          `declare const ${local}: ${type};\nexport { ${local} as ${JSON.stringify(name)} };`,
        );
      });
    }
    reader.at = end;
  }
  return [...lines, 'export {};\n'].join('\n');
}

function functionType(signature: Signature | undefined): string {
  if (signature === undefined) return '(...args: unknown[]) => unknown';
  const { parameters, results } = signature;
  const result = results.length > 1 ? `[${results.join(', ')}]` : (results[0] ?? 'void');
  return `(${parameters.map((type, i) => `p${i}: ${type}`).join(', ')}) => ${result}`;
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw new RangeError('the module ends early');
    this.at += 1;
    return byte;
  }

  /** An unsigned integer in LEB128. */
  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const length = this.number();
    this.at += length;
    return Buffer.from(this.#bytes.subarray(this.at - length, this.at)).toString('utf8');
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.number() }, read);
  }

  /** Skips the limits of a table or a memory: the least size and, where a flag says so, the most. */
  limits(): void {
    if ((this.byte() & 1) === 1) this.number();
    this.number();
  }
}
