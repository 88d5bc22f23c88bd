/**
 * The rows of a query or key projection in Hugging Face's order: a GGUF file has the two rows that
 * rotate together side by side, Hugging Face half a head apart.
 *
 * @param values `[heads * headDim, columns]`, row-major.
 */
export function halfRopeRows(values: Float32Array, headDim: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  const half = headDim / 2;
  for (let row = 0; row < values.length / columns; row++) {
    const within = row % headDim;
    const to = row - within + (within >> 1) + (within & 1) * half;
    out.set(values.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}
