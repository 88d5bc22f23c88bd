// Derivatives of the short convolution and of the selective scan. The scan's states after every token are
// kept for its way back. Limit: inputs, outputs, gradients and those states, moved a few times.

struct Conv {
    i64 batch, length, channels, width, silu;
};

__device__ inline i64 length_of(const i32 *lens, i64 row, i64 length, Fault *fault) {
    i64 len = lens ? lens[row] : length;
    if (len >= 0 && len <= length) return len;
    report(fault, 3, row, len, length);
    return 0;
}

// Gradients of `piece` tokens of a channel, and their sums for weights and bias: parts [pieces of all
// rows][W + 1][channels]. A thread goes along the tokens with the last W inputs, and with the gradients of
// the last W tokens, to which later ones still add; the first piece has the state before the row too.
// grid: (channels, pieces, rows).
template <int W>
__device__ void conv_gradients(const float *x, const float *weight, const float *bias, const float *state,
                               const i32 *lens, const i32 *resets, const float *dy, const float *dstate, float *dx,
                               float *dinitial, float *parts, Conv s, i32 piece, Fault *fault) {
    i32 c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= s.channels) return;
    i64 row = blockIdx.z;
    i32 length = s.length, len = length_of(lens, row, s.length, fault);
    i32 from = blockIdx.y * piece, to = min(from + piece, length);
    x += row * s.length * s.channels + c, dy += row * s.length * s.channels + c;
    dx += row * s.length * s.channels + c;
    if (resets) resets += row * s.length;
    i64 kept = row * (W - 1) * s.channels + c;
    float w[W], inputs[W], due[W], sums[W + 1], b = bias ? bias[c] : 0.0f;
#pragma unroll
    for (int j = 0; j < W; j++) w[j] = weight[c * W + j], inputs[j] = due[j] = sums[j] = 0;
    sums[W] = 0;
    // The inputs before the piece that its own document or the state has.
#pragma unroll
    for (int j = 1; j < W; j++) {
        i32 t = from - W + j;
        if (t >= 0 && resets && resets[t])
            for (int i = 1; i < j; i++) inputs[i] = 0;
        if (t >= 0)
            inputs[j] = x[t * s.channels];
        else if (state)
            inputs[j] = state[kept + (t + W - 1) * s.channels];
    }
    i32 first = from - W;
#pragma unroll 4
    for (i32 t = from; t < to + W - 1; t++) {
#pragma unroll
        for (int j = 1; j < W; j++) inputs[j - 1] = inputs[j], due[j - 1] = due[j];
        due[W - 1] = 0;
        if (t < len) {
            inputs[W - 1] = x[t * s.channels];
            float d = dy[t * s.channels];
            if (resets && resets[t]) {
                first = t;
#pragma unroll
                for (int j = 0; j < W - 1; j++) inputs[j] = 0;
            }
            if (s.silu) {
                float sum = b;
#pragma unroll
                for (int j = 0; j < W; j++) sum += w[j] * inputs[j];
                float g = sigmoid(sum);
                d *= g * (1.0f + sum * (1.0f - g));
            }
#pragma unroll
            for (int j = 0; j < W; j++) {
                if (t - (W - 1 - j) >= first) due[j] += w[j] * d;
                if (t < to) sums[j] += d * inputs[j];
            }
            if (t < to) sums[W] += d;
        }
        // No later token adds to this one, but the state after the row may have kept it.
        i32 whole = t - (W - 1), place = whole - (len - (W - 1));
        if (whole < (from > 0 ? from : 1 - W)) continue;
        float d = whole < len ? due[0] : 0.0f;
        if (whole < len && place >= 0 && whole >= first) d += dstate[kept + place * s.channels];
        if (whole >= 0)
            dx[whole * s.channels] = d;
        else if (dinitial)
            dinitial[kept + (whole + W - 1) * s.channels] = d;
    }
    parts += (row * gridDim.y + blockIdx.y) * (W + 1) * s.channels + c;
#pragma unroll
    for (int j = 0; j <= W; j++) parts[j * s.channels] = sums[j];
}

#define CONV(W)                                                                                    \
    extern "C" __global__ void conv_gradients_##W(                                                 \
        const float *x, const float *weight, const float *bias, const float *state,                \
        const i32 *lens, const i32 *resets, const float *dy, const float *dstate, float *dx,       \
        float *dinitial, float *parts, Conv s, i32 piece, Fault *fault) {                          \
        conv_gradients<W>(x, weight, bias, state, lens, resets, dy, dstate, dx, dinitial, parts,   \
                          s, piece, fault);                                                        \
    }
