// What training adds between products: losses over rows with their gradients, derivatives of norms, gates
// and embeddings, AdamW. Sums have one order, whatever the device. Limit: their tensors, once.

// losses_i = weights_i (log sum exp x_i - x_i[labels_i]) and the gradient of their sum; one block a row.
extern "C" __global__ void crossEntropy(const float *x, const i32 *labels, const float *weights, float *losses,
                                        float *dx, u64 v, Fault *fault) {
    __shared__ float most[33];
    __shared__ double total[33];
    u64 row = blockIdx.x;
    const float *from = x + row * v;
    float weight = weights[row];
    if (weight == 0) {
        if (threadIdx.x == 0) losses[row] = 0;
        if (dx)
            for (u64 i = threadIdx.x; i < v; i += blockDim.x) dx[row * v + i] = 0;
        return;
    }
    i64 label = labels[row];
    if (label < 0 || label >= v) {
        report(fault, 9, row, label, v);
        return;
    }
    float max = -INF;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) max = fmaxf(max, from[i]);
    max = max_block(max, most);
    double sum = 0;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) sum += expf(from[i] - max);
    float whole = (float)log(sum_block(sum, total));
    float own = from[label] - max - whole;
    __syncthreads();
    if (threadIdx.x == 0) losses[row] = -weight * own;
    if (!dx) return;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x)
        dx[row * v + i] = weight * (expf(from[i] - max - whole) - (i == label ? 1.0f : 0.0f));
}

// The divergence of softmax(x / t) from softmax(q / t), or the other way, and its gradient by x.
extern "C" __global__ void divergence(const float *x, const float *q, const float *weights, float *losses,
                                      float *dx, u64 v, float scale, i32 reverse) {
    __shared__ float most[33];
    __shared__ double total[33];
    u64 row = blockIdx.x;
    const float *a = x + row * v, *b = q + row * v;
    float weight = weights[row];
    if (weight == 0) {
        if (threadIdx.x == 0) losses[row] = 0;
        if (dx)
            for (u64 i = threadIdx.x; i < v; i += blockDim.x) dx[row * v + i] = 0;
        return;
    }
    float max_a = -INF, max_b = -INF;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        max_a = fmaxf(max_a, a[i]);
        max_b = fmaxf(max_b, b[i]);
    }
    max_a = max_block(max_a, most);
    max_b = max_block(max_b, most);
    double sum_a = 0, sum_b = 0;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        sum_a += expf((a[i] - max_a) * scale);
        sum_b += expf((b[i] - max_b) * scale);
    }
    float log_a = (float)log(sum_block(sum_a, total)), log_b = (float)log(sum_block(sum_b, total));
    double sum = 0;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        float own = (a[i] - max_a) * scale - log_a, other = (b[i] - max_b) * scale - log_b;
        float p = expf(reverse ? own : other);
        if (p != 0) sum += p * (reverse ? own - other : other - own);
    }
    float loss = (float)sum_block(sum, total);
    if (threadIdx.x == 0) losses[row] = weight * loss;
    if (!dx) return;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        float own = (a[i] - max_a) * scale - log_a, other = (b[i] - max_b) * scale - log_b, p = expf(own);
        float term = p == 0 ? 0.0f : p * (own - other - loss);
        dx[row * v + i] = weight * scale * (reverse ? term : p - expf(other));
    }
}

// Logits of a row, some of them told from the rest: what cpu/train/top_k.rs has by these names.
struct Parts {
    float max, rest_max, scale;
    double rest, log;
    __device__ double own(float x) const { return (double)((x - max) * scale) - log; }
    __device__ double own_rest() const { return (double)((rest_max - max) * scale) + ::log(rest) - log; }
    // Of one of the rest: its share of the rest's sum.
    __device__ float weight(float x) const { return expf((x - rest_max) * scale); }
};

