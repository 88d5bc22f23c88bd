import { isPlain, kernel } from './kernel.js';
import { gathered, steps } from './strided.js';

export const transpose = kernel<{ perm: number[] }>('Transpose', (call, { x }, { perm }) => {
  if (!x || !isPlain(x)) return undefined;
  const from = steps(x.shape);
  return gathered(
    call,
    x,
    perm.map((axis) => x.shape[axis] as number),
    0,
    perm.map((axis) => from[axis] as number),
  );
});
