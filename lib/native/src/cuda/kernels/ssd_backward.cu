// The derivative of Mamba-2's recurrence in the chunked form (Dao and Gu 2024, section 6): within a chunk
// everything is small products in shared memory, between chunks the state and its gradient pass. A block
// takes a head of a row. Limit: the chunks' products, by float32 arithmetic.

struct Ssd {
    i64 batch, length, heads, width, groups, n, softplus, chunk;
};

struct In {
    const float *x, *a, *b, *c, *rate, *bias, *skip, *state;
    const i32 *lens, *resets;
    const float *dy, *dstate;
};

struct Out {
    float *dx, *da;
    // Of every head: [b, l, h, n], and [b, h, 3] of A, the bias and D.
    float *db, *dc, *scalars, *dinitial;
    // The states before every chunk, [b, h, chunks, p, n], and the gradient of the state, [b, h, p, n].
    float *starts, *g;
};

// A chunk's inputs in shared memory.
struct Chunk {
    float *x, *dy, *b, *c, *k, *l, *gk, *decay, *weight, *through, *dlog;
    int count;
};

__device__ inline Chunk room(const Ssd &s, float *shared) {
    int q = (int)s.chunk, p = (int)s.width, n = (int)s.n;
    Chunk c;
    c.x = shared, c.dy = c.x + q * p, c.b = c.dy + q * p, c.c = c.b + q * n;
    c.k = c.c + q * n, c.l = c.k + q * q, c.gk = c.l + q * q;
    c.decay = c.gk + q * q, c.weight = c.decay + q, c.through = c.weight + q, c.dlog = c.through + q;
    c.count = 0;
    return c;
}

// Reads a chunk: x with its weights, decays (0 where a document starts) and their running products.
__device__ void read(const Ssd &s, const In &in, Chunk &c, i64 row, i64 head, i64 from, int count, bool back) {
    i64 group = head * s.groups / s.heads;
    int p = (int)s.width, n = (int)s.n;
    c.count = count;
    __syncthreads();
    for (int t = threadIdx.x; t < count; t += blockDim.x) {
        i64 token = row * s.length + from + t;
        float step = in.a[token * s.heads + head], weight = 1.0f, decay;
        if (in.rate) {
            step += in.bias ? in.bias[head] : 0.0f;
            weight = s.softplus ? softplus(step) : step;
            decay = expf(weight * in.rate[head]);
        } else {
            decay = sigmoid(-step);
        }
        c.decay[t] = in.resets && in.resets[token] ? 0.0f : decay;
        c.weight[t] = weight;
    }
    for (int i = threadIdx.x; i < count * n; i += blockDim.x) {
        i64 at = ((row * s.length + from + i / n) * s.groups + group) * s.n + i % n;
        c.b[i] = in.b[at];
        if (back) c.c[i] = in.c[at];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count * p; i += blockDim.x) {
        i64 at = ((row * s.length + from + i / p) * s.heads + head) * s.width + i % p;
        c.x[i] = in.x[at] * c.weight[i / p];
        if (back) c.dy[i] = in.dy[at];
    }
    // Column j: the decays from j to each later token.
    for (int j = threadIdx.x; j < count; j += blockDim.x) {
        float product = 1.0f;
        for (int i = 0; i < count; i++) {
            if (i > j) product *= c.decay[i];
            c.l[i * count + j] = i < j ? 0.0f : product;
        }
        product = 1.0f;
        for (int i = 0; i <= j; i++) product *= c.decay[i];
        c.through[j] = product;
    }
    __syncthreads();
}

__device__ inline i64 length_of(const Ssd &s, const i32 *lens, i64 row, Fault *fault) {
    i64 len = lens ? lens[row] : s.length;
    if (len >= 0 && len <= s.length) return len;
    report(fault, 3, row, len, s.length);
    return 0;
}