// `member(i)` says whether class i is of the rest.
template <typename Member>
__device__ Parts divide(const float *x, u64 v, bool has_rest, float scale, const Member &member, float *most,
                        double *total) {
    Parts parts;
    float top_max = -INF, rest_max = -INF;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        if (member(i))
            rest_max = fmaxf(rest_max, x[i]);
        else
            top_max = fmaxf(top_max, x[i]);
    }
    parts.rest_max = max_block(rest_max, most);
    parts.max = fmaxf(max_block(top_max, most), parts.rest_max);
    parts.scale = scale;
    double top = 0, rest = 0;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        if (member(i))
            rest += parts.weight(x[i]);
        else
            top += expf((x[i] - parts.max) * scale);
    }
    top = sum_block(top, total);
    parts.rest = sum_block(rest, total);
    double others = has_rest ? parts.rest * exp((double)((parts.rest_max - parts.max) * scale)) : 0.0;
    parts.log = log(top + others);
    return parts;
}

// The likeliest k of each row, one block a row. The k-th largest logit comes of its bits from the highest
// down, so that the passes over a row do not grow with k.
extern "C" __global__ void topKLogProbs(const float *all, i32 *ids, float *log_probs, float *entropies, u64 v,
                                        u64 k, float scale) {
    __shared__ float most[33];
    __shared__ double total[33];
    __shared__ i64 counts[33];
    __shared__ i64 last;
    __shared__ u32 found;
    u64 row = blockIdx.x;
    const float *x = all + row * v;
    ids += row * k;
    log_probs += row * (k + 1);
    auto rising = [&](u64 i) {
        u32 bits = __float_as_uint(x[i] + 0.0f);
        return bits >> 31 ? ~bits : bits | 0x80000000u;
    };
    u32 least = 0;
    for (int bit = 31; bit >= 0; bit--) {
        u32 next = least | 1u << bit;
        i64 count = 0;
        for (u64 i = threadIdx.x; i < v; i += blockDim.x) count += rising(i) >= next;
        if (sum_block(count, counts) >= (i64)k) least = next;
    }
    i64 above = 0, equal = 0;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        above += rising(i) > least;
        equal += rising(i) == least;
    }
    above = sum_block(above, counts);
    equal = sum_block(equal, counts);
    if (threadIdx.x == 0) {
        found = 0;
        last = (i64)v - 1;
        // Only where not all that equal the k-th are wanted.
        i64 want = (i64)k - above;
        if (want < equal)
            for (i64 i = 0; i < v; i++)
                if (rising(i) == least && --want == 0) {
                    last = i;
                    break;
                }
    }
    __syncthreads();
    auto rest = [&](u64 i) {
        u32 key = rising(i);
        return key < least || (key == least && (i64)i > last);
    };
    // In any order first, in the place of the log-probabilities; then each to its rank.
    i32 *loose = (i32 *)log_probs;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x)
        if (!rest(i)) loose[atomicAdd(&found, 1u)] = (i32)i;
    __syncthreads();
    for (u64 j = threadIdx.x; j < k; j += blockDim.x) {
        u32 key = rising(loose[j]);
        u64 rank = 0;
        for (u64 m = 0; m < k; m++) {
            u32 other = rising(loose[m]);
            rank += other > key || (other == key && loose[m] < loose[j]);
        }
        ids[rank] = loose[j];
    }
    __syncthreads();
    Parts parts = divide(x, v, k < v, scale, rest, most, total);
    for (u64 j = threadIdx.x; j < k; j += blockDim.x) log_probs[j] = (float)parts.own(x[ids[j]]);
    double sum = 0;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x) {
        if (!rest(i)) continue;
        float weight = parts.weight(x[i]);
        if (weight != 0) sum += weight * ((x[i] - parts.rest_max) * scale);
    }
    sum = sum_block(sum, total);
    if (threadIdx.x == 0) {
        log_probs[k] = k < v ? (float)parts.own_rest() : -INF;
        entropies[row] = k < v ? (float)(log(parts.rest) - sum / parts.rest) : 0.0f;
    }
}

