// The derivative of the selective scan, over chunks of tokens at once: what every chunk does to a zero
// state and to a zero gradient, the states and gradients between chunks, every chunk with its own, the
// sums of what blocks of channels and chunks found. States are computed again, eight tokens at a time,
// instead of being kept. Limit: instructions, about 60 a token for every number of a state of 16 (sm_90).

struct Inputs {
    const float *u, *delta, *a, *b, *c, *skip, *z, *bias, *state;
    const i32 *lens, *resets;
    const float *dy, *dstate;
};

// A group's channels take `parts` blocks.
struct Shape {
    i64 batch, length, channels, groups, n, softplus, parts, chunk, chunks;
};

// What launches leave to later ones. By thread, two float4 each: the state after every tile as if its
// chunk had begun with zeros, and a chunk's gradient. By place of a channel: the steps from its chunk's
// start to the end of a tile, -INF where a document starts between them.
struct Between {
    float4 *states, *gradients;
    float *steps;
};

// dB and dC of every part, dA of every chunk, the bias's and D's gradient of every chunk.
struct Gradients {
    float *u, *delta, *z, *b, *c, *a, *bias, *skip;
};

// Tokens whose states a block holds.
constexpr int TILE = 8;
constexpr int MOST_WARPS = 4;
constexpr float LOG2_E = 1.44269504f, LN_2 = 0.693147181f;

__device__ inline float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ inline float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// softplus(x) and its slope. log(1 + e) = 2 atanh(e / (2 + e)), a polynomial in the square good to 4e-9 of it
// (interpolated at Chebyshev's points): the library's log1pf takes three times the instructions.
__device__ inline float softplus_and_slope(float x, float &slope) {
    float e = power_of_two(-LOG2_E * fabsf(x)), whole = reciprocal(1.0f + e), s = e * reciprocal(2.0f + e), q = s * s;
    float sum = fmaf(fmaf(fmaf(fmaf(0.281577784f, q, 0.279651577f), q, 0.400245952f), q, 0.666663216f), q, 2.0f);
    slope = x < 0 ? e * whole : whole;
    return fmaf(s, sum, fmaxf(x, 0.0f));
}

