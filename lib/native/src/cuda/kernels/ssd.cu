// Mamba-2's recurrence in the chunked form (Dao and Gu 2024, section 6): what every chunk adds to the state,
// states from chunk to chunk, then every chunk's outputs at once. Limit: float32 arithmetic of the chunks'
// products.

struct In {
    const float *x, *a, *b, *c, *rate, *bias, *skip, *state;
    const i32 *lens, *resets;
};

struct Out {
    float *y, *state;
    // States before chunks and after the last, [b, h, chunks + 1, p, n]; decays of chunks, [b, h, chunks].
    float *starts, *totals;
};

// What a chunk's tokens alone give the state after it. grid: (tiles of [p, n] x chunks, heads, batch).
template <bool FOURS> __device__ inline void ends(const In &in, const Out &out, const Ssd &s, Fault *fault) {
    __shared__ __align__(16) Slab slabs[SLABS];
    __shared__ Decays d;
    i64 chunk = blockIdx.x % s.chunks, tile = blockIdx.x / s.chunks, tiles = (s.n + Q - 1) / Q;
    int channel = (int)(tile / tiles) * Q, key = (int)(tile % tiles) * Q;
    Place at = place(s, in.lens, chunk, fault);
    if (at.count == 0) return;
    read_decays(d, in.a, in.rate, in.bias, in.resets, at.token, at.head, s.heads, s.softplus, at.count);
    if (threadIdx.x == 0) out.totals[at.unit * s.chunks + chunk] = d.through[Q - 1];
    auto x = of_head<FOURS>(s, at, in.x).from(0, channel);
    auto b = of_group<FOURS>(s, at, in.b).from(0, key);
    Tile end;
    clear(end);
    stream((at.count + 2 * SLAB - 1) / (2 * SLAB),
           [&](int step, float4 *held) {
               int from = step * 2 * SLAB;
               held[0] = across(x, from), held[1] = across(x, from + SLAB);
               held[2] = across(b, from), held[3] = across(b, from + SLAB);
           },
           [&](int step, float4 *held) {
               int t = step * 2 * SLAB + threadIdx.x / 16;
               scale(held[0], d.weight[t] * d.last[t]);
               scale(held[1], d.weight[t + SLAB] * d.last[t + SLAB]);
#pragma unroll
               for (int i = 0; i < SLABS; i++) keep_across(slabs[i], held[i]);
           },
           [&](int) {
               multiply(end, slabs[0], slabs[2]);
               multiply(end, slabs[1], slabs[3]);
           });
    float *next = out.starts + (at.unit * (s.chunks + 1) + chunk + 1) * s.width * s.n;
    int column = key + 4 * tile_column();
#pragma unroll
    for (int r = 0; r < 8; r++) {
        i64 row = channel + row_of(r / 4, r % 4);
        float *e = end[r / 4][r % 4];
        if (row < s.width) put<FOURS>(next + row * s.n + column, (int)s.n - column, {e[0], e[1], e[2], e[3]});
    }
}

KERNELS(ssdEnds, ends, 4)

// The states before chunks and after the last. grid: of [b, h, p, n].
extern "C" __global__ void ssdStarts(In in, Out out, Ssd s, Fault *fault) {
    i64 size = s.width * s.n;
    EACH(i, s.batch * s.heads * size) {
        i64 unit = i / size;
        i64 used = (length_of(in.lens, s.length, unit / s.heads, fault) + Q - 1) / Q;
        float *starts = out.starts + unit * (s.chunks + 1) * size + i % size, held = in.state ? in.state[i] : 0.0f;
        *starts = held;
        out.state[i] = pass(held, out.totals + unit * s.chunks, 1, starts + size, size, used);
    }
}

// Puts 0 in the place of what is not finite; whether there was such a number.
__device__ inline bool cleared(float &x) {
    if (fabsf(x) < INF) return false;
    x = 0;
    return true;
}

__device__ inline bool cleared(float4 &v) { return cleared(v.x) | cleared(v.y) | cleared(v.z) | cleared(v.w); }

// What is not finite of x, to the tokens that see it.
template <bool FOURS> __device__ inline void add_infinite(Tile &sum, const float *seen, const Part<FOURS> &x) {
#pragma unroll 1
    for (int j = 0; j < min(x.rows, Q); j++) {
        float4 v = x.get(j, 4 * tile_column()), rest = v;
        if (!cleared(rest)) continue;
        float own[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int i = 0; i < 32; i++) {
            float by = seen[j * WIDE + row_of(i / 16, i / 4 % 4)];
            if (by != 0 && !(fabsf(own[i % 4]) < INF)) sum[i / 16][i / 4 % 4][i % 4] += by * own[i % 4];
        }
    }
}

