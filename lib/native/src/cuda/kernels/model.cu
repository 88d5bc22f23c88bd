// The small kernels between products: norms, rotation, caches, gates. Limit: their tensors, once.

// y = x / sqrt(mean(x^2) + eps) * weight, one block a row; sum = x + residual first where there is one.
extern "C" __global__ void rmsNorm(const float *x, const float *residual, const float *weight, float *sum,
                                   float *y, u64 rows, u64 d, float eps) {
    __shared__ float shared[33];
    for (u64 row = blockIdx.x; row < rows; row += gridDim.x) {
        u64 at = row * d;
        float squares = 0;
        for (u64 i = threadIdx.x; i < d; i += blockDim.x) {
            float v = x[at + i];
            if (residual) {
                v += residual[at + i];
                sum[at + i] = v;
            }
            squares += v * v;
        }
        float scale = 1.0f / sqrtf(sum_block(squares, shared) / (float)d + eps);
        const float *from = residual ? sum : x;
        for (u64 i = threadIdx.x; i < d; i += blockDim.x) y[at + i] = from[at + i] * scale * weight[i];
    }
}

// x [b, l, h, d] turned by table [positions, d / 2, 2] at starts + t; the other way where sign is -1.
extern "C" __global__ void rotary(const float *x, const float *table, const i32 *starts, const i32 *lens,
                                  float *y, u64 count, u64 length, u64 heads, u64 d, i64 positions,
                                  i32 interleaved, float sign, Fault *fault) {
    u64 half = d / 2;
    EACH(i, count) {
        u64 pair = i % half, token = i / half / heads, row = token / length, t = token % length;
        u64 at = i / half * d;
        u64 first = interleaved ? at + 2 * pair : at + pair, second = interleaved ? first + 1 : first + half;
        float a = x[first], b = x[second];
        i64 len = lens[row], start = starts[row];
        if (len < 0 || len > length) report(fault, 3, row, len, length);
        if (t < len) {
            if (start < 0 || start + len > positions) {
                report(fault, 4, row, start + len - 1, positions);
                continue;
            }
            const float *angle = table + ((start + t) * half + pair) * 2;
            float c = angle[0], s = sign * angle[1];
            y[first] = a * c - b * s;
            y[second] = b * c + a * s;
        } else {
            y[first] = a;
            y[second] = b;
        }
    }
}

__device__ inline u16 stored(u16 x) { return x; }
__device__ inline u16 stored(float x) { return to_bf16(x); }

template <typename T>
__device__ void write_tokens(const T *src, const i32 *starts, const i32 *lens, u16 *cache, u64 count, u64 length,
                             u64 words, i64 capacity, Fault *fault) {
    EACH(i, count) {
        u64 token = i / words, row = token / length;
        i64 t = token % length, len = lens[row], start = starts[row];
        if (len < 0 || len > length) report(fault, 3, row, len, length);
        if (t >= len) continue;
        if (start < 0 || start + len > capacity) {
            report(fault, 4, row, start + len - 1, capacity);
            continue;
        }
        cache[(row * capacity + start + t) * words + i % words] = stored(src[i]);
    }
}

// src [b, l, token] into cache [b, capacity, token] at starts; tokens of `words` 16-bit words.
extern "C" __global__ void cacheWrite(const u16 *src, const i32 *starts, const i32 *lens, u16 *cache, u64 count,
                                      u64 length, u64 words, i64 capacity, Fault *fault) {
    write_tokens(src, starts, lens, cache, count, length, words, capacity, fault);
}

// As cacheWrite, of floats into a bfloat16 cache: rounded to nearest even. Tokens of `words` numbers.
extern "C" __global__ void cacheWriteBf16(const float *src, const i32 *starts, const i32 *lens, u16 *cache,
                                          u64 count, u64 length, u64 words, i64 capacity, Fault *fault) {
    write_tokens(src, starts, lens, cache, count, length, words, capacity, fault);
}

// Row i of dst becomes row rows[i] of src over the positions that both hold; sizes in 16-bit words.
extern "C" __global__ void cacheGather(const u16 *src, const i32 *rows, u16 *dst, u64 count, u64 both,
                                       u64 from_row, u64 to_row, i64 n, Fault *fault) {
    EACH(i, count) {
        u64 to = i / both, at = i % both;
        i64 row = rows[to];
        if (row < 0 || row >= n) {
            report(fault, 8, to, row, n);
            continue;
        }
        dst[to * to_row + at] = src[row * from_row + at];
    }
}

// The last of each row's `width` positions moves on by its length.
extern "C" __global__ void addPositions(i32 *positions, const i32 *lens, u64 rows, u64 width) {
    EACH(row, rows) positions[row * width + width - 1] += lens[row];
}

extern "C" __global__ void swiGlu(const float *gate, const float *up, float *y, u64 n) {
    EACH(i, n) y[i] = silu(gate[i]) * up[i];
}

// y = activation(y + bias), by tfjs' codes: linear, relu, relu6, elu, sigmoid, leakyrelu.
extern "C" __global__ void activate(float *y, const float *bias, u64 count, u64 n, i32 code, float alpha) {
    EACH(i, count) {
        float v = y[i];
        if (bias) v += bias[i % n];
        if (code == 1) v = v < 0 ? 0.0f : v;
        if (code == 2) v = v < 0 ? 0.0f : v > 6 ? 6.0f : v;
        if (code == 3) v = v < 0 ? expm1f(v) : v;
        if (code == 4) v = sigmoid(v);
        if (code == 5) v = v < 0 ? v * alpha : v;
        y[i] = v;
    }
}
