// The derivative of Mamba-2's recurrence in the chunked form (Dao and Gu 2024, section 6): what every chunk
// adds to the state and to its gradient, both from chunk to chunk, then everything within chunks at once.
// Limit: float32 arithmetic of the chunks' products.

struct In {
    const float *x, *a, *b, *c, *rate, *bias, *skip, *state;
    const i32 *lens, *resets;
    const float *dy, *dstate;
};

struct Out {
    float *dx, *da;
    // Of every head, [b, l, h, n].
    float *db, *dc;
    // Of A, the bias and D: [3, h, b, chunks].
    float *scalars, *dinitial;
    // States before chunks and their gradients after chunks, [b, h, chunks, p, n]; decays, [b, h, chunks].
    float *starts, *ends, *totals;
};

// What a chunk's tokens alone give the state after it and the gradient of the state before it; each is
// written where the neighbouring chunk finds it. grid: (tiles of [p, n] x chunks, heads, batch).
template <bool FOURS> __device__ inline void chunks(const In &in, const Out &out, const Ssd &s, Fault *fault) {
    __shared__ __align__(16) Slab slabs[SLABS];
    __shared__ Decays d;
    i64 chunk = blockIdx.x % s.chunks, tile = blockIdx.x / s.chunks, tiles = (s.n + Q - 1) / Q;
    int channel = (int)(tile / tiles) * Q, key = (int)(tile % tiles) * Q;
    Place at = place(s, in.lens, chunk, fault);
    if (at.count == 0) return;
    read_decays(d, in.a, in.rate, in.bias, in.resets, at.token, at.head, s.heads, s.softplus, at.count);
    if (threadIdx.x == 0) out.totals[at.unit * s.chunks + chunk] = d.through[Q - 1];
    auto x = of_head<FOURS>(s, at, in.x).from(0, channel), dy = of_head<FOURS>(s, at, in.dy).from(0, channel);
    auto b = of_group<FOURS>(s, at, in.b).from(0, key), c = of_group<FOURS>(s, at, in.c).from(0, key);
    Tile end, slope;
    clear(end), clear(slope);
    stream((at.count + SLAB - 1) / SLAB,
           [&](int step, float4 *held) {
               int from = step * SLAB;
               held[0] = across(x, from), held[1] = across(b, from);
               held[2] = across(dy, from), held[3] = across(c, from);
           },
           [&](int step, float4 *held) {
               int t = step * SLAB + threadIdx.x / 16;
               scale(held[0], d.weight[t] * d.last[t]);
               scale(held[2], d.through[t]);
#pragma unroll
               for (int i = 0; i < SLABS; i++) keep_across(slabs[i], held[i]);
           },
           [&](int) {
               multiply(end, slabs[0], slabs[1]);
               multiply(slope, slabs[2], slabs[3]);
           });
    i64 size = s.width * s.n, own = (at.unit * s.chunks + chunk) * size;
    float *next = chunk + 1 < s.chunks ? out.starts + own + size : nullptr;
    float *before = chunk ? out.ends + own - size : out.dinitial ? out.dinitial + at.unit * size : nullptr;
    int column = key + 4 * tile_column();
#pragma unroll
    for (int r = 0; r < 8; r++) {
        i64 row = channel + row_of(r / 4, r % 4), to = row * s.n + column;
        if (row >= s.width) continue;
        float *e = end[r / 4][r % 4], *g = slope[r / 4][r % 4];
        if (next) put<FOURS>(next + to, (int)s.n - column, {e[0], e[1], e[2], e[3]});
        if (before) put<FOURS>(before + to, (int)s.n - column, {g[0], g[1], g[2], g[3]});
    }
}

KERNELS(ssdChunks, chunks, 3)