CONV(2) CONV(3) CONV(4)

extern "C" __global__ void conv_sums(const float *parts, float *dweight, float *dbias, u64 pieces, u64 channels,
                                     u64 width) {
    EACH(i, channels *(width + 1)) {
        u64 c = i % channels, j = i / channels;
        float sum = 0;
#pragma unroll 8
        for (u64 p = 0; p < pieces; p++) sum += parts[(p * (width + 1) + j) * channels + c];
        if (j < width)
            dweight[c * width + j] = sum;
        else if (dbias)
            dbias[c] = sum;
    }
}

struct Selective {
    i64 batch, length, channels, groups, n, softplus;
};

// Numbers of a channel's state that one lane holds.
constexpr int OWN = 4;

// A lane's place: 128 / LANES channels of a row in a block.
template <int LANES> struct Place {
    i64 row, channel, group;
    int lane;
    bool real;
    __device__ Place(const Selective &s) {
        row = blockIdx.y;
        lane = threadIdx.x % LANES;
        channel = blockIdx.x * (i64)(128 / LANES) + threadIdx.x / LANES;
        real = channel < s.channels;
        if (!real) channel = s.channels - 1;
        group = channel / (s.channels / s.groups);
    }
};

// The states after every token: kept [b, l, channels, n].
template <int LANES>
__device__ void states(const float *u, const float *delta, const float *a, const float *b, const float *bias,
                       const float *state, const i32 *lens, const i32 *resets, float *kept, Selective s,
                       Fault *fault) {
    Place<LANES> p(s);
    float rate[OWN], held[OWN];
    for (int i = 0; i < OWN; i++) {
        i64 at = p.lane * OWN + i;
        rate[i] = at < s.n ? a[p.channel * s.n + at] : 0.0f;
        held[i] = at < s.n && state ? state[(p.row * s.channels + p.channel) * s.n + at] : 0.0f;
    }
    i64 len = length_of(lens, p.row, s.length, fault);
    float own = bias ? bias[p.channel] : 0.0f;
    for (i64 t = 0; t < len; t++) {
        i64 token = p.row * s.length + t, at = token * s.channels + p.channel;
        float step = delta[at] + own;
        if (s.softplus) step = softplus(step);
        float x = step * u[at];
        bool fresh = resets && resets[token];
        for (int i = 0; i < OWN; i++) {
            i64 k = p.lane * OWN + i;
            if (k >= s.n) continue;
            float before = fresh ? 0.0f : held[i];
            held[i] = fmaf(before, expf(step * rate[i]), x * b[(token * s.groups + p.group) * s.n + k]);
            if (p.real) kept[at * s.n + k] = held[i];
        }
    }
}

struct Out {
    float *du, *ddelta, *dz, *dinitial;
    // Of every channel: [b, l, channels, n], [b, channels, n], [2, b, channels].
    float *db, *da, *own;
};

