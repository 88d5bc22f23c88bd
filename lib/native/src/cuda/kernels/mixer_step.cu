// One token of every row through a whole mixer: short convolution, recurrence, skip and gate, both states
// updated in place. Limit: the recurrent state read and written once.

struct F32State {
    typedef float Stored;
    static constexpr int WIDE = 4;
    static __device__ inline void load(const float *p, float *v) {
        float4 a = *(const float4 *)p;
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    }
    static __device__ inline void store(float *p, const float *v) {
        *(float4 *)p = make_float4(v[0], v[1], v[2], v[3]);
    }
};

struct BF16State {
    typedef u16 Stored;
    static constexpr int WIDE = 8;
    static __device__ inline void load(const u16 *p, float *v) {
        uint4 a = *(const uint4 *)p;
        u32 pairs[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            v[2 * i] = __uint_as_float(pairs[i] << 16);
            v[2 * i + 1] = __uint_as_float(pairs[i] & 0xffff0000);
        }
    }
    static __device__ inline void store(u16 *p, const float *v) {
        u32 pairs[4];
#pragma unroll
        for (int i = 0; i < 4; i++) pairs[i] = (u32)to_bf16(v[2 * i]) | (u32)to_bf16(v[2 * i + 1]) << 16;
        *(uint4 *)p = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
    }
};

// Sums over `width` neighbouring lanes, a power of two that is known at run time.
__device__ inline float sum_some(float x, int width) {
    for (int step = width / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffff, x, step);
    return x;
}

// A channel's window with the new token in it: their weighted sum. The window moves on where `moves`; lanes
// that share a channel must come here together.
__device__ inline float convolve(const float *weight, float bias, float *window, i64 channels, int taps, float now,
                                 bool moves) {
    float before[3], sum = bias;
#pragma unroll
    for (int j = 0; j < 3; j++) before[j] = j < taps - 1 ? window[j * channels] : 0.0f;
#pragma unroll
    for (int j = 0; j < 3; j++)
        if (j < taps - 1) sum = fmaf(weight[j], before[j], sum);
    sum = fmaf(weight[taps - 1], now, sum);
    __syncwarp(__activemask());
    if (moves) {
#pragma unroll
        for (int j = 0; j < 3; j++)
            if (j < taps - 1) window[j * channels] = j + 1 < taps - 1 ? before[j + 1] : now;
    }
    return sum;
}

__device__ inline bool idle(const i32 *lens, i64 row, Fault *fault) {
    if (!lens) return false;
    if (lens[row] < 0 || lens[row] > 1) report(fault, 3, row, lens[row], 1);
    return lens[row] != 1;
}

struct Ssd {
    i64 heads, width, groups, n, taps, lanes;
};

// A block takes the heads of one group of one row: grid (groups, batch).
template <typename S>
__device__ void ssd_step(const float *x_bc, const float *z, const float *a, const float *weight, const float *bias,
                         const float *skip, const float *z_bias, float *window, typename S::Stored *state,
                         const i32 *lens, float *y, Ssd s, Fault *fault) {
    // Rows of a head's state that a thread has on their way at a time.
    constexpr int TOGETHER = 16 / S::WIDE;
    extern __shared__ float4 shared4[];
    float *bs = (float *)shared4, *cs = bs + s.n, *xs = cs + s.n;
    i64 group = blockIdx.x, row = blockIdx.y, per = s.heads / s.groups, inner = s.heads * s.width;
    i64 channels = inner + 2 * s.groups * s.n, wide = per * s.width;
    float *to = y + row * inner + group * wide;
    if (idle(lens, row, fault)) {
        for (i64 i = threadIdx.x; i < wide; i += blockDim.x) to[i] = 0;
        return;
    }
    int n = (int)s.n, width = (int)s.width, lanes = (int)s.lanes;
    int lane = threadIdx.x % lanes, slot = threadIdx.x / lanes, slots = blockDim.x / lanes;
    typename S::Stored *held = state + (row * s.heads + group * per) * width * n;
    for (int i = threadIdx.x; i < 2 * n + wide; i += blockDim.x) {
        i64 keys = inner + group * n + (i < n ? i : s.groups * n + i - n);
        i64 c = i < 2 * n ? keys : group * wide + i - 2 * n;
        bs[i] = convolve(weight + c * s.taps, bias[c], window + row * (s.taps - 1) * channels + c, channels,
                         (int)s.taps, x_bc[row * channels + c], true);
    }
    __syncthreads();
    for (int h = 0; h < per; h++, held += width * n) {
        i64 head = group * per + h;
        float decay = sigmoid(-a[row * s.heads + head]), own_skip = skip[head];
        const float *in = xs + h * width;
        for (int first = 0; first < width; first += slots * TOGETHER) {
            float sums[TOGETHER] = {};
            for (int k = lane * S::WIDE; k < n; k += lanes * S::WIDE) {
                float v[TOGETHER][S::WIDE];
#pragma unroll
                for (int q = 0; q < TOGETHER; q++) {
                    int r = first + q * slots + slot;
                    if (r < width) S::load(held + r * n + k, v[q]);
                }
                float b[S::WIDE], c[S::WIDE];
#pragma unroll
                for (int i = 0; i < S::WIDE; i++) b[i] = bs[k + i], c[i] = cs[k + i];
#pragma unroll
                for (int q = 0; q < TOGETHER; q++) {
                    int r = first + q * slots + slot;
                    if (r >= width) continue;
                    float x = in[r];
#pragma unroll
                    for (int i = 0; i < S::WIDE; i++) {
                        v[q][i] = fmaf(v[q][i], decay, x * b[i]);
                        sums[q] = fmaf(v[q][i], c[i], sums[q]);
                    }
                    S::store(held + r * n + k, v[q]);
                }
            }
#pragma unroll
            for (int q = 0; q < TOGETHER; q++) {
                int r = first + q * slots + slot;
                float sum = sum_some(sums[q], lanes);
                if (lane == q % lanes && r < width) {
                    i64 at = row * inner + head * width + r;
                    float gate = z[at] + z_bias[head * width + r];
                    y[at] = fmaf(own_skip, in[r], sum) * silu(gate);
                }
            }
        }
    }
}

