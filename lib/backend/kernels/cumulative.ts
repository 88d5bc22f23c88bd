/** Running sums and products. */
import { kernel, size } from './kernel.js';
import { axisOf } from './strided.js';

interface Attrs {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}

const cumulative = (name: string, product: boolean) =>
  kernel<Attrs>(name, (call, { x }, { axis, exclusive, reverse }) => {
    if (!x || (x.dtype !== 'float32' && x.dtype !== 'int32')) return undefined;
    const along = axisOf(axis, x.shape);
    const y = call.output(x.shape, x.dtype);
    call.run(
      'cumulative',
      [call.dense(x), y],
      [
        size(x.shape.slice(0, along)),
        x.shape[along] ?? 1,
        size(x.shape.slice(along + 1)),
        Number(exclusive),
        Number(reverse),
        Number(product),
      ],
    );
    return y;
  });

export const cumprod = cumulative('Cumprod', true);
export const cumsum = cumulative('Cumsum', false);