// A thread holds four numbers of the states of two neighbouring channels, LANES threads the whole
// states. grid: (parts of groups, batch, chunks); a block keeps to one group, so that its threads share
// B and C and the sums for them.
template <int LANES> struct Place {
    static constexpr int SLOTS = 32 / LANES, CHANNELS = 2 * SLOTS, WIDE = 4 * LANES;
    i64 row, chunk, group, first, channel, end, begin, stop;
    int warp, warps, lane, slot, quad;

    __device__ Place(const Inputs &in, const Shape &s, Fault *fault) {
        warp = threadIdx.x / 32, warps = blockDim.x / 32, lane = threadIdx.x % 32;
        slot = lane / LANES, quad = lane % LANES;
        row = blockIdx.y, chunk = blockIdx.z, group = blockIdx.x / s.parts;
        i64 size = s.channels / s.groups, part = blockIdx.x % s.parts;
        first = group * size + (part * warps + warp) * CHANNELS, end = (group + 1) * size;
        channel = first + 2 * slot;
        i64 len = in.lens ? in.lens[row] : s.length;
        if (len < 0 || len > s.length) {
            report(fault, 3, row, len, s.length);
            len = 0;
        }
        begin = chunk * s.chunk, stop = min(len, begin + s.chunk);
    }

    // Whether channel e of the two has a number i of the four.
    __device__ bool has(const Shape &s, int e, int i) const { return channel + e < end && quad * 4 + i < s.n; }

    // Where the place of the thread's two float4 of some tile or chunk begins.
    __device__ i64 at(i64 which) const { return ((which * gridDim.x + blockIdx.x) * warps + warp) * 64 + lane; }

    // The two channels' place among `which`.
    __device__ i64 pair(i64 which) const {
        return ((which * gridDim.x + blockIdx.x) * warps + warp) * CHANNELS + 2 * slot;
    }

    __device__ i64 chunk_of(const Shape &s) const { return row * s.chunks + chunk; }

    __device__ i64 tile_of(const Shape &s, i64 tile) const { return chunk_of(s) * (s.chunk / TILE) + tile; }

    __device__ void rates(const Inputs &in, const Shape &s, float (&rate)[2][4]) const {
#pragma unroll
        for (int e = 0; e < 2; e++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                rate[e][i] = has(s, e, i) ? in.a[(channel + e) * s.n + quad * 4 + i] * LOG2_E : 0.0f;
    }
};

__device__ inline void unpack(const float4 &from, float (&to)[4]) {
    to[0] = from.x, to[1] = from.y, to[2] = from.z, to[3] = from.w;
}

__device__ inline float4 pack(const float (&from)[4]) { return make_float4(from[0], from[1], from[2], from[3]); }

// A tile in shared memory: B and C of a token, -INF where it starts a document, and of a warp's channels
// the step, u and the gradient of the sum over the state; with FULL also the factors that take the
// gradients of the step and of the gate to those of delta and z. Tokens that are not there change nothing.
// Places within a tile fit 32 bits.
template <int LANES, bool FULL> struct Tile {
    using P = Place<LANES>;
    static constexpr int ROWS = FULL ? 5 : 3, ROW = TILE * P::CHANNELS;
    // Channels whose numbers one thread reads.
    static constexpr int READ = P::CHANNELS > 32 ? 2 : 1;
    float *b, *c, *shift, *step, *u, *d, *slope, *gate;
    float bias[READ];

    __device__ Tile(const P &p, const Inputs &in, float *shared) {
        b = shared, c = b + TILE * P::WIDE, shift = c + TILE * P::WIDE;
        step = shift + TILE + p.warp * ROWS * ROW;
        u = step + ROW, d = u + ROW, slope = d + ROW, gate = slope + ROW;
#pragma unroll
        for (int j = 0; j < READ; j++) {
            i64 channel = p.first + (32 * j + p.lane) % P::CHANNELS;
            bias[j] = in.bias && channel < p.end ? in.bias[channel] : 0.0f;
        }
    }

    __device__ void read(const P &p, const Inputs &in, const Shape &s, i64 from) {
        i64 token = p.row * s.length + from, keys = (token * s.groups + p.group) * s.n;
        i64 base = token * s.channels + p.first;
        int tokens = (int)min(p.stop - from, (i64)TILE), channels = (int)min(p.end - p.first, (i64)P::CHANNELS);
        int numbers = (int)s.n, a_token = (int)(s.groups * s.n), stride = (int)s.channels;
        const float *bs = in.b + keys, *cs = in.c + keys;
        for (int i = threadIdx.x; i < TILE * P::WIDE; i += blockDim.x) {
            int t = (u32)i / P::WIDE, k = (u32)i % P::WIDE;
            bool there = t < tokens && k < numbers;
            b[i] = there ? bs[t * a_token + k] : 0.0f;
            c[i] = there ? cs[t * a_token + k] : 0.0f;
        }
        if (threadIdx.x < TILE)
            shift[threadIdx.x] =
                in.resets && (int)threadIdx.x < tokens && in.resets[token + threadIdx.x] ? -INF : 0.0f;
        const float *deltas = in.delta + base, *us = in.u + base, *dys = in.dy + base, *zs = in.z + base;
        // A thread's first token and channel; others are whole rounds from it.
        int own_t = (u32)p.lane / P::CHANNELS, own_channel = (u32)p.lane % P::CHANNELS;
        i64 own = own_t * stride + own_channel;
        tokens -= own_t, channels -= own_channel;
        deltas += own, us += own, dys += own, zs += own;
        // Reads of up to four numbers an array are on their way at once.
        constexpr int ROUNDS = ROW < 32 ? 1 : ROW / 32, BATCH = ROUNDS < 4 ? ROUNDS : 4;
#pragma unroll 1
        for (int round = 0; round < ROUNDS; round += BATCH) {
            float raw[BATCH], x[BATCH], dy[BATCH], z[BATCH];
            bool there[BATCH];
#pragma unroll
            for (int j = 0; j < BATCH; j++) {
                int t = (round + j) * 32 / P::CHANNELS, channel = (round + j) * 32 % P::CHANNELS;
                int at = t * stride + channel;
                there[j] = t < tokens && channel < channels;
                raw[j] = there[j] ? deltas[at] + bias[j % READ] : 0.0f;
                x[j] = there[j] ? us[at] : 0.0f;
                dy[j] = there[j] ? dys[at] : 0.0f;
                z[j] = there[j] && in.z ? zs[at] : 0.0f;
            }
#pragma unroll
            for (int j = 0; j < BATCH; j++) {
                int i = (round + j) * 32 + p.lane;
                if (i >= ROW) continue;
                float of_step = raw[j], its_slope = 1.0f, of_d = dy[j], its_gate = 0.0f;
                if (s.softplus) {
                    of_step = softplus_and_slope(raw[j], its_slope);
                }
                if (in.z) {
                    float open = reciprocal(1.0f + power_of_two(-LOG2_E * z[j]));
                    of_d *= z[j] * open;
                    its_gate = dy[j] * open * fmaf(z[j], 1.0f - open, 1.0f);
                }
                step[i] = there[j] ? of_step : 0.0f, u[i] = x[j], d[i] = of_d;
                if (FULL) slope[i] = there[j] ? its_slope : 0.0f, gate[i] = its_gate;
            }
        }
    }

    __device__ float2 two(const P &p, const float *row, int t) const {
        return *(const float2 *)(row + t * P::CHANNELS + 2 * p.slot);
    }
};

// What a chunk makes of a zero state, tile by tile, and what the gradient before it gets from its tokens:
// the decays so far times each token's share, so that both go forward.
template <int LANES> __device__ void summaries(Inputs in, Between between, Shape s, Fault *fault) {
    extern __shared__ float4 shared4[];
    Place<LANES> p(in, s, fault);
    Tile<LANES, false> tile(p, in, (float *)shared4);
    float rate[2][4], held[2][4] = {}, so_far[2][4], g[2][4] = {}, total[2] = {0, 0};
    p.rates(in, s, rate);
#pragma unroll
    for (int i = 0; i < 8; i++) so_far[i / 4][i % 4] = 1;
    for (i64 from = p.begin; from < p.begin + s.chunk; from += TILE) {
        __syncthreads();
        tile.read(p, in, s, from);
        __syncthreads();
#pragma unroll 2
        for (int t = 0; t < TILE; t++) {
            float2 steps = tile.two(p, tile.step, t), us = tile.two(p, tile.u, t), ds = tile.two(p, tile.d, t);
            float step[2] = {steps.x, steps.y}, x[2] = {steps.x * us.x, steps.y * us.y}, d[2] = {ds.x, ds.y};
            float b[4], c[4], shift = tile.shift[t];
            unpack(((const float4 *)tile.b)[t * LANES + p.quad], b);
            unpack(((const float4 *)tile.c)[t * LANES + p.quad], c);
#pragma unroll
            for (int e = 0; e < 2; e++) {
                total[e] += step[e] + shift;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    float decay = power_of_two(fmaf(step[e], rate[e][i], shift));
                    held[e][i] = fmaf(held[e][i], decay, x[e] * b[i]);
                    so_far[e][i] *= decay;
                    g[e][i] = fmaf(so_far[e][i], d[e] * c[i], g[e][i]);
                }
            }
        }
        i64 which = p.tile_of(s, (from - p.begin) / TILE), at = p.at(which);
        for (int e = 0; e < 2; e++) between.states[at + 32 * e] = pack(held[e]);
        if (p.quad == 0) *(float2 *)(between.steps + p.pair(which)) = make_float2(total[0], total[1]);
    }
    i64 at = p.at(p.chunk_of(s));
    for (int e = 0; e < 2; e++) between.gradients[at + 32 * e] = pack(g[e]);
}

