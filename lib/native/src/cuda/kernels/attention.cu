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

// Eight neighbouring numbers of a cache.
__device__ inline void load8(const float *from, float *to) {
    float4 a = ((const float4 *)from)[0], b = ((const float4 *)from)[1];
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w, to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
}

__device__ inline void load8(const u16 *from, float *to) {
    uint4 words = *(const uint4 *)from;
    u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        to[2 * i] = __uint_as_float(pairs[i] << 16);
        to[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000);
    }
}

__device__ inline float number(float x) { return x; }
__device__ inline float number(u16 x) { return from_bf16(x); }

// Heads of 8 * LANES numbers, up to GROUP query heads at a time. grid: (splits, kv heads * chunks of a
// group, tokens).
template <typename T, int LANES, int GROUP>
__device__ void attend(const float *q, const T *k, const T *v, const i32 *starts, const i32 *lens,
                       const i32 *since, float *y, float *parts, Shape s, Fault *fault) {
    // TOGETHER keys of a lane are on their way at a time and share one rescaling: as many bytes of either type.
    constexpr int WARPS = 4, KEYS = 32 / LANES, D = 8 * LANES, TOGETHER = 4 / sizeof(T);
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
    const T *keys = k + (row * s.capacity * s.kv_heads + kv) * D + place * 8;
    const T *vals = v + (row * s.capacity * s.kv_heads + kv) * D + place * 8;
    i64 stride = s.kv_heads * D;
    for (i64 base = range.from + warp * KEYS; base < range.to; base += TOGETHER * WARPS * KEYS) {
        float keys8[TOGETHER][8], values8[TOGETHER][8];
        bool real[TOGETHER];
#pragma unroll
        for (int u = 0; u < TOGETHER; u++) {
            i64 at = base + u * WARPS * KEYS + key;
            real[u] = at < range.to;
            at = min(at, range.to - 1);
            load8(keys + at * stride, keys8[u]);
            load8(vals + at * stride, values8[u]);
        }
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            float *w = query[g], scores[TOGETHER], next = most[g];
#pragma unroll
            for (int u = 0; u < TOGETHER; u++) {
                float *at = keys8[u];
                float score = at[0] * w[0] + at[1] * w[1] + at[2] * w[2] + at[3] * w[3] + at[4] * w[4] +
                              at[5] * w[5] + at[6] * w[6] + at[7] * w[7];
                score = sum_lanes<LANES>(score);
                scores[u] = real[u] ? score : -INF;
                next = fmaxf(next, scores[u]);
            }
            float keep = next == -INF ? 1.0f : exp2f(most[g] - next);
            most[g] = next;
            total[g] *= keep;
#pragma unroll
            for (int j = 0; j < 8; j++) sums[g][j] *= keep;
#pragma unroll
            for (int u = 0; u < TOGETHER; u++) {
                float weight = next == -INF ? 0.0f : exp2f(scores[u] - next);
                total[g] += weight;
#pragma unroll
                for (int j = 0; j < 8; j++) sums[g][j] = fmaf(weight, values8[u][j], sums[g][j]);
            }
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

#define ATTEND(NAME, T, LANES, GROUP)                                                              \
    extern "C" __global__ __launch_bounds__(128) void NAME##_##LANES##_##GROUP(                    \
        const float *q, const T *k, const T *v, const i32 *starts, const i32 *lens,                \
        const i32 *since, float *y, float *parts, Shape s, Fault *fault) {                         \
        attend<T, LANES, GROUP>(q, k, v, starts, lens, since, y, parts, s, fault);                 \
    }
#define GROUPS(NAME, T, LANES)                                                                     \
    ATTEND(NAME, T, LANES, 1) ATTEND(NAME, T, LANES, 2) ATTEND(NAME, T, LANES, 3) ATTEND(NAME, T, LANES, 4)
#define ALL_LANES(NAME, T) GROUPS(NAME, T, 4) GROUPS(NAME, T, 8) GROUPS(NAME, T, 16) GROUPS(NAME, T, 32)
ALL_LANES(attend, float)
ALL_LANES(attend_bf16, u16)

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
template <typename T>
__device__ void attend_any_of(const float *q, const T *k, const T *v, const i32 *starts, const i32 *lens,
                              const i32 *since, float *y, Shape s, Fault *fault) {
    __shared__ float shared[33], weights[256];
    u64 token = blockIdx.z;
    i64 head = blockIdx.y, kv = head / (s.heads / s.kv_heads), row = token / s.length;
    const float *query = q + (token * s.heads + head) * s.d;
    float *to = y + (token * s.heads + head) * s.d;
    Range range = range_of(s, token, starts, lens, since, fault);
    const T *keys = k + (row * s.capacity * s.kv_heads + kv) * s.d;
    const T *vals = v + (row * s.capacity * s.kv_heads + kv) * s.d;
    i64 stride = s.kv_heads * s.d;
    float most = -INF, total = 0;
    for (i64 i = threadIdx.x; i < s.d; i += blockDim.x) to[i] = 0;
    for (i64 base = range.from; base < range.to; base += 256) {
        i64 at = base + threadIdx.x;
        float score = -INF;
        if (at < range.to) {
            score = 0;
            for (i64 i = 0; i < s.d; i++) score += query[i] * number(keys[at * stride + i]);
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
            for (i64 j = 0; j < n; j++) x += weights[j] * number(vals[(base + j) * stride + i]);
            to[i] = x;
        }
        __syncthreads();
    }
    if (!range.padding)
        for (i64 i = threadIdx.x; i < s.d; i += blockDim.x) to[i] /= total;
}

extern "C" __global__ __launch_bounds__(256) void attend_any(const float *q, const float *k, const float *v,
                                                             const i32 *starts, const i32 *lens,
                                                             const i32 *since, float *y, Shape s, Fault *fault) {
    attend_any_of(q, k, v, starts, lens, since, y, s, fault);
}

extern "C" __global__ __launch_bounds__(256) void attend_bf16_any(const float *q, const u16 *k, const u16 *v,
                                                                  const i32 *starts, const i32 *lens,
                                                                  const i32 *since, float *y, Shape s,
                                                                  Fault *fault) {
    attend_any_of(q, k, v, starts, lens, since, y, s, fault);
}