// The divergence over k classes and all others as one, and its gradient by x; one block a row. `marks` has a bit
// for each class of the row.
extern "C" __global__ void topKDivergence(const float *all, const i32 *ids, const float *log_probs,
                                          const float *weights, float *losses, float *dx, u32 *marks, u64 v,
                                          u64 k, float scale, i32 reverse, Fault *fault) {
    __shared__ float most[33];
    __shared__ double total[33];
    u64 row = blockIdx.x;
    const float *x = all + row * v;
    ids += row * k;
    log_probs += row * (k + 1);
    u64 words = (v + 31) / 32;
    marks += row * words;
    float weight = weights[row];
    if (weight == 0) {
        if (threadIdx.x == 0) losses[row] = 0;
        if (dx)
            for (u64 i = threadIdx.x; i < v; i += blockDim.x) dx[row * v + i] = 0;
        return;
    }
    bool wrong = false;
    for (u64 j = threadIdx.x; j < k; j += blockDim.x)
        if (ids[j] < 0 || ids[j] >= v) {
            report(fault, 11, row, ids[j], v);
            wrong = true;
        }
    if (__syncthreads_or(wrong)) return;
    for (u64 i = threadIdx.x; i < words; i += blockDim.x) marks[i] = 0;
    __syncthreads();
    for (u64 j = threadIdx.x; j < k; j += blockDim.x) atomicOr(&marks[ids[j] / 32], 1u << (ids[j] % 32));
    __syncthreads();
    auto rest = [&](u64 i) { return !(marks[i / 32] >> (i % 32) & 1); };
    Parts parts = divide(x, v, k < v, scale, rest, most, total);
    auto term = [&](double own, double other) {
        double p = exp(reverse ? own : other);
        return p == 0 ? 0.0 : p * (reverse ? own - other : other - own);
    };
    double sum = 0;
    for (u64 j = threadIdx.x; j < k; j += blockDim.x) sum += term(parts.own(x[ids[j]]), log_probs[j]);
    double loss = sum_block(sum, total);
    if (k < v) loss += term(parts.own_rest(), log_probs[k]);
    if (threadIdx.x == 0) losses[row] = (float)(weight * loss);
    if (!dx) return;
    auto slope = [&](double own, double other) {
        double p = exp(own);
        return reverse ? term(own, other) - p * loss : p - exp(other);
    };
    float factor = weight * scale;
    float by = k < v ? (float)(slope(parts.own_rest(), log_probs[k]) / parts.rest) * factor : 0.0f;
    // dx may be x: a logit is read by the thread that writes over it.
    float *to = dx + row * v;
    for (u64 i = threadIdx.x; i < v; i += blockDim.x)
        if (rest(i)) to[i] = parts.weight(x[i]) * by;
    for (u64 j = threadIdx.x; j < k; j += blockDim.x)
        to[ids[j]] = factor * (float)slope(parts.own(x[ids[j]]), log_probs[j]);
}

// losses_i = weights_i |a_i - b_i| and the gradient by a, 0 where the rows are equal.
extern "C" __global__ void rowDistance(const float *a, const float *b, const float *weights, float *losses,
                                       float *da, u64 d) {
    __shared__ double total[33];
    u64 at = blockIdx.x * d;
    float weight = weights[blockIdx.x];
    double sum = 0;
    if (weight != 0)
        for (u64 i = threadIdx.x; i < d; i += blockDim.x) {
            float off = a[at + i] - b[at + i];
            sum += off * off;
        }
    double norm = sqrt(sum_block(sum, total));
    if (threadIdx.x == 0) losses[blockIdx.x] = (float)(weight * norm);
    if (!da) return;
    float by = norm == 0 || weight == 0 ? 0.0f : (float)(weight / norm);
    for (u64 i = threadIdx.x; i < d; i += blockDim.x) da[at + i] = by == 0 ? 0.0f : (a[at + i] - b[at + i]) * by;
}