// Chunks whose numbers are on their way at once.
constexpr int AHEAD = 8;

// From summaries to the states that chunks start from, which take the places of the states after their
// last tiles, and to the gradients that they end with. grid: (parts of groups, batch, the two channels of
// a thread x the two ways).
template <int LANES>
__device__ void between_chunks(Inputs in, Between between, float *dinitial, Shape s, Fault *fault) {
    Place<LANES> p(in, s, fault);
    int e = blockIdx.z % 2;
    bool back = blockIdx.z / 2;
    const float *given = back ? in.dstate : in.state;
    float rates[2][4], rate[4], now[4];
    p.rates(in, s, rates);
    i64 own = (p.row * s.channels + p.channel + e) * s.n + p.quad * 4, tiles = s.chunk / TILE;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        rate[i] = e ? rates[1][i] : rates[0][i];
        now[i] = given && p.has(s, e, i) ? given[own + i] : 0.0f;
    }
    float4 *places = back ? between.gradients : between.states;
    for (i64 from = 0; from < s.chunks; from += AHEAD) {
        float4 ends[AHEAD];
        float totals[AHEAD];
#pragma unroll
        for (int j = 0; j < AHEAD; j++) {
            if (from + j >= s.chunks) continue;
            i64 chunk = p.row * s.chunks + (back ? s.chunks - 1 - from - j : from + j);
            i64 last = chunk * tiles + tiles - 1;
            ends[j] = places[p.at(back ? chunk : last) + 32 * e];
            totals[j] = between.steps[p.pair(last) + e];
        }
#pragma unroll
        for (int j = 0; j < AHEAD; j++) {
            if (from + j >= s.chunks) continue;
            i64 chunk = p.row * s.chunks + (back ? s.chunks - 1 - from - j : from + j);
            i64 last = chunk * tiles + tiles - 1;
            places[p.at(back ? chunk : last) + 32 * e] = pack(now);
            float end[4];
            unpack(ends[j], end);
#pragma unroll
            for (int i = 0; i < 4; i++)
                now[i] = totals[j] == -INF ? end[i] : fmaf(now[i], power_of_two(rate[i] * totals[j]), end[i]);
        }
    }
    if (!back || !dinitial) return;