// A chunk's outputs. x that is not finite is kept out of the products, where it would reach earlier tokens
// as 0 times itself, and added to later ones alone. grid: (chunks, heads, batch).
template <bool FOURS> __device__ inline void outputs(const In &in, const Out &out, const Ssd &s, Fault *fault) {
    __shared__ __align__(16) Slab slabs[SLABS];
    // [j, t]: what token t sees of j.
    __shared__ __align__(16) float seen[Q * WIDE];
    __shared__ Decays d;
    __shared__ bool some;
    i64 chunk = blockIdx.x;
    Place at = place(s, in.lens, chunk, fault);
    int real = (int)min((i64)Q, s.length - at.from), column = 4 * tile_column();
    float *y = out.y + (at.token * s.heads + at.head) * s.width, skip = in.skip ? in.skip[at.head] : 0.0f;
    i64 stride = s.heads * s.width;
    if (at.count == 0) {
        for (int i = threadIdx.x; i < real * s.width; i += blockDim.x) y[i / s.width * stride + i % s.width] = 0;
        return;
    }
    read_decays(d, in.a, in.rate, in.bias, in.resets, at.token, at.head, s.heads, s.softplus, at.count);
    auto x = of_head<FOURS>(s, at, in.x);
    auto b = of_group<FOURS>(s, at, in.b), c = of_group<FOURS>(s, at, in.c);
    Tile sum;
    clear(sum);
    if (threadIdx.x == 0) some = false;
    multiply_along(sum, c, b, b.columns, slabs);
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float l[4][4];
        decays_between(d, tile_row() + 8 * h, tile_column(), l);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float v[4], w = d.weight[column + j];
#pragma unroll
            for (int i = 0; i < 4; i++) v[i] = row_of(h, i) < column + j ? 0.0f : sum[h][i][j] * l[i][j] * w;
            *(float4 *)(seen + (column + j) * WIDE + row_of(h, 0)) = {v[0], v[1], v[2], v[3]};
        }
    }
    const float *start = out.starts + (at.unit * (s.chunks + 1) + chunk) * s.width * s.n;
    for (int channel = 0; channel < s.width; channel += Q) {
        Part<FOURS> own = x.from(0, channel);
        Part<FOURS> before = {start + channel * s.n, (int)s.n, own.columns, (int)s.n};
        clear(sum);
        multiply_along(sum, c, before, (int)s.n, slabs);
#pragma unroll
        for (int r = 0; r < 8; r++) {
            float through = d.through[row_of(r / 4, r % 4)];
#pragma unroll
            for (int j = 0; j < 4; j++) sum[r / 4][r % 4][j] = through == 0 ? 0.0f : through * sum[r / 4][r % 4][j];
        }
        // The second half of the tokens gives nothing to the first.
        stream((x.rows + 2 * SLAB - 1) / (2 * SLAB),
               [&](int step, float4 *held) {
                   held[0] = across(own, step * 2 * SLAB), held[1] = across(own, step * 2 * SLAB + SLAB);
               },
               [&](int, float4 *held) {
                   if (cleared(held[0]) | cleared(held[1])) some = true;
                   keep_across(slabs[0], held[0]), keep_across(slabs[1], held[1]);
               },
               [&](int step) {
                   const float *sees = seen + step * 2 * SLAB * WIDE;
                   for (int i = 0; i < 2; i++, sees += SLAB * WIDE)
                       if (step < 2) multiply(sum, sees, slabs[i]);
                       else multiply<1, 2>(sum, sees, slabs[i]);
               });
        if (some) add_infinite(sum, seen, own);
#pragma unroll
        for (int r = 0; r < 8; r++) {
            int t = row_of(r / 4, r % 4);
            float *v = sum[r / 4][r % 4];
            float4 raw = in.skip ? own.get(t, column) : float4{0, 0, 0, 0};
            float4 sums = {fmaf(skip, raw.x, v[0]), fmaf(skip, raw.y, v[1]), fmaf(skip, raw.z, v[2]),
                           fmaf(skip, raw.w, v[3])};
            if (t < real) put<FOURS>(y + t * stride + channel + column, own.columns - column, sums);
        }
    }
}

KERNELS(ssdOutputs, outputs, 4)
