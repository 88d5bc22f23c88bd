// The short convolution and the two recurrences. States stay in registers from the first token to the
// last; a tile of tokens is staged in shared memory. Limit: inputs, outputs and states moved once.
//
// A recurrence that would leave the device idle is cut into chunks of tokens, in three launches: every
// chunk from a zero state (SUMMARY), the states that chunks start from, every chunk from its own start.

struct Conv {
    i64 batch, length, channels, width, silu;
};

// The input that lies `back` tokens before token t; 0 beyond a document's start.
__device__ inline float tap(const Conv &s, const float *x, const float *state, const i32 *resets, i64 row, i64 t,
                            i64 back, i64 c) {
    if (resets)
        for (i64 i = 0; i < back && t - i >= 0; i++)
            if (resets[row * s.length + t - i]) return 0;
    i64 at = t - back;
    if (at >= 0) return x[(row * s.length + at) * s.channels + c];
    at += s.width - 1;
    return state && at >= 0 ? state[(row * (s.width - 1) + at) * s.channels + c] : 0.0f;
}

extern "C" __global__ void conv(const float *x, const float *weight, const float *bias, const float *state,
                                const i32 *lens, const i32 *resets, float *y, Conv s, Fault *fault) {
    EACH(i, s.batch *s.length *s.channels) {
        i64 c = i % s.channels, t = i / s.channels % s.length, row = i / s.channels / s.length;
        i64 len = lens ? lens[row] : s.length;
        if (len < 0 || len > s.length) report(fault, 3, row, len, s.length);
        if (t >= len) {
            y[i] = 0;
            continue;
        }
        float sum = bias ? bias[c] : 0.0f;
        for (i64 j = 0; j < s.width; j++)
            sum += weight[c * s.width + j] * tap(s, x, state, resets, row, t, s.width - 1 - j, c);
        y[i] = s.silu ? silu(sum) : sum;
    }
}

// The last width - 1 inputs of each row; `out` may be `state`.
extern "C" __global__ void conv_state(const float *x, const float *state, const i32 *lens, const i32 *resets,
                                      float *out, Conv s) {
    EACH(i, s.batch *s.channels) {
        i64 c = i % s.channels, row = i / s.channels;
        i64 len = lens ? lens[row] : s.length;
        len = len < 0 ? 0 : len > s.length ? s.length : len;
        float kept[3];
        for (i64 j = 0; j < s.width - 1; j++) {
            i64 back = s.width - 2 - j;
            if (len > 0) {
                kept[j] = tap(s, x, state, resets, row, len - 1, back, c);
            } else {
                kept[j] = state ? state[(row * (s.width - 1) + j) * s.channels + c] : 0.0f;
            }
        }
        for (i64 j = 0; j < s.width - 1; j++) out[(row * (s.width - 1) + j) * s.channels + c] = kept[j];
    }
}

struct Selective {
    i64 batch, length, channels, groups, n, softplus, tile, span, chunk, chunks;
};