// grid: (heads, batch).
extern "C" __global__ __launch_bounds__(256) void ssdBackward(In in, Out out, Ssd s, Fault *fault) {
    extern __shared__ float shared[];
    __shared__ float sums[33];
    i64 head = blockIdx.x, row = blockIdx.y, unit = row * s.heads + head;
    int p = (int)s.width, n = (int)s.n, size = p * n;
    i64 len = length_of(s, in.lens, row, fault), chunks = (s.length + s.chunk - 1) / s.chunk;
    Chunk c = room(s, shared);
    float *starts = out.starts + unit * chunks * size, *g = out.g + unit * size;
    i64 used = (len + s.chunk - 1) / s.chunk;
    for (int i = threadIdx.x; i < size; i += blockDim.x) {
        g[i] = in.dstate[unit * size + i];
        if (chunks > 0) starts[i] = in.state ? in.state[unit * size + i] : 0.0f;
    }
    for (i64 k = 0; k + 1 < used; k++) {
        read(s, in, c, row, head, k * s.chunk, (int)s.chunk, false);
        const float *from = starts + k * size, *last = c.l + (c.count - 1) * c.count;
        for (int i = threadIdx.x; i < size; i += blockDim.x) {
            int channel = i / n, key = i % n;
            float sum = from[i] * c.through[c.count - 1];
            for (int j = 0; j < c.count; j++) sum += last[j] * c.x[j * p + channel] * c.b[j * n + key];
            starts[(k + 1) * size + i] = sum;
        }
    }
    for (i64 t = len; t < s.length; t++) {
        i64 token = (row * s.length + t) * s.heads + head;
        for (int i = threadIdx.x; i < p; i += blockDim.x) out.dx[token * p + i] = 0;
        for (int i = threadIdx.x; i < n; i += blockDim.x) out.db[token * n + i] = 0, out.dc[token * n + i] = 0;
        if (threadIdx.x == 0) out.da[token] = 0;
    }
    float drate = 0, dbias = 0, dskip = 0, own_skip = in.skip ? in.skip[head] : 0.0f;
    for (i64 k = used - 1; k >= 0; k--) {
        i64 from = k * s.chunk;
        int q = (int)min(s.chunk, len - from);
        read(s, in, c, row, head, from, q, true);
        const float *start = starts + k * size, *last = c.l + (q - 1) * q;
        // K = C B^T, and dK = (dy x^T) L; of both times L what each decay gets.
        for (int i = threadIdx.x; i < q * q; i += blockDim.x) {
            int t = i / q, j = i % q;
            float key = 0, value = 0;
            if (j <= t) {
                for (int m = 0; m < n; m++) key += c.c[t * n + m] * c.b[j * n + m];
                for (int m = 0; m < p; m++) value += c.dy[t * p + m] * c.x[j * p + m];
            }
            c.k[i] = key;
            c.gk[i] = value * c.l[i];
        }
        __syncthreads();
        for (int r = threadIdx.x; r < q; r += blockDim.x) {
            float sum = 0;
            for (int t = r; t < q; t++)
                for (int j = 0; j < r; j++) sum += c.gk[t * q + j] * c.k[t * q + j];
            c.dlog[r] = sum;
        }
        __syncthreads();
        // dC, dB: a warp a token, so that what passes through the states is summed for the decays too.
        int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
        for (int t = warp; t < q; t += warps) {
            i64 token = (row * s.length + from + t) * s.heads + head;
            float through_c = 0, through_x = 0;
            for (int m = lane; m < n; m += 32) {
                float direct = 0, passed = 0;
                for (int j = 0; j <= t; j++) direct += c.gk[t * q + j] * c.b[j * n + m];
                for (int i = 0; i < p; i++) passed += c.dy[t * p + i] * start[i * n + m];
                passed *= c.through[t];
                out.dc[token * n + m] = direct + passed;
                through_c += passed * c.c[t * n + m];
                direct = 0, passed = 0;
                for (int i = t; i < q; i++) direct += c.gk[i * q + t] * c.c[i * n + m];
                for (int i = 0; i < p; i++) passed += c.x[t * p + i] * g[i * n + m];
                passed *= last[t];
                out.db[token * n + m] = direct + passed;
                through_x += passed * c.b[t * n + m];
            }
            through_c = sum_lanes<32>(through_c);
            through_x = sum_lanes<32>(through_x);
            // In the places of what was used up: the chunk's decays are running products by now.
            if (lane == 0) c.decay[t] = c.decay[t] == 0 ? -1.0f : 1.0f, c.k[t] = through_c, c.k[q + t] = through_x;
            __syncwarp();
        }
        __syncthreads();
        // K is needed once more for dx: made again from C and B below, since its place holds the sums above.
        float whole = 0;
        for (int i = threadIdx.x; i < size; i += blockDim.x) whole += g[i] * start[i];
        whole = sum_block(whole, sums) * c.through[q - 1];
        for (int r = threadIdx.x; r < q; r += blockDim.x) {
            float sum = c.dlog[r] + whole;
            for (int t = r; t < q; t++) sum += c.k[t];
            for (int j = 0; j < r; j++) sum += c.k[q + j];
            c.dlog[r] = c.decay[r] < 0 ? 0.0f : sum;
        }
        __syncthreads();
        for (int i = threadIdx.x; i < q * q; i += blockDim.x) {
            int t = i / q, j = i % q;
            float key = 0;
            if (j <= t)
                for (int m = 0; m < n; m++) key += c.c[t * n + m] * c.b[j * n + m];
            c.k[i] = key * c.l[i];
        }
        __syncthreads();
        for (int t = warp; t < q; t += warps) {
            i64 token = (row * s.length + from + t) * s.heads + head;
            float weight = c.weight[t], dweight = 0, skip = 0;
            for (int i = lane; i < p; i += 32) {
                float direct = 0, passed = 0;
                for (int r = t; r < q; r++) direct += c.k[r * q + t] * c.dy[r * p + i];
                for (int m = 0; m < n; m++) passed += g[i * n + m] * c.b[t * n + m];
                float dx = direct + last[t] * passed, raw = in.x[token * p + i];
                dweight += dx * raw;
                skip += c.dy[t * p + i] * raw;
                out.dx[token * p + i] = weight * dx + own_skip * c.dy[t * p + i];
            }
            dweight = sum_lanes<32>(dweight);
            skip = sum_lanes<32>(skip);
            if (lane == 0) {
                float a = in.a[token], dlog = c.dlog[t], da;
                if (in.rate) {
                    float step = a + (in.bias ? in.bias[head] : 0.0f);
                    da = dweight + in.rate[head] * dlog;
                    if (s.softplus) da *= sigmoid(step);
                    // Summed by one thread in the order of tokens.
                    c.decay[t] = weight * dlog;
                } else {
                    da = -sigmoid(a) * dlog;
                    c.decay[t] = 0;
                }
                out.da[token] = da;
                c.dlog[t] = da;
                c.weight[t] = skip;
            }
        }
        __syncthreads();
        if (threadIdx.x == 0)
            for (int t = q - 1; t >= 0; t--) drate += c.decay[t], dbias += c.dlog[t], dskip += c.weight[t];
        // The gradient of the state before the chunk takes the place of that after it.
        for (int i = threadIdx.x; i < size; i += blockDim.x) {
            int channel = i / n, key = i % n;
            float sum = g[i] * c.through[q - 1];
            for (int t = 0; t < q; t++) sum += c.through[t] * c.dy[t * p + channel] * c.c[t * n + key];
            g[i] = sum;
        }
        __syncthreads();
    }
    for (int i = threadIdx.x; i < size; i += blockDim.x)
        if (out.dinitial) out.dinitial[unit * size + i] = g[i];
    if (threadIdx.x == 0) {
        out.scalars[unit * 3] = drate;
        out.scalars[unit * 3 + 1] = dbias;
        out.scalars[unit * 3 + 2] = dskip;
    }
}
