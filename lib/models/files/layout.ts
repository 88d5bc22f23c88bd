/**
 * A checkpoint's tensors by name and shape, and the model's parameters that each of them holds.
 *
 * A checkpoint may join what the model keeps apart (the rows of several projections in one tensor).
 * One table serves planning, loading and saving.
 */

/** A parameter inside a tensor: some of its rows. */
export interface LayoutPart {
  /** The parameter's path in the model, such as `layers.0.attention.q`. */
  readonly path: string;
  readonly shape: readonly number[];
  /** Kept as float32 whatever the precision of the weights: what is not the matrix of a product. */
  readonly dense: boolean;
}

/** One tensor of a checkpoint. */
export interface LayoutTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its parameters, in the order of its rows. */
  readonly parts: readonly LayoutPart[];
}

/** Every tensor of a checkpoint, in the order of the model. */
export type Layout = readonly LayoutTensor[];

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A matrix `[rows, columns]` that is one parameter. */
export function matrix(name: string, path: string, rows: number, columns: number): LayoutTensor {
  return joined(name, columns, [[path, rows]]);
}

/** A matrix whose rows are those of several parameters, in this order. */
export function joined(
  name: string,
  columns: number,
  parts: readonly (readonly [path: string, rows: number])[],
): LayoutTensor {
  const rows = parts.reduce((sum, [, n]) => sum + n, 0);
  return {
    name,
    shape: [rows, columns],
    parts: parts.map(([path, n]) => ({ path, shape: [n, columns], dense: false })),
  };
}

/** A parameter that is kept as float32; `as` where the checkpoint gives it another shape. */
export function dense(
  name: string,
  path: string,
  shape: readonly number[],
  as: readonly number[] = shape,
): LayoutTensor {
  return { name, shape: as, parts: [{ path, shape, dense: true }] };
}