// The states before chunks, and the gradients of those after them. grid: (of [b, h, p, n], 2).
extern "C" __global__ void ssdStates(In in, Out out, Ssd s, Fault *fault) {
    i64 size = s.width * s.n;
    EACH(i, s.batch * s.heads * size) {
        i64 unit = i / size, first = unit * s.chunks * size + i % size;
        i64 used = (length_of(in.lens, s.length, unit / s.heads, fault) + Q - 1) / Q;
        const float *totals = out.totals + unit * s.chunks;
        if (blockIdx.y == 0) {
            if (used == 0) continue;
            out.starts[first] = in.state ? in.state[i] : 0.0f;
            pass(out.starts[first], totals, 1, out.starts + first + size, size, used - 1);
            continue;
        }
        float held = in.dstate[i];
        if (used > 0) {
            float *last = out.ends + first + (used - 1) * size;
            *last = held;
            held = pass(held, totals + used - 1, -1, last - size, -size, used - 1);
        }
        if (!out.dinitial) continue;
        if (used == 0) out.dinitial[i] = held;
        else pass(held, totals, 1, out.dinitial + i, 0, 1);
    }
}

struct Shared {
    Slab slabs[SLABS];
    // [t, j]: what a token t sees of j; the second of dy's products with x, and its transpose in the first.
    float first[Q * WIDE], second[Q * WIDE];
    // Sums over a row, of each warp's columns: of x, through C, through B.
    float x[4][Q], c[4][Q], b[4][Q];
    float dlog[Q];
    Decays d;
};

// sums += the sums over this warp's columns of each row.
__device__ inline void add_rows(float (*sums)[Q], const float (&rows)[2][4]) {
#pragma unroll
    for (int r = 0; r < 8; r++) {
        float sum = sum_columns(rows[r / 4][r % 4]);
        if (tile_column() % 4 == 0) sums[threadIdx.x / 32][row_of(r / 4, r % 4)] += sum;
    }
}

// Of the decays' logarithms, from pairs within the chunk: token r decays what j < r gives to t >= r.
__device__ void decay_gradients(Shared &m, Tile &pairs) {
    int warp = threadIdx.x / 32, lane = tile_column() % 4, column = 4 * tile_column();
    float before[2][4];
#pragma unroll
    for (int r = 0; r < 8; r++) {
        float *own = pairs[r / 4][r % 4];
        own[1] += own[0], own[2] += own[1], own[3] += own[2];
        float other = __shfl_xor_sync(0xffffffff, own[3], 1), two = own[3] + other;
        float others = __shfl_xor_sync(0xffffffff, two, 4);
        before[r / 4][r % 4] = (lane % 2 ? other : 0.0f) + (lane / 2 ? others : 0.0f);
        if (lane == 0) m.x[warp][row_of(r / 4, r % 4)] = two + others;
    }
    __syncthreads();
    float sums[4] = {0, 0, 0, 0};
#pragma unroll
    for (int r = 0; r < 8; r++) {
        int t = row_of(r / 4, r % 4);
        float sum = before[r / 4][r % 4];
        for (int w = 0; w < warp; w++) sum += m.x[w][t];
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (t > column + j) sums[j] += sum + pairs[r / 4][r % 4][j];
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
        float sum = sum_rows(sums[j]);
        if (tile_row() == 0 && column + j + 1 < Q) m.dlog[column + j + 1] = sum;
    }
    if (threadIdx.x == 0) m.dlog[0] = 0;
}

// C B^T and dy x^T, with the decays between their tokens.
template <typename P> __device__ inline void products(Shared &m, const P &x, const P &dy, const P &b, const P &c) {
    Tile keys, values;
    clear(keys), clear(values);
    multiply_along(keys, c, b, b.columns, m.slabs);
    multiply_along(values, dy, x, x.columns, m.slabs);
    int column = 4 * tile_column();
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float l[4][4];
        decays_between(m.d, tile_row() + 8 * h, tile_column(), l);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int t = row_of(h, i);
            float *k = keys[h][i], *v = values[h][i];
            float4 first = {k[0] * l[i][0], k[1] * l[i][1], k[2] * l[i][2], k[3] * l[i][3]};
#pragma unroll
            for (int j = 0; j < 4; j++) {
                v[j] *= l[i][j] * m.d.weight[column + j];
                k[j] = column + j < t ? k[j] * v[j] : 0.0f;
            }
            *(float4 *)(m.first + t * WIDE + column) = first;
            *(float4 *)(m.second + t * WIDE + column) = {v[0], v[1], v[2], v[3]};
        }
    }
    decay_gradients(m, keys);
    __syncthreads();
}

