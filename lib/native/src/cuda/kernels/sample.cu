// Drawing the next token of each row, one block a row. Sums, their order and their exponential are
// the CPU's, so that a seed gives the same text on both. Limit: the logits read twice.

#define BLOCK 1024
#define MOST_BLOCKS 512

// The CPU engine's e^x: Cody and Waite's reduction, Cephes' polynomial, no fused operations.
__device__ inline float exp_same(float x) {
    const float round = 12582912.0f;
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    float shifted = __fadd_rn(__fmul_rn(x, 1.44269504088896341f), round);
    float n = __fadd_rn(shifted, -round);
    float r = __fadd_rn(__fadd_rn(x, -__fmul_rn(n, 0.6933594f)), -__fmul_rn(n, -2.1219444e-4f));
    float p = 1.9875691e-4f;
    p = __fadd_rn(__fmul_rn(p, r), 1.3982e-3f);
    p = __fadd_rn(__fmul_rn(p, r), 8.333452e-3f);
    p = __fadd_rn(__fmul_rn(p, r), 4.1665796e-2f);
    p = __fadd_rn(__fmul_rn(p, r), 1.6666665e-1f);
    p = __fadd_rn(__fmul_rn(p, r), 5e-1f);
    p = __fadd_rn(__fadd_rn(__fmul_rn(p, __fmul_rn(r, r)), r), 1.0f);
    int i = __float_as_int(shifted) - __float_as_int(round), half = i >> 1;
    float a = __int_as_float((half + 127) << 23), b = __int_as_float((i - half + 127) << 23);
    return __fmul_rn(__fmul_rn(p, a), b);
}

// Philox4x32-10; a uniform number of (0, 1) from its first 52 bits and a half.
__device__ inline double uniform(u32 c0, u32 c1, u32 k0, u32 k1) {
    u32 c2 = 0, c3 = 0;
    for (int round = 0; round < 10; round++) {
        u64 a = (u64)c0 * 0xd2511f53u, b = (u64)c2 * 0xcd9e8d57u;
        u32 n0 = (u32)(b >> 32) ^ c1 ^ k0, n2 = (u32)(a >> 32) ^ c3 ^ k1;
        c0 = n0, c1 = (u32)b, c2 = n2, c3 = (u32)a;
        k0 += 0x9e3779b9u, k1 += 0xbb67ae85u;
    }
    u64 bits = ((u64)c0 << 32 | c1) >> 12;
    return ((double)bits + 0.5) / 4503599627370496.0;
}

// Smaller the likelier; of equal logits, the lower id first.
__device__ inline u64 rank_of(u32 id, float logit) {
    u32 bits = __float_as_uint(logit + 0.0f);
    u32 rising = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (u64)(~rising) << 32 | id;
}

// Which tokens take part: at least `least`, and of rank at most `last`.
struct Kept {
    float max, scale, least;
    u64 last;
    __device__ float weight(const float *logits, i64 i) const {
        float w = exp_same(__fmul_rn(__fadd_rn(logits[i], -max), scale));
        return w >= least && (last == ~0ull || rank_of((u32)i, logits[i]) <= last) ? w : 0.0f;
    }
};

__device__ inline double sum_half_warp(float sum) {
    double total = 0;
    for (int i = 0; i < 16; i++) total += (double)__shfl_sync(0xffffffff, sum, i, 16);
    return total;
}

// Sums of 1024 logits each, by half warps: 16 lanes of float32, then float64 in order. TWO: of a second
// choice of tokens too, without a last rank, while the logits are at hand.
template <bool TWO>
__device__ void block_sums(const float *logits, i64 v, const Kept &kept, double *sums, const Kept &other,
                           double *others) {
    i64 blocks = (v + BLOCK - 1) / BLOCK;
    int lane = threadIdx.x % 16;
    for (i64 base = 0; base < blocks; base += blockDim.x / 16) {
        i64 block = base + threadIdx.x / 16;
        float sum = 0, also = 0;
        if (block < blocks) {
            i64 end = min((block + 1) * BLOCK, v);
#pragma unroll 4
            for (i64 i = block * BLOCK + lane; i < end; i += 16) {
                sum = __fadd_rn(sum, kept.weight(logits, i));
                if (TWO) also = __fadd_rn(also, other.weight(logits, i));
            }
        }
        double total = sum_half_warp(sum), total_also = TWO ? sum_half_warp(also) : 0;
        if (lane == 0 && block < blocks) {
            sums[block] = total;
            if (TWO) others[block] = total_also;
        }
    }
    __syncthreads();
}

