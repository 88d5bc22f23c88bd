/** The recurrences token by token in float64, as their equations stand. */

/** A dense array of numbers with a shape. */
export interface Dense {
  shape: readonly number[];
  values: ArrayLike<number>;
}

/** An element by its indices. */
type Read = (...index: number[]) => number;

function reader({ shape, values }: Dense): Read {
  return (...index) =>
    values[index.reduce((at, i, axis) => at * (shape[axis] as number) + i, 0)] as number;
}

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const silu = (x: number) => x / (1 + Math.exp(-x));

export interface Sequence {
  lens?: Dense | undefined;
  resets?: Dense | undefined;
}

export interface Result {
  y: Float64Array;
  state: Float64Array;
}

/** Discrete without `A`, else continuous, with softplus where asked for. */
export function ssdReference(
  operands: Record<'x' | 'a' | 'B' | 'C', Dense> &
    Partial<Record<'A' | 'bias' | 'D' | 'state', Dense | undefined>> &
    Sequence,
  withSoftplus = false,
): Result {
  const [b, l, h, p] = operands.x.shape as [number, number, number, number];
  const [, , groups, n] = operands.B.shape as [number, number, number, number];
  const [x, a, B, C] = [operands.x, operands.a, operands.B, operands.C].map(reader) as [
    Read,
    Read,
    Read,
    Read,
  ];
  const [A, bias, D, lens, resets] = [
    operands.A,
    operands.bias,
    operands.D,
    operands.lens,
    operands.resets,
  ].map((t) => t && reader(t));
  const y = new Float64Array(b * l * h * p);
  const state = new Float64Array(b * h * p * n);
  if (operands.state) state.set(Array.from(operands.state.values));
  for (let row = 0; row < b; row++) {
    for (let head = 0; head < h; head++) {
      const group = Math.floor((head * groups) / h);
      for (let t = 0; t < (lens ? lens(row) : l); t++) {
        const raw = a(row, t, head);
        const shifted = raw + (bias ? bias(head) : 0);
        const step = withSoftplus ? softplus(shifted) : shifted;
        const decay = A ? Math.exp(step * A(head)) : Math.exp(-softplus(raw));
        for (let i = 0; i < p; i++) {
          const value = x(row, t, head, i);
          let sum = D ? D(head) * value : 0;
          for (let j = 0; j < n; j++) {
            const at = ((row * h + head) * p + i) * n + j;
            const before = resets?.(row, t) ? 0 : (state[at] as number);
            const next = decay * before + (A ? step : 1) * value * B(row, t, group, j);
            state[at] = next;
            sum += next * C(row, t, group, j);
          }
          y[((row * l + t) * h + head) * p + i] = sum;
        }
      }
    }
  }
  return { y, state };
}

export function selectiveScanReference(
  operands: Record<'u' | 'delta' | 'A' | 'B' | 'C', Dense> &
    Partial<Record<'D' | 'z' | 'deltaBias' | 'state', Dense | undefined>> &
    Sequence,
  withSoftplus = false,
): Result {
  const [b, l, d] = operands.u.shape as [number, number, number];
  const [, , groups, n] = operands.B.shape as [number, number, number, number];
  const [u, delta, A, B, C] = [operands.u, operands.delta, operands.A, operands.B, operands.C].map(
    reader,
  ) as [Read, Read, Read, Read, Read];
  const [D, z, bias, lens, resets] = [
    operands.D,
    operands.z,
    operands.deltaBias,
    operands.lens,
    operands.resets,
  ].map((t) => t && reader(t));
  const y = new Float64Array(b * l * d);
  const state = new Float64Array(b * d * n);
  if (operands.state) state.set(Array.from(operands.state.values));
  for (let row = 0; row < b; row++) {
    for (let t = 0; t < (lens ? lens(row) : l); t++) {
      for (let c = 0; c < d; c++) {
        const group = Math.floor((c * groups) / d);
        const shifted = delta(row, t, c) + (bias ? bias(c) : 0);
        const step = withSoftplus ? softplus(shifted) : shifted;
        const value = u(row, t, c);
        let sum = D ? D(c) * value : 0;
        for (let j = 0; j < n; j++) {
          const at = (row * d + c) * n + j;
          const before = resets?.(row, t) ? 0 : (state[at] as number);
          const next = Math.exp(step * A(c, j)) * before + step * B(row, t, group, j) * value;
          state[at] = next;
          sum += next * C(row, t, group, j);
        }
        y[(row * l + t) * d + c] = z ? sum * silu(z(row, t, c)) : sum;
      }
    }
  }
  return { y, state };
}

export function causalConv1dReference(
  operands: Record<'x' | 'weight', Dense> &
    Partial<Record<'bias' | 'state', Dense | undefined>> &
    Sequence,
  withSilu: boolean,
): Result {
  const [b, l, c] = operands.x.shape as [number, number, number];
  const width = operands.weight.shape[1] as number;
  const [x, weight] = [operands.x, operands.weight].map(reader) as [Read, Read];
  const [bias, past, lens, resets] = [
    operands.bias,
    operands.state,
    operands.lens,
    operands.resets,
  ].map((t) => t && reader(t));
  const y = new Float64Array(b * l * c);
  const state = new Float64Array(b * (width - 1) * c);
  for (let row = 0; row < b; row++) {
    for (let channel = 0; channel < c; channel++) {
      let window: number[] = Array.from({ length: width - 1 }, (_, i) =>
        past ? past(row, i, channel) : 0,
      );
      for (let t = 0; t < (lens ? lens(row) : l); t++) {
        if (resets?.(row, t)) window = window.map(() => 0);
        window.push(x(row, t, channel));
        let sum = bias ? bias(channel) : 0;
        window.forEach((value, j) => {
          sum += value * weight(channel, j);
        });
        y[(row * l + t) * c + channel] = withSilu ? silu(sum) : sum;
        window = window.slice(1);
      }
      window.forEach((value, i) => {
        state[(row * (width - 1) + i) * c + channel] = value;
      });
    }
  }
  return { y, state };
}