// dx; the share of the products of dy and x in D's gradient is returned.
template <bool FOURS>
__device__ inline float inputs(Shared &m, const Ssd &s, const Part<FOURS> &x, const Part<FOURS> &dy,
                               const Part<FOURS> &b, const float *end, float skip, float *to, int real) {
    float dskip = 0;
    for (int channel = 0; channel < s.width; channel += Q) {
        Part<FOURS> own = x.from(0, channel), slope = dy.from(0, channel);
        Tile sum;
        clear(sum);
        Part<FOURS> after = {end + channel * s.n, (int)s.n, own.columns, (int)s.n};
        multiply_along(sum, b, after, (int)s.n, m.slabs);
#pragma unroll
        for (int r = 0; r < 8; r++)
#pragma unroll
            for (int j = 0; j < 4; j++) sum[r / 4][r % 4][j] *= m.d.last[row_of(r / 4, r % 4)];
        // The first half of the tokens gives the second no gradient.
        stream((dy.rows + 2 * SLAB - 1) / (2 * SLAB),
               [&](int step, float4 *held) {
                   held[0] = across(slope, step * 2 * SLAB), held[1] = across(slope, step * 2 * SLAB + SLAB);
               },
               [&](int, float4 *held) { keep_across(m.slabs[0], held[0]), keep_across(m.slabs[1], held[1]); },
               [&](int step) {
                   const float *seen = m.first + step * 2 * SLAB * WIDE;
                   for (int i = 0; i < 2; i++, seen += SLAB * WIDE)
                       if (step < 2) multiply<0, 1>(sum, seen, m.slabs[i]);
                       else multiply(sum, seen, m.slabs[i]);
               });
        float rows[2][4];
        int column = 4 * tile_column();
#pragma unroll
        for (int r = 0; r < 8; r++) {
            int t = row_of(r / 4, r % 4);
            float *v = sum[r / 4][r % 4], w = m.d.weight[t];
            float4 raw = own.get(t, column), d = slope.get(t, column);
            rows[r / 4][r % 4] = v[0] * raw.x + v[1] * raw.y + v[2] * raw.z + v[3] * raw.w;
            dskip += d.x * raw.x + d.y * raw.y + d.z * raw.z + d.w * raw.w;
            float4 dx = {w * v[0] + skip * d.x, w * v[1] + skip * d.y, w * v[2] + skip * d.z, w * v[3] + skip * d.w};
            if (t < real) put<FOURS>(to + t * (i64)x.stride + channel + column, own.columns - column, dx);
        }
        add_rows(m.x, rows);
    }
    return dskip;
}