#pragma unroll
    for (int i = 0; i < 4; i++)
        if (p.has(s, e, i)) dinitial[own + i] = now[i];
}

// Sums over a warp's channels of eight numbers a lane: halves of them go to the lane LANES on until one
// is left or the lanes are through; then a lane's first sum is of number `first_sum`.
template <int LANES> __device__ inline void sum_slots(float (&x)[8], int lane) {
    int count = 8;
#pragma unroll
    for (int step = LANES; step < 32; step *= 2) {
        if (count == 1) {
            x[0] += __shfl_xor_sync(0xffffffff, x[0], step);
            continue;
        }
        count /= 2;
        bool upper = lane & step;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (j >= count) continue;
            float mine = upper ? x[j + count] : x[j], other = upper ? x[j] : x[j + count];
            x[j] = mine + __shfl_xor_sync(0xffffffff, other, step);
        }
    }
}

template <int LANES> __device__ inline int first_sum(int lane) {
    int first = 0, count = 8;
    for (int step = LANES; step < 32 && count > 1; step *= 2) count /= 2, first += lane & step ? count : 0;
    return first;
}

// A chunk's way back, tile by tile. Shared memory holds the state before each token of a tile; when the
// token is through, the warp's sums for B and C take the place.
template <int LANES>
__device__ void back(Inputs in, Between between, Gradients out, Shape s, Fault *fault) {
    using P = Place<LANES>;
    // How many sums for B and C a lane is left with, and how many channels' sums over the state.
    constexpr int SUMS = LANES < 4 ? 1 : LANES / 4, MINE = LANES == 1 ? 2 : 1;
    extern __shared__ float4 shared4[];
    P p(in, s, fault);
    float4 *states = shared4 + p.warp * TILE * 64;
    Tile<LANES, true> tile(p, in, (float *)(shared4 + p.warps * TILE * 64));
    float rate[2][4], g[2][4], da[2][4] = {}, own_skip[MINE], dbias[MINE] = {}, dskip[MINE] = {};
    p.rates(in, s, rate);
    bool upper = LANES > 1 && (p.quad & 1);
    i64 channel = p.channel + upper;
    int first = first_sum<LANES>(p.lane), sums_at = first / 4 * P::WIDE + p.quad * 4 + first % 4;
    bool sums_here = p.lane < 8 * LANES, writes[MINE];
#pragma unroll
    for (int m = 0; m < MINE; m++) writes[m] = p.quad < 2 && channel + m < p.end;
    int own_at = 2 * p.slot + upper, stride = (int)s.channels;
#pragma unroll
    for (int m = 0; m < MINE; m++) own_skip[m] = in.skip && channel + m < p.end ? in.skip[channel + m] : 0.0f;
#pragma unroll
    for (int e = 0; e < 2; e++) unpack(between.gradients[p.at(p.chunk_of(s)) + 32 * e], g[e]);
    i64 tiles = s.chunk / TILE, all = s.batch * s.length * s.groups * s.n;
    i64 part = blockIdx.x % s.parts;
    int numbers = (int)s.n, a_token = (int)(s.groups * s.n);
    for (i64 index = tiles - 1; index >= 0; index--) {
        i64 from = p.begin + index * TILE;
        // Past the row's end there is nothing to write.
        if (from >= s.length) continue;
        // The chunk's start, and what the chunk's tokens before the tile make of zeros.
        float4 start[2], zeros[2];
        float2 totals = make_float2(0, 0);
#pragma unroll
        for (int e = 0; e < 2; e++) {
            start[e] = between.states[p.at(p.tile_of(s, tiles - 1)) + 32 * e];
            zeros[e] = index > 0 ? between.states[p.at(p.tile_of(s, index - 1)) + 32 * e] : make_float4(0, 0, 0, 0);
        }
        if (index > 0) totals = *(const float2 *)(between.steps + p.pair(p.tile_of(s, index - 1)));
        tile.read(p, in, s, from);
        int tokens = (int)min(s.length - from, (i64)TILE);
        i64 token = p.row * s.length + from, base = token * s.channels + channel;
        float *to_u = out.u + base, *to_delta = out.delta + base, *to_z = out.z + base;
        float now[2][4];
#pragma unroll
        for (int e = 0; e < 2; e++) {
            float own[4], total = e ? totals.y : totals.x;
            unpack(start[e], now[e]);
            unpack(zeros[e], own);
#pragma unroll
            for (int i = 0; i < 4; i++)
                now[e][i] = total == -INF ? own[i] : fmaf(now[e][i], power_of_two(rate[e][i] * total), own[i]);
        }
        __syncthreads();
#pragma unroll 2
        for (int t = 0; t < TILE; t++) {
            float2 steps = tile.two(p, tile.step, t), us = tile.two(p, tile.u, t);
            float step[2] = {steps.x, steps.y}, x[2] = {steps.x * us.x, steps.y * us.y};
            float b[4], shift = tile.shift[t];
            unpack(((const float4 *)tile.b)[t * LANES + p.quad], b);
#pragma unroll
            for (int e = 0; e < 2; e++) {
                states[t * 64 + 32 * e + p.lane] = pack(now[e]);
#pragma unroll
                for (int i = 0; i < 4; i++)
                    now[e][i] = fmaf(now[e][i], power_of_two(fmaf(step[e], rate[e][i], shift)), x[e] * b[i]);
            }
        }
#pragma unroll 4
        for (int t = TILE - 1; t >= 0; t--) {
            float2 steps = tile.two(p, tile.step, t), us = tile.two(p, tile.u, t), ds = tile.two(p, tile.d, t);
            float step[2] = {steps.x, steps.y}, u[2] = {us.x, us.y}, d[2] = {ds.x, ds.y};
            float b[4], c[4], shift = tile.shift[t];
            unpack(((const float4 *)tile.b)[t * LANES + p.quad], b);
            unpack(((const float4 *)tile.c)[t * LANES + p.quad], c);
            // For B and C; for y, delta u and the step.
            float sums[8] = {}, own[2][3] = {};
#pragma unroll
            for (int e = 0; e < 2; e++) {
                float before[4], x = step[e] * u[e];
                unpack(states[t * 64 + 32 * e + p.lane], before);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    float through = fmaf(d[e], c[i], g[e][i]);
                    own[e][0] = fmaf(now[e][i], c[i], own[e][0]);
                    own[e][1] = fmaf(through, b[i], own[e][1]);
                    sums[i] = fmaf(through, x, sums[i]);
                    sums[4 + i] = fmaf(now[e][i], d[e], sums[4 + i]);
                    g[e][i] = through * power_of_two(fmaf(step[e], rate[e][i], shift));
                    through = g[e][i] * before[i];
                    own[e][2] = fmaf(through, rate[e][i], own[e][2]);
                    da[e][i] = fmaf(through, step[e], da[e][i]);
                    now[e][i] = before[i];
                }
            }
            sum_slots<LANES>(sums, p.lane);
            __syncwarp();
            if (sums_here) {
#pragma unroll
                for (int j = 0; j < SUMS; j++)
                    ((float *)(states + t * 64))[sums_at + j / 4 * P::WIDE + j % 4] = sums[j];
            }
#pragma unroll
            for (int m = 0; m < MINE; m++) {
                float mine[3];
#pragma unroll
                for (int v = 0; v < 3; v++) {
                    if (LANES == 1) {
                        mine[v] = own[m][v];
                        continue;
                    }
                    float kept = upper ? own[1][v] : own[0][v], other = upper ? own[0][v] : own[1][v];
                    mine[v] = kept + __shfl_xor_sync(0xffffffff, other, 1);
#pragma unroll
                    for (int step = 2; step < LANES; step *= 2)
                        mine[v] += __shfl_xor_sync(0xffffffff, mine[v], step);
                }
                bool second = upper || m > 0;
                float own_step = second ? step[1] : step[0], own_u = second ? u[1] : u[0], own_d = second ? d[1] : d[0];
                int place = t * P::CHANNELS + own_at + m, at = t * stride + m;
                float ddelta = fmaf(mine[2], LN_2, mine[1] * own_u) * tile.slope[place];
                dbias[m] += ddelta;
                dskip[m] = fmaf(own_d, own_u, dskip[m]);
                if (writes[m] && t < tokens) {
                    to_u[at] = fmaf(mine[1], own_step, own_d * own_skip[m]);
                    to_delta[at] = ddelta;
                    if (in.z) to_z[at] = fmaf(own_skip[m], own_u, mine[0]) * tile.gate[place];
                }
            }
        }
        __syncthreads();
        i64 keys = part * all + (token * s.groups + p.group) * s.n;
        float *to_b = out.b + keys, *to_c = out.c + keys;
        for (int i = threadIdx.x; i < tokens * 2 * P::WIDE; i += blockDim.x) {
            int t = (u32)i / (2 * P::WIDE), place = (u32)i % (2 * P::WIDE), k = place % P::WIDE;
            if (k >= numbers) continue;
            const float *of_warp = (const float *)(shared4 + t * 64) + place;
            float sum = 0;
#pragma unroll
            for (int warp = 0; warp < MOST_WARPS; warp++)
                if (warp < p.warps) sum += of_warp[warp * TILE * 256];
            (place < P::WIDE ? to_b : to_c)[t * a_token + k] = sum;
        }
    }
    i64 which = p.chunk_of(s) * s.channels;