// One block a row of the table: it adds the gradients of the tokens that looked it up, in their order.
extern "C" __global__ void embeddingBackward(const i32 *ids, const float *dy, float *dtable, u64 n, u64 d,
                                             i32 accumulate, u64 rows, Fault *fault) {
    __shared__ i32 found[256];
    i64 row = blockIdx.x;
    float *to = dtable + row * d;
    if (!accumulate)
        for (u64 i = threadIdx.x; i < d; i += blockDim.x) to[i] = 0;
    for (u64 base = 0; base < n; base += blockDim.x) {
        u64 at = base + threadIdx.x;
        i64 id = at < n ? ids[at] : -1;
        if (row == 0 && at < n && (id < 0 || id >= rows)) report(fault, 1, at, id, rows);
        bool own = at < n && id == row;
        if (!__syncthreads_or(own)) continue;
        found[threadIdx.x] = own;
        __syncthreads();
        for (u64 k = 0; k < blockDim.x; k++) {
            if (!found[k]) continue;
            for (u64 i = threadIdx.x; i < d; i += blockDim.x) to[i] += dy[(base + k) * d + i];
        }
        __syncthreads();
    }
}

// dx of each row, and of every `piece` rows, up to 32, their share of the weight's gradient. A warp takes a
// row, then threads take columns.
extern "C" __global__ __launch_bounds__(256) void rmsNormBackward(const float *dy, const float *x,
                                                                  const float *weight, const float *added,
                                                                  float *dx, float *parts, u64 rows, u64 d,
                                                                  u64 piece, float eps) {
    __shared__ float roots[32];
    u64 lane = threadIdx.x % 32, first = blockIdx.x * piece, end = min(first + piece, rows);
    for (u64 row = first + threadIdx.x / 32; row < end; row += blockDim.x / 32) {
        const float *v = x + row * d, *g = dy + row * d;
        float square = 0, dot = 0;
#pragma unroll 4
        for (u64 i = lane; i < d; i += 32) {
            square += v[i] * v[i];
            dot += g[i] * weight[i] * v[i];
        }
        square = sum_lanes<32>(square);
        dot = sum_lanes<32>(dot);
        float r = 1.0f / sqrtf(square / (float)d + eps), c = -dot * r * r / (float)d;
        if (lane == 0) roots[row - first] = r;
#pragma unroll 4
        for (u64 i = lane; i < d; i += 32)
            dx[row * d + i] = (v[i] * c + g[i] * weight[i]) * r + (added ? added[row * d + i] : 0.0f);
    }
    __syncthreads();
    for (u64 i = threadIdx.x; i < d; i += blockDim.x) {
        float sum = 0;
#pragma unroll 4
        for (u64 row = first; row < end; row++) sum += dy[row * d + i] * roots[row - first] * x[row * d + i];
        parts[blockIdx.x * d + i] = sum;
    }
}

// out [items, n] = the sums of parts [items, each, n] over the middle axis, in order.
extern "C" __global__ void sumParts(const float *parts, float *out, u64 items, u64 each, u64 n) {
    EACH(i, items *n) {
        const float *from = parts + i / n * each * n + i % n;
        float sum = 0;
        for (u64 k = 0; k < each; k++) sum += from[k * n];
        out[i] = sum;
    }
}

// The same for many parts of few sums: eight warps share 32 of them. grid: (n, items), 256 threads.
extern "C" __global__ void sumManyParts(const float *parts, float *out, u64 each, u64 n) {
    __shared__ float shared[8][32];
    u64 lane = threadIdx.x % 32, warp = threadIdx.x / 32, i = blockIdx.x * (u64)32 + lane;
    float sum = 0;
    if (i < n) {
#pragma unroll 8
        for (u64 k = warp; k < each; k += 8) sum += parts[(blockIdx.y * each + k) * n + i];
    }
    shared[warp][lane] = sum;
    __syncthreads();
    if (warp > 0 || i >= n) return;
    for (int w = 1; w < 8; w++) sum += shared[w][lane];
    out[blockIdx.y * n + i] = sum;
}