// Four numbers of a channel's state a lane; a block takes 128 / LANES channels of a chunk of a row.
// grid: (blocks of channels, batch, chunks). Shared memory holds `tile` tokens: delta and u of a
// channel, B and C of the `span` groups that a block's channels touch, filled up with zeros. A token's
// sum takes the place of its delta: gates and stores wait until the tile is through, off the path from
// one token to the next. `starts` holds a state for every chunk, `totals` a chunk's sum of deltas.
template <int LANES, bool SUMMARY>
__device__ void selective(const float *u, const float *delta, const float *a, const float *b, const float *c,
                          const float *skip, const float *z, const float *bias, const float *state,
                          const i32 *lens, const i32 *resets, float *starts, float *totals, float *y, float *out,
                          Selective s, Fault *fault) {
    constexpr int CHANNELS = 128 / LANES, WIDE = 4 * LANES;
    extern __shared__ float4 shared4[];
    float *bs = (float *)shared4, *cs = bs + s.tile * s.span * WIDE;
    float *deltas = cs + s.tile * s.span * WIDE, *inputs = deltas + s.tile * CHANNELS;
    i64 row = blockIdx.y, part = blockIdx.z, first = blockIdx.x * (i64)CHANNELS, size = s.channels / s.groups;
    int lane = threadIdx.x % LANES, slot = threadIdx.x / LANES;
    i64 channel = first + slot;
    bool real = channel < s.channels;
    i64 group0 = first / size, group = (real ? channel : first) / size - group0;
    i64 own = (row * s.channels + channel) * s.n + lane * 4, states = s.batch * s.channels * s.n;
    const float *before = SUMMARY ? nullptr : starts ? starts + part * states : state;
    float rate[4], held[4], total = 0;
    bool cut = false;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        bool there = real && lane * 4 + i < s.n;
        rate[i] = there ? a[channel * s.n + lane * 4 + i] * 1.44269504f : 0.0f;
        held[i] = there && before ? before[own + i] : 0.0f;
    }
    i64 len = lens ? lens[row] : s.length;
    if (len < 0 || len > s.length) {
        report(fault, 3, row, len, s.length);
        len = 0;
    }
    i64 begin = part * s.chunk, end = min(s.length, begin + s.chunk), stop = min(len, end);
    i64 spans = min(s.span, s.groups - group0);
    float own_skip = skip && real ? skip[channel] : 0.0f;
    for (i64 from = begin; from < stop; from += s.tile) {
        int count = (int)min(s.tile, stop - from);
        __syncthreads();
        for (int i = threadIdx.x; i < count * CHANNELS; i += blockDim.x) {
            i64 t = i / CHANNELS, ch = first + i % CHANNELS;
            if (ch >= s.channels) continue;
            i64 at = (row * s.length + from + t) * s.channels + ch;
            float step = delta[at] + (bias ? bias[ch] : 0.0f);
            deltas[i] = s.softplus ? softplus(step) : step;
            inputs[i] = u[at];
        }
        int wide = (int)s.span * WIDE;
        for (int i = threadIdx.x; i < count * wide; i += blockDim.x) {
            int t = i / wide, g = i % wide / WIDE, k = i % WIDE;
            bool there = g < spans && k < s.n;
            i64 at = ((row * s.length + from + t) * s.groups + group0 + g) * s.n + k;
            bs[i] = there ? b[at] : 0.0f;
            if (!SUMMARY) cs[i] = there ? c[at] : 0.0f;
        }
        __syncthreads();
#pragma unroll 4
        for (int t = 0; t < count; t++) {
            if (resets && resets[row * s.length + from + t]) {
#pragma unroll
                for (int i = 0; i < 4; i++) held[i] = 0;
                cut = true;
            }
            float step = deltas[t * CHANNELS + slot], input = inputs[t * CHANNELS + slot], x = step * input;
            float4 b4 = ((const float4 *)bs)[(t * s.span + group) * LANES + lane];
            float bt[4] = {b4.x, b4.y, b4.z, b4.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float decay;
                asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(decay) : "f"(step * rate[i]));
                held[i] = fmaf(held[i], decay, x * bt[i]);
            }
            if (SUMMARY) {
                total += step;
                continue;
            }
            float4 c4 = ((const float4 *)cs)[(t * s.span + group) * LANES + lane];
            float sum = fmaf(held[0], c4.x, held[1] * c4.y) + fmaf(held[2], c4.z, held[3] * c4.w);
            sum = sum_lanes<LANES>(sum);
            __syncwarp();
            if (lane == 0) deltas[t * CHANNELS + slot] = skip ? fmaf(own_skip, input, sum) : sum;
        }
        if (SUMMARY) continue;
        __syncthreads();
        for (int i = threadIdx.x; i < count * CHANNELS; i += blockDim.x) {
            i64 ch = first + i % CHANNELS, at = (row * s.length + from + i / CHANNELS) * s.channels + ch;
            if (ch < s.channels) y[at] = z ? deltas[i] * silu(z[at]) : deltas[i];
        }
    }
    if (!real) return;
    if (!SUMMARY)
        for (i64 t = max(begin, stop); t < end && lane == 0; t++)
            y[(row * s.length + t) * s.channels + channel] = 0;
    if (!SUMMARY && part + 1 < s.chunks) return;
    float *after = SUMMARY ? starts + (part + 1) * states : out;
