import { filled } from './fill.js';
import { isPlain, kernel } from './kernel.js';
import { steps, stridedCopy } from './strided.js';

export const padV2 = kernel<{ paddings: [number, number][]; constantValue: number }>(
  'PadV2',
  (call, { x }, { paddings, constantValue }) => {
    if (!x || !isPlain(x)) return undefined;
    const pad = (i: number) => paddings[i] as [number, number];
    const shape = x.shape.map((n, i) => pad(i)[0] + n + pad(i)[1]);
    const y = filled(call, shape, x.dtype, constantValue);
    const from = steps(x.shape);
    const to = steps(shape);
    const start = to.reduce((sum, step, i) => sum + step * pad(i)[0], 0);
    stridedCopy(
      call,
      x,
      0,
      y,
      start,
      x.shape.map((n, i) => [n, from[i] as number, to[i] as number]),
    );
    return y;
  },
);