extern "C" __global__ __launch_bounds__(1024, 2) void sampleTokens(const float *all, const float *params,
                                                               const i32 *keys, const i32 *lens, i32 *ids,
                                                               float *log_probs, i64 v, Fault *fault) {
    __shared__ double sums[MOST_BLOCKS], model_sums[MOST_BLOCKS], doubles[33];
    __shared__ float floats[33], weights[BLOCK];
    __shared__ double total, left;
    __shared__ i64 at, found;
    u64 row = blockIdx.x;
    const float *logits = all + row * v;
    if (lens[row] == 0) {
        if (threadIdx.x == 0) ids[row] = 0, log_probs[row] = 0;
        return;
    }
    float temperature = params[4 * row], top_p = params[4 * row + 1], min_p = params[4 * row + 2];
    float top_k = params[4 * row + 3];
    if (!(temperature >= 0 && temperature < INF && top_p > 0 && top_p <= 1 && min_p >= 0 && min_p <= 1 &&
          top_k >= 0 && top_k < INF && top_k == floorf(top_k))) {
        report(fault, 7, row, 0, 0);
        return;
    }
    i64 blocks = (v + BLOCK - 1) / BLOCK;
    float max = -INF;
    // A weight that is not a number fails every comparison, so sums of it are 0: look at the logits.
    bool bad = false;
#pragma unroll 4
    for (i64 i = threadIdx.x; i < v; i += blockDim.x) {
        float logit = logits[i];
        max = fmaxf(max, logit);
        bad |= logit != logit;
    }
    max = max_block(max, floats);
    bad |= max == -INF || max == INF;
    if (__syncthreads_or(bad)) {
        if (threadIdx.x == 0) {
            i64 id = -1;
            for (i64 i = 0; i < v && id < 0; i++)
                if (logits[i] != logits[i] || logits[i] == INF) id = i;
            if (id < 0) report(fault, 6, row, 0, 0);
            else report(fault, 5, row, id, logits[id] == INF);
            ids[row] = 0, log_probs[row] = 0;
        }
        return;
    }
    i64 most = top_k == 0 ? v : min((i64)top_k, v);
    bool draws = temperature != 0, ranks = draws && (most < v || top_p < 1);
    Kept model{max, 1.0f, 0.0f, ~0ull}, kept{max, draws ? 1.0f / temperature : 1.0f, min_p, ~0ull};
    // Without ranks, one pass has both sums; at temperature 1 they are the same.
    bool same = draws && !ranks && kept.scale == 1.0f && min_p == 0.0f;
    if (draws && !ranks && !same)
        block_sums<true>(logits, v, model, model_sums, kept, sums);
    else
        block_sums<false>(logits, v, model, model_sums, model, model_sums);
    if (threadIdx.x == 0) {
        total = 0;
        for (i64 i = 0; i < blocks; i++) total += model_sums[i];
        found = v;
    }
    __syncthreads();
    double model_total = total;
    if (!draws) {
        i64 id = v;
        for (i64 i = threadIdx.x; i < v; i += blockDim.x)
            if (logits[i] == max) {
                id = i;
                break;
            }
        atomicMin((u64 *)&found, (u64)id);
        __syncthreads();
    } else {
        double mass_of = 0;
        if (ranks) {
            // The rank of the last kept token, bit by bit from the highest.
            u64 last = ~0ull;
            if (most < v) {
                u64 low = 0;
                for (int bit = 63; bit >= 0; bit--) {
                    u64 middle = low | ((1ull << bit) - 1);
                    double n = 0;
                    for (i64 i = threadIdx.x; i < v; i += blockDim.x) n += rank_of((u32)i, logits[i]) <= middle;
                    if (sum_block(n, doubles) < (double)most) low |= 1ull << bit;
                }
                last = low;
            }
            Kept all_kept{max, kept.scale, 0.0f, last};
            double sum = 0;
            for (i64 i = threadIdx.x; i < v; i += blockDim.x) sum += all_kept.weight(logits, i);
            mass_of = (double)top_p * sum_block(sum, doubles);
            if (top_p < 1) {
                Kept filter{max, kept.scale, min_p, last};
                u64 low = 0;
                for (int bit = 63; bit >= 0; bit--) {
                    filter.last = low | ((1ull << bit) - 1);
                    double n = 0;
                    for (i64 i = threadIdx.x; i < v; i += blockDim.x) n += filter.weight(logits, i);
                    if (sum_block(n, doubles) < mass_of) low |= 1ull << bit;
                }
                last = min(last, low);
            }
            kept.last = last;
        }
        if (ranks) block_sums<false>(logits, v, kept, sums, kept, sums);
        const double *own = same ? model_sums : sums;
        if (threadIdx.x == 0) {
            total = 0;
            for (i64 i = 0; i < blocks; i++) total += own[i];
            left = uniform((u32)keys[4 * row + 2], (u32)keys[4 * row + 3], (u32)keys[4 * row], (u32)keys[4 * row + 1]) *
                   total;
            at = 0;
            while (at + 1 < blocks && left >= own[at]) left -= own[at++];
        }
        __syncthreads();
        // The block in which the draw falls; rounding may carry it into the next ones.
        i64 chosen = -1;
        for (i64 block = at; block < blocks; block++) {
            i64 from = block * BLOCK, n = min((i64)BLOCK, v - from);
            for (i64 i = threadIdx.x; i < n; i += blockDim.x) weights[i] = kept.weight(logits, from + i);
            __syncthreads();
            if (threadIdx.x == 0)
#pragma unroll 8
                for (i64 i = 0; i < n; i++) {
                    double w = weights[i];
                    if (w <= 0) continue;
                    chosen = from + i;
                    if (left < w) {
                        found = chosen;
                        break;
                    }
                    left -= w;
                }
            __syncthreads();
            if (found < v) break;
        }
        if (threadIdx.x == 0 && found == v) {
            for (i64 i = v - 1; chosen < 0 && i >= 0; i--)
                if (kept.weight(logits, i) > 0) chosen = i;
            found = chosen;
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        ids[row] = (i32)found;
        log_probs[row] = (float)((double)(logits[found] - max) - log(model_total));
    }
}