#pragma unroll
    for (int i = 0; i < 4; i++)
        if (lane * 4 + i < s.n) after[own + i] = held[i];
    // NaN: nothing of what came before the chunk is left.
    if (SUMMARY && lane == 0) totals[(part * s.batch + row) * s.channels + channel] = cut ? NOT_A_NUMBER : total;
}

// From each chunk's own end and its sum of deltas to the states that chunks start from.
extern "C" __global__ void selective_starts(const float *a, const float *state, const float *totals,
                                            float *starts, Selective s) {
    i64 states = s.batch * s.channels * s.n;
    EACH(i, states) {
        i64 channel = i / s.n % s.channels, row = i / s.n / s.channels;
        float rate = a[channel * s.n + i % s.n], held = state ? state[i] : 0.0f;
        starts[i] = held;
        for (i64 part = 0; part + 1 < s.chunks; part++) {
            float total = totals[(part * s.batch + row) * s.channels + channel];
            float end = starts[(part + 1) * states + i];
            held = total == total ? fmaf(held, expf(rate * total), end) : end;
            starts[(part + 1) * states + i] = held;
        }
    }
}

#define SELECTIVE(NAME, LANES, SUMMARY)                                                            \
    extern "C" __global__ __launch_bounds__(128) void NAME##LANES(                                 \
        const float *u, const float *delta, const float *a, const float *b, const float *c,        \
        const float *skip, const float *z, const float *bias, const float *state, const i32 *lens, \
        const i32 *resets, float *starts, float *totals, float *y, float *out, Selective s,        \
        Fault *fault) {                                                                            \
        selective<LANES, SUMMARY>(u, delta, a, b, c, skip, z, bias, state, lens, resets, starts,   \
                                  totals, y, out, s, fault);                                       \
    }
#define BOTH(LANES) SELECTIVE(selective_, LANES, false) SELECTIVE(selective_ends_, LANES, true)
BOTH(1) BOTH(2) BOTH(4) BOTH(8) BOTH(16) BOTH(32)
#undef BOTH

struct Ssd {
    i64 batch, length, heads, width, groups, n, softplus, tile;
};

struct SsdIn {
    const float *x, *a, *b, *c, *rate, *bias, *skip, *state;
    const i32 *lens, *resets;
};