extern "C" __global__ void swiGluBackward(const float *dy, const float *gate, const float *up, float *dgate,
                                          float *dup, u64 n) {
    EACH(i, n) {
        float d = dy[i], g = gate[i], u = up[i], s = sigmoid(g);
        dgate[i] = d * u * s * (1.0f + g * (1.0f - s));
        dup[i] = d * g * s;
    }
}

// Tensors of one launch: their addresses, sizes, and the first of a launch's blocks that each takes.
constexpr int MOST = 70;
constexpr u64 CHUNK = 4096;

struct Tensors {
    i64 count;
    i64 size[MOST], first[MOST];
};

// The tensor that a block belongs to.
__device__ inline int tensor_of(const Tensors &t) {
    int low = 0, high = (int)t.count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (t.first[middle] <= blockIdx.x)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

struct Gradients {
    Tensors t;
    i64 g[MOST];
};

// The sums of squares of chunks.
extern "C" __global__ void squares(Gradients s, double *sums, u64 at) {
    __shared__ double total[33];
    int k = tensor_of(s.t);
    const float *g = (const float *)s.g[k];
    u64 from = (blockIdx.x - s.t.first[k]) * CHUNK, end = min(from + CHUNK, (u64)s.t.size[k]);
    double sum = 0;
    for (u64 i = from + threadIdx.x; i < end; i += blockDim.x) sum += (double)g[i] * g[i];
    sum = sum_block(sum, total);
    if (threadIdx.x == 0) sums[at + blockIdx.x] = sum;
}

extern "C" __global__ void rootOfSum(const double *sums, float *to, u64 n) {
    __shared__ double total[33];
    double sum = 0;
    for (u64 i = threadIdx.x; i < n; i += blockDim.x) sum += sums[i];
    sum = sum_block(sum, total);
    if (threadIdx.x == 0) *to = (float)sqrt(sum);
}

struct Update {
    Tensors t;
    // `w`: copies rounded to bfloat16, or 0.
    i64 p[MOST], g[MOST], m[MOST], v[MOST], w[MOST];
    // Bit k: whether tensor k decays.
    u64 decays[2];
    double beta1, beta2, epsilon, decay, most;
};

extern "C" __global__ void adamW(Update s, const float *schedule, const float *norm) {
    __shared__ float rate, root, keep, scale;
    int k = tensor_of(s.t);
    if (!isfinite(*norm)) return;
    if (threadIdx.x == 0) {
        double lr = schedule[0], step = schedule[1], n = *norm;
        double clip = s.most > 0 ? fmin(s.most / (n + 1e-6), 1.0) : 1.0;
        scale = (float)clip;
        rate = (float)(lr / (1.0 - pow(s.beta1, step)));
        root = (float)(1.0 / sqrt(1.0 - pow(s.beta2, step)));
        keep = s.decays[k / 64] >> (k % 64) & 1 ? (float)(1.0 - lr * s.decay) : 1.0f;
    }
    __syncthreads();
    float *p = (float *)s.p[k], *m = (float *)s.m[k], *v = (float *)s.v[k], *w = (float *)s.w[k];
    const float *g = (const float *)s.g[k];
    float b1 = (float)s.beta1, c1 = (float)(1.0 - s.beta1), b2 = (float)s.beta2, c2 = (float)(1.0 - s.beta2);
    float epsilon = (float)s.epsilon;
    u64 from = (blockIdx.x - s.t.first[k]) * CHUNK, end = min(from + CHUNK, (u64)s.t.size[k]);
    for (u64 i = from + threadIdx.x; i < end; i += blockDim.x) {
        float own = g[i] * scale;
        float first = fmaf(m[i], b1, own * c1), second = fmaf(v[i], b2, own * own * c2);
        m[i] = first;
        v[i] = second;
        float next = fmaf(first / fmaf(sqrtf(second), root, epsilon), -rate, p[i] * keep);
        p[i] = next;
        if (w) w[i] = from_bf16(to_bf16(next));
    }
}
