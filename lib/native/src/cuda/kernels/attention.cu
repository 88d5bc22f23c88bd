// Causal grouped-query attention of few tokens over a cache; flash.cu takes many. A block takes the query
// heads of one key-value head of one token over a part of the context: lanes share a key, warps take keys
// in turn, softmax runs online, parts are merged in order. Limit: the keys and values seen, read once.

struct Shape {
    i64 length, heads, kv_heads, capacity, d, splits;
    float scale;
};

// The first position that each token sees: the last reset up to it. A warp takes a row.
extern "C" __global__ void documents(const i32 *resets, const i32 *starts, i32 *since, u64 rows, u64 length) {
    u32 lane = threadIdx.x % 32;
    EACH(thread, rows * 32) {
        u64 row = thread / 32;
        i32 first = 0;
        for (u64 base = 0; base < length; base += 32) {
            u64 t = base + lane;
            u32 marks = __ballot_sync(0xffffffff, t < length && resets[row * length + t]);
            // 2 << 31 is 0 and takes all lanes.
            u32 before = marks & ((2u << lane) - 1);
            i32 zero = starts[row] + (i32)base + 31;
            if (t < length) since[row * length + t] = before ? zero - __clz(before) : first;
            if (marks) first = zero - __clz(marks);
        }
    }
}

struct Range {
    i64 from, to;
    bool padding;
};

// The positions of this block's part; empty parts and padding have none.
__device__ inline Range range_of(const Shape &s, u64 token, const i32 *starts, const i32 *lens, const i32 *since,
                                 Fault *fault) {
    i64 row = token / s.length, t = token % s.length, len = lens[row], start = starts[row];
    if (len < 0 || len > s.length) report(fault, 3, row, len, s.length);
    if (len > 0 && (start < 0 || start + len > s.capacity)) {
        report(fault, 4, row, start + len - 1, s.capacity);
        return Range{0, 0, true};
    }
    if (t >= len) return Range{0, 0, true};
    i64 first = since ? since[token] : 0, seen = start + t + 1;
    i64 part = (seen - first + s.splits - 1) / s.splits;
    i64 from = first + part * blockIdx.x, to = from + part;
    return Range{from, to < seen ? to : seen, false};
}

// Heads of 8 * LANES numbers, up to GROUP query heads at a time. grid: (splits, kv heads * chunks of a
// group, tokens).
template <int LANES, int GROUP>
__device__ void attend(const float *q, const float *k, const float *v, const i32 *starts, const i32 *lens,
                       const i32 *since, float *y, float *parts, Shape s, Fault *fault) {
    constexpr int WARPS = 4, KEYS = 32 / LANES, D = 8 * LANES;
    __shared__ float maxima[WARPS][GROUP], totals[WARPS][GROUP], values[WARPS][GROUP][D];
    i64 per_kv = s.heads / s.kv_heads, chunks = (per_kv + GROUP - 1) / GROUP;
    i64 kv = blockIdx.y / chunks, chunk = blockIdx.y % chunks;
    i64 head = kv * per_kv + chunk * GROUP;
    int count = (int)min((i64)GROUP, per_kv - chunk * GROUP);
    u64 token = blockIdx.z;
    i64 row = token / s.length;
    Range range = range_of(s, token, starts, lens, since, fault);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, place = lane % LANES, key = lane / LANES;

    float query[GROUP][8], sums[GROUP][8], total[GROUP], most[GROUP];
#pragma unroll
    for (int g = 0; g < GROUP; g++) {
        const float *from = q + (token * s.heads + head + min(g, count - 1)) * D + place * 8;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            query[g][j] = from[j] * s.scale * 1.44269504f;
            sums[g][j] = 0.0f;
        }
        total[g] = 0.0f;
        most[g] = -INF;
    }
    const float *keys = k + (row * s.capacity * s.kv_heads + kv) * D + place * 8;
    const float *vals = v + (row * s.capacity * s.kv_heads + kv) * D + place * 8;
    i64 stride = s.kv_heads * D;
    for (i64 base = range.from + warp * KEYS; base < range.to; base += WARPS * KEYS) {
        bool real = base + key < range.to;
        i64 at = real ? base + key : range.to - 1;
        float4 k0 = ((const float4 *)(keys + at * stride))[0], k1 = ((const float4 *)(keys + at * stride))[1];
        float4 v0 = ((const float4 *)(vals + at * stride))[0], v1 = ((const float4 *)(vals + at * stride))[1];
        float values8[8] = {v0.x, v0.y, v0.z, v0.w, v1.x, v1.y, v1.z, v1.w};
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            float *w = query[g];
            float score = k0.x * w[0] + k0.y * w[1] + k0.z * w[2] + k0.w * w[3] + k1.x * w[4] + k1.y * w[5] +
                          k1.z * w[6] + k1.w * w[7];
            score = sum_lanes<LANES>(score);
            if (!real) score = -INF;
            float next = fmaxf(most[g], score);
            float keep = next == -INF ? 1.0f : exp2f(most[g] - next);
            float weight = next == -INF ? 0.0f : exp2f(score - next);
            most[g] = next;
            total[g] = total[g] * keep + weight;
#pragma unroll
            for (int j = 0; j < 8; j++) sums[g][j] = sums[g][j] * keep + weight * values8[j];
        }
    }