// Sixteen numbers of one channel's state a lane, LANES lanes a channel; a block takes 256 / LANES
// channels of one head. grid: (parts of a head, heads, batch). Shared memory holds `tile` tokens:
// B and C, x, decays and weights. Long sequences go by chunks (ssd.cu).
template <int LANES>
__device__ inline void ssd(const SsdIn &in, float *y, float *out, const Ssd &s, Fault *fault) {
    constexpr int CHANNELS = 256 / LANES, OWN = 16;
    extern __shared__ float4 shared4[];
    i64 wide = 16 * LANES;
    float *bs = (float *)shared4, *cs = bs + s.tile * wide, *xs = cs + s.tile * wide;
    float *decays = xs + s.tile * CHANNELS, *weights = decays + s.tile;
    i64 head = blockIdx.y, row = blockIdx.z, first = blockIdx.x * (i64)CHANNELS;
    int lane = threadIdx.x % LANES, slot = threadIdx.x / LANES;
    i64 channel = first + slot, group = head * s.groups / s.heads;
    bool real = channel < s.width;
    // Number 4 i + j of lane `lane` is number (i * LANES + lane) * 4 + j of the state.
    float held[OWN];
    i64 at_state = ((row * s.heads + head) * s.width + channel) * s.n;
#pragma unroll
    for (int i = 0; i < OWN; i++) {
        i64 at = (i / 4 * LANES + lane) * 4 + i % 4;
        held[i] = real && in.state && at < s.n ? in.state[at_state + at] : 0.0f;
    }
    i64 len = in.lens ? in.lens[row] : s.length;
    if (len < 0 || len > s.length) {
        report(fault, 3, row, len, s.length);
        len = 0;
    }
    float own_skip = in.skip ? in.skip[head] : 0.0f;
    for (i64 from = 0; from < len; from += s.tile) {
        int count = (int)min(s.tile, len - from);
        __syncthreads();
        // Tokens that fill up the last four change nothing.
        int padded = (count + 3) / 4 * 4;
        for (int i = threadIdx.x; i < padded * wide; i += blockDim.x) {
            i64 t = i / wide, n = i % wide, at = ((row * s.length + from + t) * s.groups + group) * s.n + n;
            bool there = t < count && n < s.n;
            bs[i] = there ? in.b[at] : 0.0f;
            cs[i] = there ? in.c[at] : 0.0f;
        }
        for (int i = threadIdx.x; i < padded * CHANNELS; i += blockDim.x) {
            i64 t = i / CHANNELS, ch = first + i % CHANNELS;
            bool there = t < count && ch < s.width;
            xs[i] = there ? in.x[((row * s.length + from + t) * s.heads + head) * s.width + ch] : 0.0f;
        }
        for (int t = threadIdx.x; t < padded; t += blockDim.x) {
            if (t >= count) {
                decays[t] = 1, weights[t] = 0;
                continue;
            }
            float step = in.a[(row * s.length + from + t) * s.heads + head];
            float decay, weight = 1.0f;
            if (in.rate) {
                step += in.bias ? in.bias[head] : 0.0f;
                weight = s.softplus ? softplus(step) : step;
                decay = expf(weight * in.rate[head]);
            } else {
                decay = sigmoid(-step);
            }
            if (in.resets && in.resets[row * s.length + from + t]) decay = -1.0f;
            decays[t] = decay, weights[t] = weight;
        }
        __syncthreads();
        // Four tokens at a time: their sums over lanes do not wait for each other.
        for (int t = 0; t < count; t += 4) {
            float sums[4];
#pragma unroll
            for (int k = 0; k < 4; k++) {
                float decay = decays[t + k], own = xs[(t + k) * CHANNELS + slot] * weights[t + k];
                if (decay < 0) {
#pragma unroll
                    for (int i = 0; i < OWN; i++) held[i] = 0;
                    decay = 1;
                }
                const float4 *bt = (const float4 *)(bs + (t + k) * wide) + lane;
                const float4 *ct = (const float4 *)(cs + (t + k) * wide) + lane;
                float some[4] = {0, 0, 0, 0};
#pragma unroll
                for (int i = 0; i < OWN / 4; i++) {
                    float4 bi = bt[i * LANES];
                    held[4 * i] = fmaf(held[4 * i], decay, own * bi.x);
                    held[4 * i + 1] = fmaf(held[4 * i + 1], decay, own * bi.y);
                    held[4 * i + 2] = fmaf(held[4 * i + 2], decay, own * bi.z);
                    held[4 * i + 3] = fmaf(held[4 * i + 3], decay, own * bi.w);
                    float4 ci = ct[i * LANES];
                    some[0] = fmaf(held[4 * i], ci.x, some[0]);
                    some[1] = fmaf(held[4 * i + 1], ci.y, some[1]);
                    some[2] = fmaf(held[4 * i + 2], ci.z, some[2]);
                    some[3] = fmaf(held[4 * i + 3], ci.w, some[3]);
                }
                sums[k] = (some[0] + some[1]) + (some[2] + some[3]);
            }
#pragma unroll
            for (int k = 0; k < 4; k++) sums[k] = sum_lanes<LANES>(sums[k]);
            if (lane == 0 && real) {
#pragma unroll
                for (int k = 0; k < 4; k++)
                    if (t + k < count) {
                        float input = xs[(t + k) * CHANNELS + slot];
                        y[((row * s.length + from + t + k) * s.heads + head) * s.width + channel] =
                            in.skip ? fmaf(own_skip, input, sums[k]) : sums[k];
                    }
            }
        }
    }
    if (!real) return;
    for (i64 t = len; t < s.length && lane == 0; t++) y[((row * s.length + t) * s.heads + head) * s.width + channel] = 0;
#pragma unroll
    for (int i = 0; i < OWN; i++) {
        i64 at = (i / 4 * LANES + lane) * 4 + i % 4;
        if (at < s.n) out[at_state + at] = held[i];
    }
}

#define SSD(LANES)                                                                                 \
    extern "C" __global__ __launch_bounds__(256) void ssd_##LANES(                                 \
        SsdIn in, float *y, float *out, Ssd s, Fault *fault) {                                     \
        ssd<LANES>(in, y, out, s, fault);                                                          \
    }
SSD(1) SSD(2) SSD(4) SSD(8) SSD(16) SSD(32)