// dB and dC of the head; the product of the state before the chunk and the gradient after it is returned.
template <bool FOURS>
__device__ inline float keys(Shared &m, const Ssd &s, const Part<FOURS> &x, const Part<FOURS> &dy,
                             const Part<FOURS> &b, const Part<FOURS> &c, const float *start, const float *end,
                             float *db, float *dc, int real) {
    int column = 4 * tile_column();
    float both = 0;
    __syncthreads();
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float v[4][4];
#pragma unroll
        for (int i = 0; i < 4; i++) *(float4 *)v[i] = *(float4 *)(m.second + row_of(h, i) * WIDE + column);
#pragma unroll
        for (int j = 0; j < 4; j++)
            *(float4 *)(m.first + (column + j) * WIDE + row_of(h, 0)) = {v[0][j], v[1][j], v[2][j], v[3][j]};
    }
    for (int key = 0; key < s.n; key += Q) {
        Part<FOURS> own = b.from(0, key), own_c = c.from(0, key);
        Part<FOURS> before = {start + key, (int)s.n, (int)s.width, own.columns};
        Part<FOURS> after = {end + key, (int)s.n, (int)s.width, own.columns};
        Tile sum, sum_c;
        clear(sum), clear(sum_c);
        stream(((int)s.width + SLAB - 1) / SLAB,
               [&](int step, float4 *held) {
                   held[0] = along(x, step * SLAB), held[1] = across(after, step * SLAB);
                   held[2] = along(dy, step * SLAB), held[3] = across(before, step * SLAB);
               },
               [&](int, float4 *held) {
                   both += held[1].x * held[3].x + held[1].y * held[3].y;
                   both += held[1].z * held[3].z + held[1].w * held[3].w;
                   keep_along(m.slabs[0], held[0]), keep_across(m.slabs[1], held[1]);
                   keep_along(m.slabs[2], held[2]), keep_across(m.slabs[3], held[3]);
               },
               [&](int) {
                   multiply(sum, m.slabs[0], m.slabs[1]);
                   multiply(sum_c, m.slabs[2], m.slabs[3]);
               });
        float rows[2][4], rows_c[2][4];
#pragma unroll
        for (int r = 0; r < 8; r++) {
            int t = row_of(r / 4, r % 4);
            float *v = sum[r / 4][r % 4], *w = sum_c[r / 4][r % 4];
            float last = m.d.last[t] * m.d.weight[t], through = m.d.through[t];
#pragma unroll
            for (int j = 0; j < 4; j++) v[j] *= last, w[j] *= through;
            float4 bt = own.get(t, column), ct = own_c.get(t, column);
            rows[r / 4][r % 4] = v[0] * bt.x + v[1] * bt.y + v[2] * bt.z + v[3] * bt.w;
            rows_c[r / 4][r % 4] = w[0] * ct.x + w[1] * ct.y + w[2] * ct.z + w[3] * ct.w;
        }
        add_rows(m.b, rows);
        add_rows(m.c, rows_c);
        stream((b.rows + 2 * SLAB - 1) / (2 * SLAB),
               [&](int step, float4 *held) {
                   int from = step * 2 * SLAB;
                   held[0] = across(own, from), held[1] = across(own, from + SLAB);
                   held[2] = across(own_c, from), held[3] = across(own_c, from + SLAB);
               },
               [&](int, float4 *held) {
#pragma unroll
                   for (int i = 0; i < SLABS; i++) keep_across(m.slabs[i], held[i]);
               },
               [&](int step) {
                   const float *seen = m.second + step * 2 * SLAB * WIDE, *sees = m.first + step * 2 * SLAB * WIDE;
                   for (int i = 0; i < 2; i++, seen += SLAB * WIDE, sees += SLAB * WIDE)
                       if (step < 2) {
                           multiply<0, 1>(sum, seen, m.slabs[2 + i]);
                           multiply(sum_c, sees, m.slabs[i]);
                       } else {
                           multiply(sum, seen, m.slabs[2 + i]);
                           multiply<1, 2>(sum_c, sees, m.slabs[i]);
                       }
               });
#pragma unroll
        for (int r = 0; r < 8; r++) {
            int t = row_of(r / 4, r % 4), left = own.columns - column;
            if (t >= real) continue;
            float *v = sum[r / 4][r % 4], *w = sum_c[r / 4][r % 4];
            i64 to = t * s.heads * s.n + key + column;
            put<FOURS>(db + to, left, {v[0], v[1], v[2], v[3]});
            put<FOURS>(dc + to, left, {w[0], w[1], w[2], w[3]});
        }
    }
    return both;
}

