// What the tiled kernels of causal attention share (Dao 2023): tiles in shared memory, their products in
// registers. A block has 128 threads and 64 rows; a thread has 4 of them and every eighth column, so 12
// wide loads feed 128 multiplications. Rows in shared memory are 4 numbers longer than D, which spreads
// eight of them over all banks.

struct Flash {
    i64 length, heads, kv_heads, capacity;
    float scale;
};

constexpr int THREADS = 128, ROWS = 64;
constexpr float LOG2_E = 1.44269504f;

extern __shared__ __align__(16) float memory[];

struct Place {
    int row, column;
};

// Lanes that differ in bit 0 share rows, in bit 1 columns: wide loads of a half warp merge only for lanes
// that are neighbours in one of these bits.
__device__ inline Place place_of() {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    return Place{warp * 16 + 4 * ((lane >> 1 & 1) | (lane >> 3 & 2)), (lane & 1) | (lane >> 1 & 6)};
}

// 2 to the x; what float32 has no normal number for is 0.
__device__ inline float power_of_two(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Over the eight lanes that share rows.
__device__ inline float sum_columns(float x) {
    x += __shfl_xor_sync(0xffffffff, x, 1);
    x += __shfl_xor_sync(0xffffffff, x, 4);
    return x + __shfl_xor_sync(0xffffffff, x, 8);
}

__device__ inline float max_columns(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
    x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 4));
    return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 8));
}

// Copies 16 bytes while the block goes on, or clears them.
__device__ inline void copy16(float *to, const float *from, bool real) {
    u32 at = (u32)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(real ? 16 : 0)
                 : "memory");
}

// Ends a group of copies.
__device__ inline void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for this thread's copies but those of the last `groups` groups.
template <int groups> __device__ inline void arrived() {
    asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

// Begins to copy N rows of D numbers; those from `count` on become 0.
template <int N, int D> __device__ inline void stage(float *to, const float *from, i64 stride, i64 count) {
    constexpr int EACH = D / 4;
    i32 real = (i32)min(count, (i64)N), step = (i32)stride;
#pragma unroll
    for (int n = 0; n < N * EACH / THREADS; n++) {
        int i = threadIdx.x + n * THREADS, row = i / EACH, at = i % EACH * 4;
        // Said so, the compiler needs one division for all n.
        if (THREADS % EACH == 0) row = threadIdx.x / EACH + n * (THREADS / EACH), at = threadIdx.x % EACH * 4;
        copy16(to + row * (D + 4) + at, from + (row < real ? row * step + at : 0), row < real);
    }
}

// s[i][j] = a's row i times b's row 8 j.
template <int D, int N> __device__ inline void dot_rows(const float *a, const float *b, float (&s)[4][N]) {
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < N; j++) s[i][j] = 0;
#pragma unroll 2
    for (int k = 0; k < D; k += 4) {
        float4 x[4];
#pragma unroll
        for (int i = 0; i < 4; i++) x[i] = *(const float4 *)(a + i * (D + 4) + k);
#pragma unroll
        for (int j = 0; j < N; j++) {
            float4 y = *(const float4 *)(b + 8 * j * (D + 4) + k);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                s[i][j] += x[i].x * y.x;
                s[i][j] += x[i].y * y.y;
                s[i][j] += x[i].z * y.z;
                s[i][j] += x[i].w * y.w;
            }
        }
    }
}

// sums[i] += the K rows of `from`, weighted by the numbers of row i of `weights`.
template <int K, int D>
__device__ inline void add_rows(const float *weights, const float *from, float (&sums)[4][D / 8]) {
#pragma unroll 2
    for (int k = 0; k < K; k += 4) {
        float4 w[4];
#pragma unroll
        for (int i = 0; i < 4; i++) w[i] = *(const float4 *)(weights + i * (K + 4) + k);
#pragma unroll
        for (int n = 0; n < 4; n++) {
#pragma unroll
            for (int j = 0; j < D / 32; j++) {
                float4 y = *(const float4 *)(from + (k + n) * (D + 4) + 32 * j);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    float x = n == 0 ? w[i].x : n == 1 ? w[i].y : n == 2 ? w[i].z : w[i].w;
                    sums[i][4 * j] += x * y.x;
                    sums[i][4 * j + 1] += x * y.y;
                    sums[i][4 * j + 2] += x * y.z;
                    sums[i][4 * j + 3] += x * y.w;
                }
            }
        }
    }
}

// Writes a thread's part of a row of D numbers.
template <int D> __device__ inline void write_row(float *to, const float (&sums)[D / 8], float factor) {
#pragma unroll
    for (int j = 0; j < D / 32; j++) {
        *(float4 *)(to + 32 * j) = float4{sums[4 * j] * factor, sums[4 * j + 1] * factor,
                                          sums[4 * j + 2] * factor, sums[4 * j + 3] * factor};
    }
}

struct Span {
    i64 start, len;
};

// Where a row's tokens stand in the cache; none where that is wrong.
__device__ inline Span span_of(const Flash &s, const i32 *starts, const i32 *lens, i64 row, Fault *fault) {
    i64 len = lens[row], start = starts[row];
    if (len < 0 || len > s.length) {
        report(fault, 3, row, len, s.length);
        return Span{0, 0};
    }
    if (len > 0 && (start < 0 || start + len > s.capacity)) {
        report(fault, 4, row, start + len - 1, s.capacity);
        return Span{0, 0};
    }
    return Span{start, len};
}
