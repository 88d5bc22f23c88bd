// y = x w^T + bias + residual for few rows of x: a warp makes COLS columns for ROWS rows, weights
// decoded in registers, x float32. Limit: the stored bytes of w read once.

// Products of the same x, up to four; what is not added is null.
struct Jobs {
    const u8 *w[4];
    const float *bias[4], *residual[4];
    float *y[4];
    u64 n[4];
};

// Sums of ROWS rows from `top` on with COLS rows of w from `first` on; every lane gets all.
template <typename F, int ROWS, int COLS>
__device__ inline void products(const float *x, const u8 *w, u64 m, u64 n, u64 k, u64 bytes, u64 top, u64 first,
                                float (&sums)[ROWS][COLS]) {
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int c = 0; c < COLS; c++) sums[r][c] = 0.0f;
    for (u64 i = threadIdx.x % 32 * 8; i < k; i += 256) {
        float ws[COLS][8];
#pragma unroll
        for (int c = 0; c < COLS; c++) F::load(w + min(first + c, n - 1) * bytes, i, k, ws[c]);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float xs[8];
            F32::load((const u8 *)(x + min(top + r, m - 1) * k), i, k, xs);
#pragma unroll
            for (int c = 0; c < COLS; c++)
#pragma unroll
                for (int j = 0; j < 8; j++) sums[r][c] = fmaf(xs[j], ws[c][j], sums[r][c]);
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int c = 0; c < COLS; c++) sums[r][c] = sum_lanes<32>(sums[r][c]);
}

// x [m, k]; blockIdx.y counts tiles of ROWS rows, blockIdx.z jobs.
template <typename F, int ROWS, int COLS>
__device__ void skinny(const float *x, const Jobs &jobs, u64 m, u64 k, u64 bytes) {
    u64 n = jobs.n[blockIdx.z], top = blockIdx.y * (u64)ROWS;
    u64 first = (blockIdx.x * (u64)(blockDim.x / 32) + threadIdx.x / 32) * COLS;
    if (first >= n) return;
    float sums[ROWS][COLS];
    products<F, ROWS, COLS>(x, jobs.w[blockIdx.z], m, n, k, bytes, top, first, sums);
    const float *bias = jobs.bias[blockIdx.z], *residual = jobs.residual[blockIdx.z];
    float *y = jobs.y[blockIdx.z];
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int c = 0; c < COLS; c++) {
            u64 row = top + r, col = first + c;
            if (threadIdx.x % 32 == (r * COLS + c) % 32 && row < m && col < n) {
                float sum = sums[r][c];
                if (bias) sum += bias[col];
                if (residual) sum += residual[row * n + col];
                y[row * n + col] = sum;
            }
        }
}

// y = silu(x gate^T) * (x up^T).
template <typename F, int ROWS, int COLS>
__device__ void gated(const float *x, const u8 *gate, const u8 *up, float *y, u64 m, u64 n, u64 k, u64 bytes) {
    u64 first = (blockIdx.x * (u64)(blockDim.x / 32) + threadIdx.x / 32) * COLS, top = blockIdx.y * (u64)ROWS;
    if (first >= n) return;
    float gates[ROWS][COLS], ups[ROWS][COLS];
    products<F, ROWS, COLS>(x, gate, m, n, k, bytes, top, first, gates);
    products<F, ROWS, COLS>(x, up, m, n, k, bytes, top, first, ups);
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int c = 0; c < COLS; c++) {
            u64 row = top + r, col = first + c;
            if (threadIdx.x % 32 == (r * COLS + c) % 32 && row < m && col < n)
                y[row * n + col] = silu(gates[r][c]) * ups[r][c];
        }
}

// The host compiles this file once for each format that is used.
#define SKINNY(ROWS, COLS)                                                                         \
    extern "C" __global__ __launch_bounds__(128) void skinny_##ROWS(const float *x, Jobs jobs,     \
                                                                    u64 m, u64 k, u64 bytes) {     \
        skinny<FORMAT, ROWS, COLS>(x, jobs, m, k, bytes);                                          \
    }                                                                                              \
    extern "C" __global__ __launch_bounds__(128) void gated_##ROWS(                                \
        const float *x, const u8 *gate, const u8 *up, float *y, u64 m, u64 n, u64 k, u64 bytes) {  \
        gated<FORMAT, ROWS, COLS / 2>(x, gate, up, y, m, n, k, bytes);                             \
    }
SKINNY(1, 2) SKINNY(2, 2) SKINNY(4, 4) SKINNY(8, 4)