// Everything within a chunk. grid: (chunks, heads, batch).
template <bool FOURS>
__device__ inline void backward(const In &in, const Out &out, const Ssd &s, Fault *fault) {
    __shared__ __align__(16) Shared m;
    __shared__ float sums[33];
    i64 chunk = blockIdx.x;
    Place at = place(s, in.lens, chunk, fault);
    int real = (int)min((i64)Q, s.length - at.from), t = threadIdx.x;
    read_decays(m.d, in.a, in.rate, in.bias, in.resets, at.token, at.head, s.heads, s.softplus, at.count);
    auto x = of_head<FOURS>(s, at, in.x), dy = of_head<FOURS>(s, at, in.dy);
    auto b = of_group<FOURS>(s, at, in.b), c = of_group<FOURS>(s, at, in.c);
    i64 own = (at.unit * s.chunks + chunk) * s.width * s.n, token = at.token * s.heads + at.head;
    const float *start = out.starts + own, *end = out.ends + own;
    float skip = in.skip ? in.skip[at.head] : 0.0f, dskip = 0, both = 0;
    if (at.count > 0) {
        products(m, x, dy, b, c);
        for (int i = t; i < 4 * Q; i += blockDim.x) m.x[i / Q][i % Q] = m.c[i / Q][i % Q] = m.b[i / Q][i % Q] = 0;
        dskip = inputs(m, s, x, dy, b, end, skip, out.dx + token * s.width, real);
        both = keys(m, s, x, dy, b, c, start, end, out.db + token * s.n, out.dc + token * s.n, real);
    } else {
        // After the row's end: the states of such a chunk were never written.
        for (int i = t; i < real * s.width; i += blockDim.x)
            out.dx[(token + i / s.width * s.heads) * s.width + i % s.width] = 0;
        for (int i = t; i < real * s.n; i += blockDim.x) {
            i64 to = (token + i / s.n * s.heads) * s.n + i % s.n;
            out.db[to] = out.dc[to] = 0;
        }
    }
    __syncthreads();
    float(*rows)[Q] = t < Q ? m.b : m.c;
    rows[0][t % Q] += rows[1][t % Q] + rows[2][t % Q] + rows[3][t % Q];
    both = sum_block(both, sums);
    dskip = sum_block(dskip, sums);
    float drate = 0, dbias = 0;
    if (t < real) {
        float da = 0;
        if (t < at.count) {
            float dlog = m.dlog[t] + both * m.d.through[Q - 1];
            float dweight = m.x[0][t] + m.x[1][t] + m.x[2][t] + m.x[3][t];
            for (int i = 0; i < Q; i++) dlog += i < t ? m.b[0][i] : m.c[0][i];
            if (m.d.decay[t] == 0) dlog = 0;
            float a = in.a[token + t * s.heads];
            if (in.rate) {
                da = dweight + in.rate[at.head] * dlog;
                if (s.softplus) da *= sigmoid(a + (in.bias ? in.bias[at.head] : 0.0f));
                drate = m.d.weight[t] * dlog, dbias = da;
            } else {
                da = -sigmoid(a) * dlog;
            }
        }
        out.da[token + t * s.heads] = da;
    }
    drate = sum_block(drate, sums);
    dbias = sum_block(dbias, sums);
    if (t > 0) return;
    i64 to = (at.head * s.batch + blockIdx.z) * s.chunks + chunk, each = s.heads * s.batch * s.chunks;
    out.scalars[to] = drate;
    out.scalars[each + to] = dbias;
    out.scalars[2 * each + to] = dskip;
}

KERNELS(ssdBackward, backward, 3)

// A scalar of a head from its parts. grid: (heads, 3).
extern "C" __global__ __launch_bounds__(256) void ssdScalars(const float *parts, float *dA, float *dbias, float *dD,
                                                             u64 each) {
    __shared__ float sums[33];
    float *to = blockIdx.y == 0 ? dA : blockIdx.y == 1 ? dbias : dD, sum = 0;
    if (!to) return;
    parts += (blockIdx.y * (u64)gridDim.x + blockIdx.x) * each;
    for (u64 i = threadIdx.x; i < each; i += blockDim.x) sum += parts[i];
    sum = sum_block(sum, sums);
    if (threadIdx.x == 0) to[blockIdx.x] = sum;
}