// The way back. The states' places take the channels' shares of C's gradient.
template <int LANES>
__device__ void back(const float *u, const float *delta, const float *a, const float *b, const float *c,
                     const float *skip, const float *z, const float *bias, const float *state, const i32 *lens,
                     const i32 *resets, const float *dy, const float *dstate, float *kept, Out out, Selective s,
                     Fault *fault) {
    Place<LANES> p(s);
    float rate[OWN], g[OWN], da[OWN], next[OWN];
    i64 len = length_of(lens, p.row, s.length, fault), first = (p.row * s.channels + p.channel) * s.n;
    for (int i = 0; i < OWN; i++) {
        i64 k = p.lane * OWN + i;
        rate[i] = k < s.n ? a[p.channel * s.n + k] : 0.0f;
        g[i] = k < s.n ? dstate[first + k] : 0.0f;
        da[i] = 0;
        next[i] = len > 0 && k < s.n ? kept[((p.row * s.length + len - 1) * s.channels + p.channel) * s.n + k] : 0.0f;
    }
    float own_bias = bias ? bias[p.channel] : 0.0f, own_skip = skip ? skip[p.channel] : 0.0f;
    float dbias = 0, dskip = 0;
    for (i64 t = s.length - 1; t >= len; t--) {
        i64 at = (p.row * s.length + t) * s.channels + p.channel;
        if (!p.real) continue;
        if (p.lane == 0) {
            out.du[at] = 0;
            out.ddelta[at] = 0;
            if (out.dz) out.dz[at] = 0;
        }
        for (int i = 0; i < OWN; i++) {
            i64 k = p.lane * OWN + i;
            if (k < s.n) kept[at * s.n + k] = 0, out.db[at * s.n + k] = 0;
        }
    }
    for (i64 t = len - 1; t >= 0; t--) {
        i64 token = p.row * s.length + t, at = token * s.channels + p.channel;
        i64 keys = (token * s.groups + p.group) * s.n;
        float raw = delta[at] + own_bias, step = s.softplus ? softplus(raw) : raw;
        float in = u[at], x = step * in, d = dy[at];
        bool fresh = resets && resets[token];
        float now[OWN], before[OWN];
        float y = 0;
        for (int i = 0; i < OWN; i++) {
            i64 k = p.lane * OWN + i;
            now[i] = next[i];
            before[i] = 0;
            if (k < s.n && !fresh) {
                if (t > 0)
                    before[i] = kept[(at - s.channels) * s.n + k];
                else if (state)
                    before[i] = state[first + k];
            }
            // The state before a document's first token is another document's, and yet to be gone through.
            next[i] = fresh && t > 0 && k < s.n ? kept[(at - s.channels) * s.n + k] : before[i];
            if (k < s.n) y = fmaf(now[i], c[keys + k], y);
        }
        if (z) {
            y = sum_lanes<LANES>(y) + own_skip * in;
            float gate = z[at], open = sigmoid(gate);
            if (p.lane == 0 && p.real) out.dz[at] = d * y * open * (1.0f + gate * (1.0f - open));
            d *= gate * open;
        }
        float dx = 0, dstep = 0;
        for (int i = 0; i < OWN; i++) {
            i64 k = p.lane * OWN + i;
            if (k >= s.n) continue;
            g[i] = fmaf(d, c[keys + k], g[i]);
            float decay = expf(step * rate[i]), through = g[i] * before[i] * decay;
            dx = fmaf(g[i], b[keys + k], dx);
            dstep = fmaf(through, rate[i], dstep);
            da[i] = fmaf(through, step, da[i]);
            if (p.real) {
                out.db[at * s.n + k] = g[i] * x;
                kept[at * s.n + k] = d * now[i];
            }
            g[i] = fresh ? 0.0f : g[i] * decay;
        }
        dx = sum_lanes<LANES>(dx);
        dstep = sum_lanes<LANES>(dstep) + dx * in;
        if (s.softplus) dstep *= sigmoid(raw);
        dbias += dstep;
        dskip += d * in;
        if (p.lane == 0 && p.real) {
            out.du[at] = dx * step + d * own_skip;
            out.ddelta[at] = dstep;
        }
    }
    if (!p.real) return;
    for (int i = 0; i < OWN; i++) {
        i64 k = p.lane * OWN + i;
        if (k >= s.n) continue;
        out.da[first + k] = da[i];
        if (out.dinitial) out.dinitial[first + k] = g[i];
    }
    if (p.lane == 0) {
        out.own[p.row * s.channels + p.channel] = dbias;
        out.own[(s.batch + p.row) * s.channels + p.channel] = dskip;
    }
}

#define SELECTIVE(LANES)                                                                           \
    extern "C" __global__ __launch_bounds__(128) void states_##LANES(                              \
        const float *u, const float *delta, const float *a, const float *b, const float *bias,     \
        const float *state, const i32 *lens, const i32 *resets, float *kept, Selective s,          \
        Fault *fault) {                                                                            \
        states<LANES>(u, delta, a, b, bias, state, lens, resets, kept, s, fault);                  \
    }                                                                                              \
    extern "C" __global__ __launch_bounds__(128) void back_##LANES(                                \
        const float *u, const float *delta, const float *a, const float *b, const float *c,        \
        const float *skip, const float *z, const float *bias, const float *state, const i32 *lens, \
        const i32 *resets, const float *dy, const float *dstate, float *kept, Out out,             \
        Selective s, Fault *fault) {                                                               \
        back<LANES>(u, delta, a, b, c, skip, z, bias, state, lens, resets, dy, dstate, kept, out,  \
                    s, fault);                                                                     \
    }
SELECTIVE(1) SELECTIVE(2) SELECTIVE(4) SELECTIVE(8) SELECTIVE(16) SELECTIVE(32)
