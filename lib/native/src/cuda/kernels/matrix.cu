// The matrices by which mixers mix tokens, [b, h, l, l], as MOHAWK's first stage compares them: attention's
// weights and the discrete SSD's. Limit: the matrix, written once.

// The first token of each one's document.
extern "C" __global__ void firsts(const i32 *resets, i32 *since, u64 rows, u64 length) {
    EACH(row, rows) {
        i32 first = 0;
        for (u64 t = 0; t < length; t++) {
            if (resets[row * length + t]) first = (i32)t;
            since[row * length + t] = first;
        }
    }
}

// y = softmax(scale q k) over the positions of the token's document up to it; one block a query.
// grid: (l, h, b). `since` holds the first position that each token sees.
extern "C" __global__ void attentionWeights(const float *q, const float *k, const i32 *since, float *y, u64 heads,
                                            u64 kv_heads, u64 d, float scale) {
    __shared__ float shared[33];
    u64 t = blockIdx.x, head = blockIdx.y, row = blockIdx.z, length = gridDim.x;
    const float *query = q + ((row * length + t) * heads + head) * d;
    float *to = y + ((row * heads + head) * length + t) * length;
    u64 first = since ? since[row * length + t] : 0, kv = head / (heads / kv_heads);
    float most = -INF;
    for (u64 s = threadIdx.x; s < length; s += blockDim.x) {
        float score = 0;
        if (s >= first && s <= t) {
            const float *key = k + ((row * length + s) * kv_heads + kv) * d;
            for (u64 i = 0; i < d; i++) score += query[i] * key[i];
            score *= scale;
            most = fmaxf(most, score);
        }
        to[s] = score;
    }
    most = max_block(most, shared);
    float total = 0;
    for (u64 s = threadIdx.x; s < length; s += blockDim.x) {
        float weight = s >= first && s <= t ? expf(to[s] - most) : 0.0f;
        to[s] = weight;
        total += weight;
    }
    total = sum_block(total, shared);
    for (u64 s = threadIdx.x; s < length; s += blockDim.x) to[s] /= total;
}

struct Matrix {
    i64 batch, length, heads, groups, n;
};

// The running sums of the logarithms of decays, and the first token of each one's document.
extern "C" __global__ void decays(const float *a, const i32 *resets, double *logs, i32 *since, Matrix s) {
    EACH(i, s.batch *s.heads) {
        i64 row = i / s.heads, head = i % s.heads;
        double sum = 0;
        i32 first = 0;
        for (i64 t = 0; t < s.length; t++) {
            i64 token = row * s.length + t;
            if (resets && resets[token])
                first = (i32)t;
            else
                sum -= softplus(a[token * s.heads + head]);
            logs[i * s.length + t] = sum;
            if (head == 0) since[token] = first;
        }
    }
}

__device__ inline float decay(const Matrix &s, const double *logs, const i32 *since, i64 row, i64 head, i64 t,
                              i64 from) {
    if (from > t || from < since[row * s.length + t]) return 0;
    const double *own = logs + (row * s.heads + head) * s.length;
    return expf((float)(own[t] - own[from]));
}

__device__ inline float key(const Matrix &s, const float *b, const float *c, i64 row, i64 head, i64 t, i64 from) {
    i64 group = head * s.groups / s.heads;
    const float *query = c + ((row * s.length + t) * s.groups + group) * s.n;
    const float *own = b + ((row * s.length + from) * s.groups + group) * s.n;
    float sum = 0;
    for (i64 i = 0; i < s.n; i++) sum += query[i] * own[i];
    return sum;
}

extern "C" __global__ void discreteSsdMatrix(const float *b, const float *c, const float *skip, const double *logs,
                                             const i32 *since, float *m, Matrix s) {
    EACH(i, s.batch *s.heads *s.length *s.length) {
        i64 from = i % s.length, t = i / s.length % s.length, unit = i / s.length / s.length;
        i64 row = unit / s.heads, head = unit % s.heads;
        float d = decay(s, logs, since, row, head, t, from);
        float value = d == 0 ? 0.0f : key(s, b, c, row, head, t, from) * d;
        m[i] = from == t && skip ? value + skip[head] : value;
    }
}

// dM times the decays, and that times the keys, summed over the columns before each one.
extern "C" __global__ void matrix_scores(const float *b, const float *c, const double *logs, const i32 *since,
                                         const float *dm, float *scores, float *products, Matrix s) {
    EACH(i, s.batch *s.heads *s.length *s.length) {
        i64 from = i % s.length, t = i / s.length % s.length, unit = i / s.length / s.length;
        i64 row = unit / s.heads, head = unit % s.heads;
        float d = decay(s, logs, since, row, head, t, from), score = d == 0 ? 0.0f : dm[i] * d;
        scores[i] = score;
        products[i] = d == 0 ? 0.0f : score * key(s, b, c, row, head, t, from);
    }
}

extern "C" __global__ void matrix_before(float *products, u64 rows, u64 length) {
    EACH(i, rows) {
        float sum = 0, *row = products + i * length;
        for (u64 s = 0; s < length; s++) {
            float own = row[s];
            row[s] = sum;
            sum += own;
        }
    }
}

extern "C" __global__ void matrix_decays(const float *a, const i32 *resets, const float *products, float *da,
                                         Matrix s) {
    EACH(i, s.batch *s.heads *s.length) {
        i64 r = i % s.length, unit = i / s.length, row = unit / s.heads, head = unit % s.heads;
        i64 token = row * s.length + r, at = token * s.heads + head;
        float sum = 0;
        for (i64 t = r; t < s.length; t++) sum += products[(unit * s.length + t) * s.length + r];
        da[at] = resets && resets[token] ? 0.0f : -sigmoid(a[at]) * sum;
    }
}

// Of every head: dC = scores B and dB = scores^T C, [b, l, h, n].
extern "C" __global__ void matrix_keys(const float *b, const float *c, const i32 *since, const float *scores,
                                       float *db, float *dc, Matrix s) {
    EACH(i, s.batch *s.length *s.heads *s.n) {
        i64 k = i % s.n, head = i / s.n % s.heads, t = i / s.n / s.heads % s.length;
        i64 row = i / s.n / s.heads / s.length, group = head * s.groups / s.heads;
        const float *own = scores + (row * s.heads + head) * s.length * s.length;
        float sum = 0;
        for (i64 j = since[row * s.length + t]; j <= t; j++)
            sum += own[t * s.length + j] * b[((row * s.length + j) * s.groups + group) * s.n + k];
        dc[i] = sum;
        sum = 0;
        for (i64 j = t; j < s.length; j++)
            sum += own[j * s.length + t] * c[((row * s.length + j) * s.groups + group) * s.n + k];
        db[i] = sum;
    }
}

// Of every row and head the sum of dM's diagonal.
extern "C" __global__ void matrix_diagonal(const float *dm, float *parts, u64 units, u64 length) {
    __shared__ float shared[33];
    u64 unit = blockIdx.x;
    float sum = 0;
    for (u64 t = threadIdx.x; t < length; t += blockDim.x) sum += dm[(unit * length + t) * length + t];
    sum = sum_block(sum, shared);
    if (threadIdx.x == 0) parts[unit] = sum;
}