#pragma unroll
    for (int e = 0; e < 2; e++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (p.has(s, e, i)) out.a[(which + p.channel + e) * s.n + p.quad * 4 + i] = da[e][i];
    if (p.quad > 1) return;
#pragma unroll
    for (int m = 0; m < MINE; m++)
        if (channel + m < p.end) out.bias[which + channel + m] = dbias[m], out.skip[which + channel + m] = dskip[m];
}

// out [n] = the sums of `parts` [count, n], in order.
struct Sum {
    const float *parts;
    float *out;
    i64 count, n;
};

struct Sums {
    Sum each[5];
};

// grid: (blocks, sums).
extern "C" __global__ void selective_sums(Sums sums) {
    Sum s = sums.each[blockIdx.y];
    EACH(i, s.n) {
        float sum = 0;
#pragma unroll 8
        for (i64 k = 0; k < s.count; k++) sum += s.parts[k * s.n + i];
        s.out[i] = sum;
    }
}

#define SELECTIVE(LANES)                                                                           \
    extern "C" __global__ __launch_bounds__(128) void selective_summaries_##LANES(                 \
        Inputs in, Between between, Shape s, Fault *fault) {                                       \
        summaries<LANES>(in, between, s, fault);                                                   \
    }                                                                                              \
    extern "C" __global__ __launch_bounds__(128) void selective_between_##LANES(                   \
        Inputs in, Between between, float *dinitial, Shape s, Fault *fault) {                      \
        between_chunks<LANES>(in, between, dinitial, s, fault);                                    \
    }                                                                                              \
    extern "C" __global__ __launch_bounds__(128, 5) void selective_back_##LANES(                      \
        Inputs in, Between between, Gradients out, Shape s, Fault *fault) {                        \
        back<LANES>(in, between, out, s, fault);                                                   \
    }
SELECTIVE(1) SELECTIVE(2) SELECTIVE(4) SELECTIVE(8) SELECTIVE(16) SELECTIVE(32)