struct Selective {
    i64 channels, narrow, n, taps, lanes;
};

// A block takes 256 / lanes channels of a row: grid (blocks of channels, batch). x and B have heads of n
// channels, each repeated for neighbouring heads.
template <typename S>
__device__ void selective_step(const float *x, const float *z, const float *b, const float *c, const float *dt,
                               const float *weight, const float *bias, const float *a_log, const float *skip,
                               const float *dt_bias, float *window, typename S::Stored *state, const i32 *lens,
                               float *y, Selective s, Fault *fault) {
    int lanes = (int)s.lanes, lane = threadIdx.x % lanes;
    i64 row = blockIdx.y, channel = blockIdx.x * (i64)(blockDim.x / lanes) + threadIdx.x / lanes;
    bool real = channel < s.channels;
    if (!real) channel = s.channels - 1;
    i64 at = row * s.channels + channel;
    if (idle(lens, row, fault)) {
        if (real && lane == 0) y[at] = 0;
        return;
    }
    // The first part of the state is on its way while the window is read.
    float v[S::WIDE];
    i64 k = lane * S::WIDE;
    if (k < s.n) S::load(state + at * s.n + k, v);
    i64 head = channel / s.n, from = row * s.narrow + head / (s.channels / s.narrow) * s.n;
    float *own = window + row * (s.taps - 1) * s.channels + channel;
    float mixed = convolve(weight + channel * s.taps, bias[channel], own, s.channels, (int)s.taps,
                           x[from + channel % s.n], real && lane == 0);
    float u = silu(mixed), step = softplus(dt[at] + dt_bias[channel]), in = step * u, sum = 0;
    while (k < s.n) {
#pragma unroll
        for (int i = 0; i < S::WIDE; i++) {
            float decay = expf(-step * expf(a_log[channel * s.n + k + i]));
            v[i] = fmaf(v[i], decay, in * b[from + k + i]);
            sum = fmaf(v[i], c[row * s.channels + head * s.n + k + i], sum);
        }
        if (real) S::store(state + at * s.n + k, v);
        k += lanes * S::WIDE;
        if (k < s.n) S::load(state + at * s.n + k, v);
    }
    sum = sum_some(sum, lanes);
    if (real && lane == 0) y[at] = fmaf(skip[channel], u, sum) * silu(z[at]);
}

#define STEPS(S)                                                                                   \
    extern "C" __global__ __launch_bounds__(256) void ssdStep_##S(                                 \
        const float *x_bc, const float *z, const float *a, const float *weight, const float *bias, \
        const float *skip, const float *z_bias, float *window, S##State::Stored *state,            \
        const i32 *lens, float *y, Ssd s, Fault *fault) {                                          \
        ssd_step<S##State>(x_bc, z, a, weight, bias, skip, z_bias, window, state, lens, y, s,      \
                           fault);                                                                 \
    }                                                                                              \
    extern "C" __global__ __launch_bounds__(256) void selectiveStep_##S(                           \
        const float *x, const float *z, const float *b, const float *c, const float *dt,           \
        const float *weight, const float *bias, const float *a_log, const float *skip,             \
        const float *dt_bias, float *window, S##State::Stored *state, const i32 *lens, float *y,   \
        Selective s, Fault *fault) {                                                               \
        selective_step<S##State>(x, z, b, c, dt, weight, bias, a_log, skip, dt_bias, window,       \
                                 state, lens, y, s, fault);                                        \
    }
STEPS(F32) STEPS(BF16)
