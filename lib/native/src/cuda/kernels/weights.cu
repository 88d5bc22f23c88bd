// Stored weights as floats: whole tables, rows by id, and the way back for plain floats.
// Limit: the stored bytes read and the floats written, once.

#define DEQUANTIZE(F)                                                                              \
    extern "C" __global__ void dequantize_##F(const u8 *w, float *y, u64 rows, u64 k, u64 bytes) { \
        u64 units = (k + 7) / 8;                                                                   \
        EACH(at, rows *units) {                                                                    \
            u64 row = at / units, i = at % units * 8;                                              \
            float v[8];                                                                            \
            F::load(w + row * bytes, i, k, v);                                                     \
            for (int j = 0; j < 8 && i + j < k; j++) y[row * k + i + j] = v[j];                    \
        }                                                                                          \
    }                                                                                              \
    extern "C" __global__ void dequantizeBf16_##F(const u8 *w, u16 *y, u64 rows, u64 k,            \
                                                  u64 bytes) {                                     \
        u64 units = (k + 7) / 8;                                                                   \
        EACH(at, rows *units) {                                                                    \
            u64 row = at / units, i = at % units * 8;                                              \
            float v[8];                                                                            \
            F::load(w + row * bytes, i, k, v);                                                     \
            for (int j = 0; j < 8 && i + j < k; j++) y[row * k + i + j] = to_bf16(v[j]);           \
        }                                                                                          \
    }                                                                                              \
    extern "C" __global__ void embedding_##F(const u8 *table, const i32 *ids, float *y, u64 count, \
                                             u64 k, u64 bytes, u64 rows, Fault *fault) {           \
        u64 units = (k + 7) / 8;                                                                   \
        EACH(at, count *units) {                                                                   \
            u64 n = at / units, i = at % units * 8;                                                \
            i64 id = ids[n];                                                                       \
            if (id < 0 || id >= rows) {                                                            \
                report(fault, 1, n, id, rows);                                                     \
                continue;                                                                          \
            }                                                                                      \
            float v[8];                                                                            \
            F::load(table + id * bytes, i, k, v);                                                  \
            for (int j = 0; j < 8 && i + j < k; j++) y[n * k + i + j] = v[j];                      \
        }                                                                                          \
    }
EACH_FORMAT(DEQUANTIZE)

extern "C" __global__ void convert_BF16(const float *x, u16 *y, u64 n) {
    u64 whole = (((u64)x | (u64)y) & 15) == 0 ? n / 8 : 0;
    EACH(i, whole) {
        float4 a = ((const float4 *)x)[2 * i], b = ((const float4 *)x)[2 * i + 1];
        float v[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
        u32 pairs[4];
#pragma unroll
        for (int j = 0; j < 4; j++) pairs[j] = (u32)to_bf16(v[2 * j]) | (u32)to_bf16(v[2 * j + 1]) << 16;
        ((uint4 *)y)[i] = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
    }
    EACH(i, n - 8 * whole) y[8 * whole + i] = to_bf16(x[8 * whole + i]);
}
extern "C" __global__ void convert_F16(const float *x, u16 *y, u64 n) { EACH(i, n) y[i] = to_f16(x[i]); }

// The first number of a group of 32 that cannot be quantised, if any.
__device__ inline bool finite(const float *x, u64 group, Fault *fault) {
    for (int i = 0; i < 32; i++)
        if (!isfinite(x[i])) {
            report(fault, 10, group * 32 + i, __float_as_int(x[i]), 0);
            return false;
        }
    return true;
}

// A scale as it is stored; values beyond float16 saturate.
__device__ inline u16 stored(float d) { return to_f16(fminf(fmaxf(d, -65504.0f), 65504.0f)); }
__device__ inline float inverse_of(u16 d) { return from_f16(d) == 0 ? 0.0f : 1.0f / from_f16(d); }
__device__ inline u8 code(float x) { return (u8)fminf(fmaxf(roundf(x), 0.0f), 15.0f); }

extern "C" __global__ void convert_Q8_0(const float *xs, u8 *ys, u64 groups, Fault *fault) {
    EACH(g, groups) {
        const float *x = xs + g * 32;
        u8 *y = ys + g * 34;
        if (!finite(x, g, fault)) continue;
        float most = 0;
        for (int i = 0; i < 32; i++) most = fmaxf(most, fabsf(x[i]));
        u16 d = stored(most / 127.0f);
        *(u16 *)y = d;
        float by = inverse_of(d);
        for (int i = 0; i < 32; i++) y[2 + i] = (u8)(i8)fminf(fmaxf(roundf(x[i] * by), -127.0f), 127.0f);
    }
}

extern "C" __global__ void convert_Q4_0(const float *xs, u8 *ys, u64 groups, Fault *fault) {
    EACH(g, groups) {
        const float *x = xs + g * 32;
        u8 *y = ys + g * 18;
        if (!finite(x, g, fault)) continue;
        float far = 0;
        for (int i = 0; i < 32; i++)
            if (fabsf(x[i]) > fabsf(far)) far = x[i];
        u16 d = stored(far / -8.0f);
        *(u16 *)y = d;
        float by = inverse_of(d);
        for (int i = 0; i < 16; i++)
            y[2 + i] = code(__fadd_rn(__fmul_rn(x[i], by), 8.0f)) | code(__fadd_rn(__fmul_rn(x[i + 16], by), 8.0f)) << 4;
    }
}

extern "C" __global__ void convert_Q4_1(const float *xs, u8 *ys, u64 groups, Fault *fault) {
    EACH(g, groups) {
        const float *x = xs + g * 32;
        u8 *y = ys + g * 20;
        if (!finite(x, g, fault)) continue;
        float low = x[0], high = x[0];
        for (int i = 1; i < 32; i++) low = fminf(low, x[i]), high = fmaxf(high, x[i]);
        u16 d = stored((high - low) / 15.0f), offset = stored(low);
        *(u16 *)y = d;
        *(u16 *)(y + 2) = offset;
        float by = inverse_of(d), from = from_f16(offset);
        for (int i = 0; i < 16; i++)
            y[4 + i] = code((x[i] - from) * by) | code((x[i + 16] - from) * by) << 4;
    }
}
