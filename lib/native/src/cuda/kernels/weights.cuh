// Stored weights, eight at a time: GGUF's block formats and plain floats. A weight is
// scale * code + offset. `i` is a multiple of 8 within a row of k weights.

struct F32 {
    static __device__ inline void load(const u8 *row, u64 i, u64 k, float *w) {
        const float *p = (const float *)row + i;
        if (i + 8 <= k && ((u64)p & 15) == 0) {
            float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];
            w[0] = a.x, w[1] = a.y, w[2] = a.z, w[3] = a.w, w[4] = b.x, w[5] = b.y, w[6] = b.z, w[7] = b.w;
            return;
        }
#pragma unroll
        for (int j = 0; j < 8; j++) w[j] = i + j < k ? p[j] : 0.0f;
    }
};

struct BF16 {
    static __device__ inline void load(const u8 *row, u64 i, u64 k, float *w) {
        const u16 *p = (const u16 *)row + i;
        if (i + 8 <= k && ((u64)p & 15) == 0) {
            uint4 a = *(const uint4 *)p;
            u32 pairs[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
            for (int j = 0; j < 4; j++) {
                w[2 * j] = __uint_as_float(pairs[j] << 16);
                w[2 * j + 1] = __uint_as_float(pairs[j] & 0xffff0000);
            }
            return;
        }
#pragma unroll
        for (int j = 0; j < 8; j++) w[j] = i + j < k ? from_bf16(p[j]) : 0.0f;
    }
};

struct F16 {
    static __device__ inline void load(const u8 *row, u64 i, u64 k, float *w) {
        const u16 *p = (const u16 *)row + i;
#pragma unroll
        for (int j = 0; j < 8; j++) w[j] = i + j < k ? from_f16(p[j]) : 0.0f;
    }
};

__device__ inline float half_at(const u8 *p) { return from_f16(*(const u16 *)p); }

// Eight bytes at an even address.
__device__ inline u64 bytes_at(const u8 *p) {
    const u16 *h = (const u16 *)p;
    return (u64)h[0] | (u64)h[1] << 16 | (u64)h[2] << 32 | (u64)h[3] << 48;
}

struct Q8_0 {
    static __device__ inline void load(const u8 *row, u64 i, u64, float *w) {
        const u8 *block = row + i / 32 * 34;
        float scale = half_at(block);
        u64 codes = bytes_at(block + 2 + i % 32);
#pragma unroll
        for (int j = 0; j < 8; j++) w[j] = scale * (float)(i8)(codes >> 8 * j);
    }
};

// Nibbles of 32 weights: the low ones are the first 16.
__device__ inline void nibbles(const u8 *bytes, u64 i, float scale, float offset, float *w) {
    u64 codes = bytes_at(bytes + i % 16) >> (i % 32 < 16 ? 0 : 4);
#pragma unroll
    for (int j = 0; j < 8; j++) w[j] = scale * (float)(int)(codes >> 8 * j & 15) + offset;
}

struct Q4_0 {
    static __device__ inline void load(const u8 *row, u64 i, u64, float *w) {
        const u8 *block = row + i / 32 * 18;
        float scale = half_at(block);
        nibbles(block + 2, i, scale, -8.0f * scale, w);
    }
};

struct Q4_1 {
    static __device__ inline void load(const u8 *row, u64 i, u64, float *w) {
        const u8 *block = row + i / 32 * 20;
        nibbles(block + 4, i, half_at(block), half_at(block + 2), w);
    }
};

struct Q4_K {
    static __device__ inline void load(const u8 *row, u64 i, u64, float *w) {
        const u8 *block = row + i / 256 * 144, *s = block + 4;
        int g = i % 256 / 32;
        int scale = g < 4 ? s[g] & 63 : s[g + 4] & 15 | s[g - 4] >> 6 << 4;
        int least = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
        float by = half_at(block) * scale, offset = -half_at(block + 2) * least;
        u64 codes = bytes_at(block + 16 + g / 2 * 32 + i % 32) >> (g % 2 * 4);
#pragma unroll
        for (int j = 0; j < 8; j++) w[j] = by * (float)(int)(codes >> 8 * j & 15) + offset;
    }
};

struct Q6_K {
    static __device__ inline void load(const u8 *row, u64 i, u64, float *w) {
        const u8 *block = row + i / 256 * 210;
        int g = i % 256 / 32, half = g / 4, quarter = g % 4;
        u64 low = bytes_at(block + half * 64 + quarter % 2 * 32 + i % 32) >> (quarter < 2 ? 0 : 4);
        u64 high = bytes_at(block + 128 + half * 32 + i % 32) >> 2 * quarter;
        float scale = half_at(block + 208) * (float)(i8)block[192 + 2 * g + i % 32 / 16];
#pragma unroll
        for (int j = 0; j < 8; j++) {
            int code = (int)(low >> 8 * j & 15) | (int)(high >> 8 * j & 3) << 4;
            w[j] = scale * (float)(code - 32);
        }
    }
};

#define EACH_FORMAT(X) X(F32) X(BF16) X(F16) X(Q8_0) X(Q4_0) X(Q4_1) X(Q4_K) X(Q6_K)
