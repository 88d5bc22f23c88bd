import { isPlain, kernel, size } from './kernel.js';

/** condition ? t : e; a condition of rank 1 decides over rows. */
export const select = kernel('Select', (call, { condition, t, e }) => {
  if (!condition || !t || !e || !isPlain(condition, t, e)) return undefined;
  if (condition.dtype !== 'bool' || t.dtype !== e.dtype) return undefined;
  const rows = condition.shape.length === 1 && condition.shape[0] === t.shape[0];
  if (!rows && size(condition.shape) !== size(t.shape)) return undefined;
  const y = call.output(t.shape, t.dtype);
  if (size(y.shape) > 0) call.run('select', [condition, call.dense(t), call.dense(e), y]);
  return y;
});
