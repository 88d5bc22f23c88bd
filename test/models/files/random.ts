/** Seeded random integers below `bound`, the same on every run. */
export function randomInts(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x7feb352d);
    x ^= x >>> 15;
    return Math.floor(((x >>> 0) / 2 ** 32) * bound);
  };
}

// Lengths, counts and offsets around which readers go wrong.
const edges = [
  0n,
  1n,
  31n,
  32n,
  33n,
  255n,
  256n,
  65535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n - 32n,
];

/** A copy of the bytes with one to four random changes of a kind that headers suffer from. */
export function mutateBytes(bytes: Uint8Array, random: (bound: number) => number): Uint8Array {
  let mutated: Uint8Array = bytes.slice();
  const changes = 1 + random(4);
  for (let i = 0; i < changes; i++) mutated = change(mutated, random);
  return mutated;
}

function change(bytes: Uint8Array, random: (bound: number) => number): Uint8Array {
  const at = random(Math.max(1, bytes.length));
  const edge = edges[random(edges.length)] as bigint;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (random(8)) {
    case 0:
      if (at < bytes.length) bytes[at] = random(256);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random(8));
      return bytes;
    case 2:
      if (at + 8 <= bytes.length) view.setBigUint64(at, edge, true);
      return bytes;
    case 3:
      if (at + 4 <= bytes.length) view.setUint32(at, Number(edge & 0xffffffffn), true);
      return bytes;
    case 4:
      return bytes.slice(0, at);
    case 5: {
      const length = random(24);
      return concatenate(bytes.subarray(0, at), bytes.subarray(at + length));
    }
    case 6: {
      const from = random(bytes.length + 1);
      const piece = bytes.subarray(from, from + random(40));
      return concatenate(bytes.subarray(0, at), piece, bytes.subarray(at));
    }
    default: {
      const from = random(bytes.length + 1);
      bytes.copyWithin(at, from, from + 8);
      return bytes;
    }
  }
}

function concatenate(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

// What a careless or hostile writer puts where another value belongs.
const oddValues = [
  'null',
  'true',
  '-1',
  '0',
  '1e999',
  '0.5',
  '9007199254740993',
  '""',
  '"x"',
  '"\\u0000"',
  '"__proto__"',
  '[]',
  '{}',
  '[[[[[[[[[[1]]]]]]]]]]',
  '{"__proto__":{"type":"BPE"}}',
  '"\\ud800"',
];

/**
 * A copy of a JSON text with one to three changes: mostly a value replaced, removed or repeated, so
 * that the text is still JSON, and sometimes a change of bytes.
 */
export function mutateJson(text: string, random: (bound: number) => number): string {
  let mutated = text;
  const changes = 1 + random(3);
  for (let i = 0; i < changes; i++) {
    if (random(4) === 0) {
      const bytes = mutateBytes(new TextEncoder().encode(mutated), random);
      mutated = new TextDecoder().decode(bytes);
      continue;
    }
    const values = [...mutated.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null|\[\]/g)];
    const value = values[random(Math.max(1, values.length))];
    if (value === undefined) continue;
    const other = values[random(values.length)]?.[0] ?? 'null';
    const odd = oddValues[random(oddValues.length)] as string;
    const replacement = random(3) === 0 ? other : odd;
    const end = value.index + value[0].length;
    mutated = mutated.slice(0, value.index) + replacement + mutated.slice(end);
  }
  return mutated;
}
