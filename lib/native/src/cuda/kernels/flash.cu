// Causal attention of many tokens: a block takes 64 queries of a head over tiles of keys, softmax runs
// online. Limit: multiplications in float32, 2 d for each query, head and position seen, twice.

// With `dy`, writes what the derivative needs instead of y: the binary logarithm of each query's sum of
// weights, and dy times y. grid: (rows * heads, tiles of queries), those that see most first.
template <int D, int KEYS>
__device__ void flash(const float *q, const float *k, const float *v, const i32 *starts, const i32 *lens,
                      const i32 *since, const float *dy, float *y, float *logs, float *dots, Flash s,
                      Fault *fault) {
    float *query = memory, *key = query + ROWS * (D + 4), *value = key + KEYS * (D + 4);
    float *weights = value + KEYS * (D + 4);
    i64 row = blockIdx.x / s.heads, head = blockIdx.x % s.heads, kv = head / (s.heads / s.kv_heads);
    i64 from = (i64)(gridDim.y - 1 - blockIdx.y) * ROWS;
    Span span = span_of(s, starts, lens, row, fault);
    Place own = place_of();
    float *weight = weights + own.row * (KEYS + 4);

    i64 count = min(span.len - from, (i64)ROWS), first = 0, end = 0;
    if (count > 0) first = since ? since[row * s.length + from] : 0, end = span.start + from + count;
    i32 lo[4], hi[4];
    float sums[4][D / 8], total[4], most[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        bool real = own.row + i < count;
        lo[i] = real && since ? since[row * s.length + from + own.row + i] : 0;
        hi[i] = real ? (i32)(span.start + from + own.row + i) : -1;
        total[i] = 0, most[i] = -INF;
#pragma unroll
        for (int j = 0; j < D / 8; j++) sums[i][j] = 0;
    }
    // Tiles begin at multiples of their size, so a query's sums do not depend on the others of its block.
    first = first / KEYS * KEYS;
    i64 stride = s.kv_heads * D;
    const float *keys = k + (row * s.capacity * s.kv_heads + kv) * D;
    const float *vals = v + (row * s.capacity * s.kv_heads + kv) * D;
    if (first < end) {
        stage<ROWS, D>(query, q + ((row * s.length + from) * s.heads + head) * D, s.heads * D, count);
        stage<KEYS, D>(key, keys + first * stride, stride, end - first);
        commit();
    }
    for (i64 at = first; at < end; at += KEYS) {
        arrived<0>();
        __syncthreads();
        stage<KEYS, D>(value, vals + at * stride, stride, end - at);
        commit();
        float p[4][KEYS / 8];
        dot_rows<D>(query + own.row * (D + 4), key + own.column * (D + 4), p);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float next = -INF;
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
                i32 position = (i32)at + own.column + 8 * j;
                p[i][j] = position >= lo[i] && position <= hi[i] ? p[i][j] * (s.scale * LOG2_E) : -INF;
                next = fmaxf(next, p[i][j]);
            }
            next = fmaxf(most[i], max_columns(next));
            // A tile of which this query sees nothing.
            float base = next == -INF ? 0.0f : next, keep = power_of_two(most[i] - base);
            most[i] = next;
            total[i] *= keep;
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
                float w = power_of_two(p[i][j] - base);
                total[i] += w;
                weight[i * (KEYS + 4) + own.column + 8 * j] = w;
            }
#pragma unroll
            for (int j = 0; j < D / 8; j++) sums[i][j] *= keep;
        }
        arrived<0>();
        __syncthreads();
        if (at + KEYS < end) stage<KEYS, D>(key, keys + (at + KEYS) * stride, stride, end - at - KEYS);
        commit();
        add_rows<KEYS, D>(weight, value + own.column * 4, sums);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        i64 t = from + own.row + i, place = ((row * s.length + t) * s.heads + head) * D + own.column * 4;
        float all = sum_columns(total[i]), over = all == 0 ? 0.0f : 1 / all;
        if (!dy) {
            if (t < s.length) write_row<D>(y + place, sums[i], over);
            continue;
        }
        float dot = 0;
        if (own.row + i < count) {
#pragma unroll
            for (int j = 0; j < D / 32; j++) {
                float4 slope = *(const float4 *)(dy + place + 32 * j);
                dot += slope.x * sums[i][4 * j];
                dot += slope.y * sums[i][4 * j + 1];
                dot += slope.z * sums[i][4 * j + 2];
                dot += slope.w * sums[i][4 * j + 3];
            }
        }
        dot = sum_columns(dot) * over;
        if (t < s.length && own.column == 0) {
            i64 at = (row * s.heads + head) * s.length + t;
            logs[at] = most[i] + log2f(all);
            dots[at] = dot;
        }
    }
}

#define FLASH(D, KEYS, BLOCKS)                                                                     \
    extern "C" __global__ __launch_bounds__(THREADS, BLOCKS) void flash_##D(                       \
        const float *q, const float *k, const float *v, const i32 *starts, const i32 *lens,        \
        const i32 *since, const float *dy, float *y, float *logs, float *dots, Flash s,            \
        Fault *fault) {                                                                            \
        flash<D, KEYS>(q, k, v, starts, lens, since, dy, y, logs, dots, s, fault);                 \
    }
FLASH(32, 64, 3) FLASH(64, 64, 3) FLASH(96, 32, 2) FLASH(128, 32, 2)
