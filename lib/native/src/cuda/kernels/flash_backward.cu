// The derivative of causal attention of many tokens: weights are made anew in tiles, once for the keys'
// and values' gradients, once for the queries'. Limit: multiplications in float32, 2 d for each query,
// head and position seen, seven times.

// Gradients of 64 keys and values by one query head. grid: (rows * heads, tiles of positions). `dk` and
// `dv` are [b, capacity, heads, D].
template <int D, int QUERIES>
__device__ void keys_gradient(const float *q, const float *k, const float *v, const i32 *starts,
                              const i32 *lens, const i32 *since, const float *dy, const float *logs,
                              const float *dots, float *dk, float *dv, Flash s, Fault *fault) {
    __shared__ float log[QUERIES], dot[QUERIES];
    __shared__ i32 lo[QUERIES];
    float *key = memory, *value = key + ROWS * (D + 4), *query = value + ROWS * (D + 4);
    float *slope = query + QUERIES * (D + 4), *weights = slope + QUERIES * (D + 4);
    i64 row = blockIdx.x / s.heads, head = blockIdx.x % s.heads, kv = head / (s.heads / s.kv_heads);
    i64 base = (i64)blockIdx.y * ROWS;
    Span span = span_of(s, starts, lens, row, fault);
    Place own = place_of();
    float *weight = weights + own.row * (QUERIES + 4);
    float keys[4][D / 8], values[4][D / 8];
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < D / 8; j++) keys[i][j] = values[i][j] = 0;

    i64 count = min(span.start + span.len - base, (i64)ROWS), stride = s.heads * D;
    i64 first = count > 0 ? max(base - span.start, (i64)0) / QUERIES * QUERIES : span.len;
    if (count > 0) {
        i64 at = ((row * s.capacity + base) * s.kv_heads + kv) * D;
        stage<ROWS, D>(key, k + at, s.kv_heads * D, count);
        stage<ROWS, D>(value, v + at, s.kv_heads * D, count);
    }
    for (i64 from = first; from < span.len; from += QUERIES) {
        // Later documents do not see these keys.
        if (since && since[row * s.length + from] >= base + ROWS) break;
        i64 at = ((row * s.length + from) * s.heads + head) * D, left = span.len - from;
        __syncthreads();
        stage<QUERIES, D>(query, q + at, stride, left);
        commit();
        stage<QUERIES, D>(slope, dy + at, stride, left);
        commit();
        if (threadIdx.x < QUERIES) {
            bool real = threadIdx.x < left;
            i64 token = from + threadIdx.x, place = (row * s.heads + head) * s.length + token;
            log[threadIdx.x] = real ? logs[place] : INF;
            dot[threadIdx.x] = real ? dots[place] : 0.0f;
            lo[threadIdx.x] = real && since ? since[row * s.length + token] : 0;
        }
        arrived<1>();
        __syncthreads();
        float p[4][QUERIES / 8], ds[4][QUERIES / 8];
        dot_rows<D>(key + own.row * (D + 4), query + own.column * (D + 4), p);
        i32 place = (i32)base + own.row, last = (i32)(span.start + from) - place;
#pragma unroll
        for (int j = 0; j < QUERIES / 8; j++) {
            int t = own.column + 8 * j;
            float all = log[t];
            // Rows of this thread that the query sees: from `low` up to `high`.
            i32 low = lo[t] - place, high = last + t;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float score = p[i][j] * (s.scale * LOG2_E) - all;
                p[i][j] = power_of_two(i >= low && i <= high ? score : -INF);
                weight[i * (QUERIES + 4) + t] = p[i][j];
            }
        }
        arrived<0>();
        __syncthreads();
        add_rows<QUERIES, D>(weight, slope + own.column * 4, values);
        dot_rows<D>(value + own.row * (D + 4), slope + own.column * (D + 4), ds);
        __syncwarp();
#pragma unroll
        for (int j = 0; j < QUERIES / 8; j++) {
            int t = own.column + 8 * j;
            float mean = dot[t];
#pragma unroll
            for (int i = 0; i < 4; i++)
                weight[i * (QUERIES + 4) + t] = p[i][j] * (ds[i][j] - mean) * s.scale;
        }
        __syncwarp();
        add_rows<QUERIES, D>(weight, query + own.column * 4, keys);
    }
    // Where no document sees these keys, their copies are still under way.
    commit();
    arrived<0>();
#pragma unroll
    for (int i = 0; i < 4; i++) {
        i64 position = base + own.row + i;
        if (position >= s.capacity) continue;
        i64 at = ((row * s.capacity + position) * s.heads + head) * D + own.column * 4;
        write_row<D>(dk + at, keys[i], 1);
        write_row<D>(dv + at, values[i], 1);
    }
}

