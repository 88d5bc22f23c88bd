// Mamba-2's recurrence by chunks of 64 tokens: where they are, their decays, states from one to the next.

struct Ssd {
    i64 batch, length, heads, width, groups, n, softplus, chunks;
};

__device__ inline i64 length_of(const i32 *lens, i64 length, i64 row, Fault *fault) {
    i64 len = lens ? lens[row] : length;
    if (len >= 0 && len <= length) return len;
    report(fault, 3, row, len, length);
    return 0;
}

// Where a block's chunk is: its head's unit of work, its first token of a row and of all, its used tokens.
struct Place {
    i64 head, group, unit, from, token;
    int count;
};

__device__ inline Place place(const Ssd &s, const i32 *lens, i64 chunk, Fault *fault) {
    i64 head = blockIdx.y, row = blockIdx.z, from = chunk * Q;
    i64 left = length_of(lens, s.length, row, fault) - from;
    int count = (int)max((i64)0, min((i64)Q, left));
    return {head, head * s.groups / s.heads, row * s.heads + head, from, row * s.length + from, count};
}

template <bool FOURS> __device__ inline Part<FOURS> of_head(const Ssd &s, const Place &at, const float *x) {
    return {x + (at.token * s.heads + at.head) * s.width, (int)(s.heads * s.width), at.count, (int)s.width};
}

template <bool FOURS> __device__ inline Part<FOURS> of_group(const Ssd &s, const Place &at, const float *b) {
    return {b + (at.token * s.groups + at.group) * s.n, (int)(s.groups * s.n), at.count, (int)s.n};
}

// What a chunk's products need of its decays; all products, since a decay may be 0.
struct Decays {
    float decay[Q], weight[Q];
    // Up to and with a token, and after it.
    float through[Q], last[Q];
    // Within runs of four tokens: up to and with a token, after it, of all four.
    float head[Q], tail[Q], four[Q / 4];
};

// Reads decays (0 where a document starts) and weights; what lies beyond `count` changes nothing.
__device__ inline void read_decays(Decays &d, const float *a, const float *rate, const float *bias,
                                   const i32 *resets, i64 token, i64 head, i64 heads, bool soft, int count) {
    int t = threadIdx.x, lane = t % 32;
    if (t < Q) {
        float decay = 1, weight = 0;
        if (t < count) {
            float step = a[(token + t) * heads + head];
            weight = 1;
            if (rate) {
                step += bias ? bias[head] : 0.0f;
                weight = soft ? softplus(step) : step;
                decay = expf(weight * rate[head]);
            } else {
                decay = sigmoid(-step);
            }
            if (resets && resets[token + t]) decay = 0;
        }
        d.decay[t] = decay, d.weight[t] = weight;
    }
    __syncthreads();
    if (t < 32) {
        float first = d.decay[2 * lane], second = d.decay[2 * lane + 1], product = first * second;
        for (int step = 1; step < 32; step *= 2) {
            float other = __shfl_up_sync(0xffffffff, product, step);
            if (lane >= step) product *= other;
        }
        product = __shfl_up_sync(0xffffffff, product, 1);
        if (lane == 0) product = 1;
        d.through[2 * lane] = product * first, d.through[2 * lane + 1] = product * first * second;
    } else if (t < 64) {
        float second = d.decay[2 * lane + 1], product = d.decay[2 * lane] * second;
        for (int step = 1; step < 32; step *= 2) {
            float other = __shfl_down_sync(0xffffffff, product, step);
            if (lane + step < 32) product *= other;
        }
        product = __shfl_down_sync(0xffffffff, product, 1);
        if (lane == 31) product = 1;
        d.last[2 * lane + 1] = product, d.last[2 * lane] = product * second;
    } else {
        t -= 64;
        float before = 1, after = 1;
        for (int i = t / 4 * 4; i <= t; i++) before *= d.decay[i];
        for (int i = t + 1; i < t / 4 * 4 + 4; i++) after *= d.decay[i];
        d.head[t] = before, d.tail[t] = after;
        if (t % 4 == 3) d.four[t / 4] = before;
    }
    __syncthreads();
}

// The decays after each of four tokens up to each of four others; 0 where those come first.
__device__ inline void decays_between(const Decays &d, int row, int column, float (&l)[4][4]) {
    if (row == column) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float product = 1;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if (i > j) product *= d.decay[4 * row + i];
                l[i][j] = i < j ? 0.0f : product;
            }
        }
        return;
    }
    float middle = row < column ? 0.0f : 1.0f;
    for (int i = column + 1; i < row; i++) middle *= d.four[i];
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) l[i][j] = d.head[4 * row + i] * (middle * d.tail[4 * column + j]);
}

// `held` through `count` places `step` apart; a decay of 0 leaves nothing of it, were it infinite.
__device__ inline float pass(float held, const float *totals, int by, float *at, i64 step, i64 count) {
    constexpr int MANY = 8;
    for (i64 k = 0; k < count; k += MANY) {
        float own[MANY];
#pragma unroll
        for (int i = 0; i < MANY; i++) own[i] = k + i < count ? at[(k + i) * step] : 0.0f;
#pragma unroll
        for (int i = 0; i < MANY; i++) {
            if (k + i >= count) break;
            float total = totals[(k + i) * by];
            held = total == 0 ? own[i] : fmaf(held, total, own[i]);
            at[(k + i) * step] = held;
        }
    }
    return held;
}

// A kernel for widths and states in fours and one for any, of which a multiprocessor should hold BLOCKS blocks.
#define KERNELS(NAME, BODY, BLOCKS)                                                                \
    extern "C" __global__ __launch_bounds__(128, BLOCKS) void NAME##Fours(In in, Out out, Ssd s,   \
                                                                          Fault *fault) {          \
        BODY<true>(in, out, s, fault);                                                             \
    }                                                                                              \
    extern "C" __global__ __launch_bounds__(128, BLOCKS) void NAME##Any(In in, Out out, Ssd s,     \
                                                                        Fault *fault) {            \
        BODY<false>(in, out, s, fault);                                                            \
    }
