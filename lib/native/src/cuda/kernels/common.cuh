// What every kernel file starts with. NVRTC compiles without CUDA's headers: 16-bit floats are
// converted by their bits and by inline PTX.

typedef signed char i8;
typedef unsigned char u8;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

#define INF __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fc00000)

// Every index below n, in steps of the whole grid.
#define EACH(i, n)                                                                                 \
    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < (n); i += (u64)gridDim.x * blockDim.x)

// The first wrong value that a kernel met; the host reads it at its next synchronisation.
struct Fault {
    i32 code, at, value, limit;
};

__device__ inline void report(Fault *fault, i32 code, i64 at, i64 value, i64 limit) {
    if (atomicCAS(&fault->code, 0, code) == 0) {
        fault->at = (i32)at;
        fault->value = (i32)value;
        fault->limit = (i32)limit;
    }
}

__device__ inline float from_bf16(u16 x) { return __uint_as_float((u32)x << 16); }

// To nearest, ties to even; NaN stays NaN.
__device__ inline u16 to_bf16(float x) {
    u32 bits = __float_as_uint(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return (u16)(bits >> 16 | 0x40);
    return (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

__device__ inline float from_f16(u16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
}

__device__ inline u16 to_f16(float x) {
    u16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ inline float silu(float x) { return x / (1.0f + expf(-x)); }
__device__ inline float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

// Sums over groups of `width` neighbouring lanes, a power of two; every lane gets the sum.
template <int width> __device__ inline float sum_lanes(float x) {
    for (int step = width / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffff, x, step);
    return x;
}

// The sum over a block of up to 1024 threads; every thread gets it. `shared` holds 33 numbers.
template <typename T> __device__ inline T sum_block(T x, T *shared) {
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffff, x, step);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = (blockDim.x + 31) / 32;
    __syncthreads();
    if (lane == 0) shared[warp] = x;
    __syncthreads();
    if (warp == 0) {
        T y = lane < warps ? shared[lane] : (T)0;
        for (int step = 16; step > 0; step /= 2) y += __shfl_xor_sync(0xffffffff, y, step);
        if (lane == 0) shared[32] = y;
    }
    __syncthreads();
    return shared[32];
}

__device__ inline float max_block(float x, float *shared) {
    for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, step));
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = (blockDim.x + 31) / 32;
    __syncthreads();
    if (lane == 0) shared[warp] = x;
    __syncthreads();
    if (warp == 0) {
        float y = lane < warps ? shared[lane] : -INF;
        for (int step = 16; step > 0; step /= 2) y = fmaxf(y, __shfl_xor_sync(0xffffffff, y, step));
        if (lane == 0) shared[32] = y;
    }
    __syncthreads();
    return shared[32];
}
