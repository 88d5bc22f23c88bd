/** Repetition: Tile, BroadcastTo is made of it. */
import { isPlain, kernel } from './kernel.js';
import { type Axis, steps, stridedCopy } from './strided.js';

export const tile = kernel<{ reps: number[] }>('Tile', (call, { x }, { reps }) => {
  if (!x || !isPlain(x)) return undefined;
  const shape = x.shape.map((n, i) => n * (reps[i] as number));
  const y = call.output(shape, x.dtype);
  const from = steps(x.shape);
  const to = steps(shape);
  const axes = x.shape.flatMap((n, i): Axis[] => {
    const step = to[i] as number;
    return [
      [reps[i] as number, 0, n * step],
      [n, from[i] as number, step],
    ];
  });
  stridedCopy(call, x, 0, y, 0, axes);
  return y;
});
