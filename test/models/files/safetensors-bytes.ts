/** A safetensors file with this header, as JSON or as text, and so many bytes of data. */
export function safetensorsFile(header: unknown, dataBytes: number): Uint8Array {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const bytes = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + bytes.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(bytes.length), true);
  file.set(bytes, 8);
  return file;
}

/** A valid file of several types. */
export function richSafetensors(): Uint8Array {
  return safetensorsFile(
    {
      __metadata__: { format: 'pt' },
      'a.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
      b: { dtype: 'BF16', shape: [4], data_offsets: [24, 32] },
      scalar: { dtype: 'I64', shape: [], data_offsets: [32, 40] },
      empty: { dtype: 'F16', shape: [0, 7], data_offsets: [40, 40] },
      flags: { dtype: 'BOOL', shape: [3], data_offsets: [40, 43] },
    },
    43,
  );
}