// Gradients of 64 queries of a head. grid: (rows * heads, tiles of queries), those that see most first.
template <int D, int KEYS>
__device__ void queries_gradient(const float *q, const float *k, const float *v, const i32 *starts,
                                 const i32 *lens, const i32 *since, const float *dy, const float *logs,
                                 const float *dots, float *dq, Flash s, Fault *fault) {
    float *query = memory, *slope = query + ROWS * (D + 4), *key = slope + ROWS * (D + 4);
    float *value = key + KEYS * (D + 4), *weights = value + KEYS * (D + 4);
    i64 row = blockIdx.x / s.heads, head = blockIdx.x % s.heads, kv = head / (s.heads / s.kv_heads);
    i64 from = (i64)(gridDim.y - 1 - blockIdx.y) * ROWS;
    Span span = span_of(s, starts, lens, row, fault);
    Place own = place_of();
    float *weight = weights + own.row * (KEYS + 4);

    i64 count = min(span.len - from, (i64)ROWS), first = 0, end = 0;
    if (count > 0) first = since ? since[row * s.length + from] : 0, end = span.start + from + count;
    i32 lo[4], hi[4];
    float sums[4][D / 8], log[4], dot[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        bool real = own.row + i < count;
        i64 t = from + own.row + i, place = (row * s.heads + head) * s.length + t;
        lo[i] = real && since ? since[row * s.length + t] : 0;
        hi[i] = real ? (i32)(span.start + t) : -1;
        log[i] = real ? logs[place] : INF;
        dot[i] = real ? dots[place] : 0.0f;
#pragma unroll
        for (int j = 0; j < D / 8; j++) sums[i][j] = 0;
    }
    first = first / KEYS * KEYS;
    i64 stride = s.kv_heads * D;
    if (first < end) {
        i64 at = ((row * s.length + from) * s.heads + head) * D;
        stage<ROWS, D>(query, q + at, s.heads * D, count);
        stage<ROWS, D>(slope, dy + at, s.heads * D, count);
    }
    for (i64 at = first; at < end; at += KEYS) {
        i64 place = ((row * s.capacity + at) * s.kv_heads + kv) * D;
        __syncthreads();
        stage<KEYS, D>(key, k + place, stride, end - at);
        commit();
        stage<KEYS, D>(value, v + place, stride, end - at);
        commit();
        arrived<1>();
        __syncthreads();
        float p[4][KEYS / 8], ds[4][KEYS / 8];
        dot_rows<D>(query + own.row * (D + 4), key + own.column * (D + 4), p);
        arrived<0>();
        __syncthreads();
        dot_rows<D>(slope + own.row * (D + 4), value + own.column * (D + 4), ds);
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
                i32 position = (i32)at + own.column + 8 * j;
                bool seen = position >= lo[i] && position <= hi[i];
                float w = power_of_two(seen ? p[i][j] * (s.scale * LOG2_E) - log[i] : -INF);
                weight[i * (KEYS + 4) + own.column + 8 * j] = w * (ds[i][j] - dot[i]) * s.scale;
            }
        }
        __syncwarp();
        add_rows<KEYS, D>(weight, key + own.column * 4, sums);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        i64 t = from + own.row + i;
        if (t < s.length)
            write_row<D>(dq + ((row * s.length + t) * s.heads + head) * D + own.column * 4, sums[i], 1);
    }
}

#define FLASH(D, COLUMNS)                                                                          \
    extern "C" __global__ __launch_bounds__(THREADS, 2) void keys_gradient_##D(                    \
        const float *q, const float *k, const float *v, const i32 *starts, const i32 *lens,        \
        const i32 *since, const float *dy, const float *logs, const float *dots, float *dk,        \
        float *dv, Flash s, Fault *fault) {                                                        \
        keys_gradient<D, COLUMNS>(q, k, v, starts, lens, since, dy, logs, dots, dk, dv, s, fault); \
    }                                                                                              \
    extern "C" __global__ __launch_bounds__(THREADS, 2) void queries_gradient_##D(                 \
        const float *q, const float *k, const float *v, const i32 *starts, const i32 *lens,        \
        const i32 *since, const float *dy, const float *logs, const float *dots, float *dq,        \
        Flash s, Fault *fault) {                                                                   \
        queries_gradient<D, COLUMNS>(q, k, v, starts, lens, since, dy, logs, dots, dq, s, fault);  \
    }
FLASH(32, 64) FLASH(64, 64) FLASH(96, 32) FLASH(128, 32)
