// The derivative of causal attention of few tokens, and of heads of any size; flash_backward.cu takes the
// rest. Weights and their gradients are made anew as whole matrices, then summed over queries and keys. Limit: those matrices, [b, h, l, capacity], moved four times.

struct Shape {
    i64 batch, length, heads, kv_heads, capacity, d;
};

struct Seen {
    i64 first, end;
};

// The positions that a token sees; none for padding.
__device__ inline Seen seen(const Shape &s, const i32 *starts, const i32 *lens, const i32 *since, i64 row, i64 t,
                            Fault *fault) {
    i64 len = lens[row], start = starts[row];
    if (len < 0 || len > s.length) {
        report(fault, 3, row, len, s.length);
        return Seen{0, 0};
    }
    if (len > 0 && (start < 0 || start + len > s.capacity)) {
        report(fault, 4, row, start + len - 1, s.capacity);
        return Seen{0, 0};
    }
    if (t >= len) return Seen{0, 0};
    return Seen{since ? since[row * s.length + t] : 0, start + t + 1};
}

// Weights p and the gradients ds of the scores, one block a query: grid (l, h, b).
extern "C" __global__ __launch_bounds__(256) void attention_scores(const float *q, const float *k, const float *v,
                                                                   const i32 *starts, const i32 *lens,
                                                                   const i32 *since, const float *dy, float *p,
                                                                   float *ds, Shape s, float scale, Fault *fault) {
    extern __shared__ float query[];
    __shared__ float shared[33];
    i64 t = blockIdx.x, head = blockIdx.y, row = blockIdx.z, kv = head / (s.heads / s.kv_heads);
    i64 at = ((row * s.length + t) * s.heads + head) * s.d;
    Seen own = seen(s, starts, lens, since, row, t, fault);
    float *slope = query + s.d;
    for (i64 i = threadIdx.x; i < s.d; i += blockDim.x) query[i] = q[at + i] * scale, slope[i] = dy[at + i];
    __syncthreads();
    float *weights = p + ((row * s.heads + head) * s.length + t) * s.capacity;
    float *slopes = ds + ((row * s.heads + head) * s.length + t) * s.capacity;
    float most = -INF;
    for (i64 j = own.first + threadIdx.x; j < own.end; j += blockDim.x) {
        const float *key = k + ((row * s.capacity + j) * s.kv_heads + kv) * s.d;
        float score = 0;
        for (i64 i = 0; i < s.d; i++) score += query[i] * key[i];
        weights[j] = score;
        most = fmaxf(most, score);
    }
    most = max_block(most, shared);
    float total = 0;
    for (i64 j = own.first + threadIdx.x; j < own.end; j += blockDim.x) {
        float weight = expf(weights[j] - most);
        weights[j] = weight;
        total += weight;
    }
    total = sum_block(total, shared);
    float mean = 0;
    for (i64 j = own.first + threadIdx.x; j < own.end; j += blockDim.x) {
        const float *value = v + ((row * s.capacity + j) * s.kv_heads + kv) * s.d;
        float x = 0;
        for (i64 i = 0; i < s.d; i++) x += slope[i] * value[i];
        float weight = weights[j] / total;
        weights[j] = weight;
        slopes[j] = x;
        mean += weight * x;
    }
    mean = sum_block(mean, shared);
    for (i64 j = own.first + threadIdx.x; j < own.end; j += blockDim.x)
        slopes[j] = weights[j] * (slopes[j] - mean) * scale;
}

extern "C" __global__ void attention_queries(const float *k, const i32 *starts, const i32 *lens, const i32 *since,
                                             const float *ds, float *dq, Shape s, Fault *fault) {
    EACH(at, s.batch *s.length *s.heads *s.d) {
        i64 i = at % s.d, head = at / s.d % s.heads, t = at / s.d / s.heads % s.length;
        i64 row = at / s.d / s.heads / s.length, kv = head / (s.heads / s.kv_heads);
        Seen own = seen(s, starts, lens, since, row, t, fault);
        const float *slopes = ds + ((row * s.heads + head) * s.length + t) * s.capacity;
        float sum = 0;
        for (i64 j = own.first; j < own.end; j++)
            sum += slopes[j] * k[((row * s.capacity + j) * s.kv_heads + kv) * s.d + i];
        dq[at] = sum;
    }
}

// dk and dv: once a token no longer sees a position, no later one of its row does.
extern "C" __global__ void attention_keys(const float *q, const i32 *starts, const i32 *lens, const i32 *since,
                                          const float *dy, const float *p, const float *ds, float *dk, float *dv,
                                          Shape s, Fault *fault) {
    EACH(at, s.batch *s.capacity *s.kv_heads *s.d) {
        i64 i = at % s.d, kv = at / s.d % s.kv_heads, j = at / s.d / s.kv_heads % s.capacity;
        i64 row = at / s.d / s.kv_heads / s.capacity, group = s.heads / s.kv_heads;
        i64 from = max(j - starts[row], (i64)0);
        float keys = 0, values = 0;
        for (i64 t = from; t < s.length; t++) {
            Seen own = seen(s, starts, lens, since, row, t, fault);
            if (j >= own.end || j < own.first) break;
            for (i64 head = kv * group; head < (kv + 1) * group; head++) {
                i64 score = ((row * s.heads + head) * s.length + t) * s.capacity + j;
                i64 query = ((row * s.length + t) * s.heads + head) * s.d + i;
                keys += ds[score] * q[query];
                values += p[score] * dy[query];
            }
        }
        dk[at] = keys;
        dv[at] = values;
    }
}