#pragma unroll
    for (int g = 0; g < GROUP; g++) {
        float all = most[g];
#pragma unroll
        for (int step = LANES; step < 32; step *= 2) all = fmaxf(all, __shfl_xor_sync(0xffffffff, all, step));
        float keep = all == -INF ? 0.0f : exp2f(most[g] - all);
        float t = total[g] * keep;
#pragma unroll
        for (int step = LANES; step < 32; step *= 2) t += __shfl_xor_sync(0xffffffff, t, step);
#pragma unroll
        for (int j = 0; j < 8; j++) {
            float x = sums[g][j] * keep;
#pragma unroll
            for (int step = LANES; step < 32; step *= 2) x += __shfl_xor_sync(0xffffffff, x, step);
            if (key == 0) values[warp][g][place * 8 + j] = x;
        }
        if (lane == 0) maxima[warp][g] = all, totals[warp][g] = t;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * D; i += blockDim.x) {
        int g = i / D, j = i % D;
        float all = -INF, t = 0, x = 0;
        for (int w = 0; w < WARPS; w++) all = fmaxf(all, maxima[w][g]);
        for (int w = 0; w < WARPS; w++) {
            float keep = all == -INF ? 0.0f : exp2f(maxima[w][g] - all);
            t += totals[w][g] * keep;
            x += values[w][g][j] * keep;
        }
        i64 query_at = token * s.heads + head + g;
        if (s.splits == 1) {
            y[query_at * D + j] = range.padding ? 0.0f : x / t;
        } else {
            float *part = parts + (query_at * s.splits + blockIdx.x) * (D + 2);
            part[2 + j] = x;
            if (j == 0) part[0] = all, part[1] = t;
        }
    }
}

#define ATTEND(LANES, GROUP)                                                                       \
    extern "C" __global__ __launch_bounds__(128) void attend_##LANES##_##GROUP(                    \
        const float *q, const float *k, const float *v, const i32 *starts, const i32 *lens,        \
        const i32 *since, float *y, float *parts, Shape s, Fault *fault) {                         \
        attend<LANES, GROUP>(q, k, v, starts, lens, since, y, parts, s, fault);                    \
    }
#define GROUPS(LANES) ATTEND(LANES, 1) ATTEND(LANES, 2) ATTEND(LANES, 3) ATTEND(LANES, 4)
GROUPS(4) GROUPS(8) GROUPS(16) GROUPS(32)

// Merges the parts of each query in order.
extern "C" __global__ void gather_parts(const float *parts, float *y, u64 queries, u64 d, u64 splits) {
    EACH(i, queries *d) {
        const float *part = parts + i / d * splits * (d + 2);
        float all = -INF, t = 0, x = 0;
        for (u64 n = 0; n < splits; n++) all = fmaxf(all, part[n * (d + 2)]);
        for (u64 n = 0; n < splits; n++) {
            const float *p = part + n * (d + 2);
            float keep = all == -INF ? 0.0f : exp2f(p[0] - all);
            t += p[1] * keep;
            x += p[2 + i % d] * keep;
        }
        y[i] = t == 0 ? 0.0f : x / t;
    }
}

// Heads of any size, one block a query: scores of 256 keys at a time in shared memory.
extern "C" __global__ __launch_bounds__(256) void attend_any(const float *q, const float *k, const float *v,
                                                             const i32 *starts, const i32 *lens,
                                                             const i32 *since, float *y, Shape s, Fault *fault) {
    __shared__ float shared[33], weights[256];
    u64 token = blockIdx.z;
    i64 head = blockIdx.y, kv = head / (s.heads / s.kv_heads), row = token / s.length;
    const float *query = q + (token * s.heads + head) * s.d;
    float *to = y + (token * s.heads + head) * s.d;
    Range range = range_of(s, token, starts, lens, since, fault);
    const float *keys = k + (row * s.capacity * s.kv_heads + kv) * s.d;
    const float *vals = v + (row * s.capacity * s.kv_heads + kv) * s.d;
    i64 stride = s.kv_heads * s.d;
    float most = -INF, total = 0;
    for (i64 i = threadIdx.x; i < s.d; i += blockDim.x) to[i] = 0;
    for (i64 base = range.from; base < range.to; base += 256) {
        i64 at = base + threadIdx.x;
        float score = -INF;
        if (at < range.to) {
            score = 0;
            for (i64 i = 0; i < s.d; i++) score += query[i] * keys[at * stride + i];
            score *= s.scale;
        }
        float next = fmaxf(most, max_block(score, shared));
        float keep = most == -INF ? 0.0f : expf(most - next);
        float weight = at < range.to ? expf(score - next) : 0.0f;
        weights[threadIdx.x] = weight;
        total = total * keep + sum_block(weight, shared);
        most = next;
        __syncthreads();
        i64 n = min((i64)256, range.to - base);
        for (i64 i = threadIdx.x; i < s.d; i += blockDim.x) {
            float x = to[i] * keep;
            for (i64 j = 0; j < n; j++) x += weights[j] * vals[(base + j) * stride + i];
            to[i] = x;
        }
        __syncthreads();
    }
    if (!range.padding)
        for (i64 i = threadIdx.x; i < s.d; i += blockDim.x) to[i] /= total;
}
