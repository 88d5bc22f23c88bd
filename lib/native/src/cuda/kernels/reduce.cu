// Reductions of the middle axis of [outer, n, inner], one block for each result of a long axis, one
// thread where the inner axis is wide, and many where columns are few and long. Limit: x moved once. Sums
// of floats are taken in float64.

template <typename Fold> __device__ void reduce(const typename Fold::In *x, typename Fold::Out *y, u64 outer,
                                                u64 n, u64 inner) {
    typedef typename Fold::Acc Acc;
    __shared__ Acc shared[32];
    if (inner > 1) {
        EACH(place, outer *inner) {
            const typename Fold::In *from = x + place / inner * n * inner + place % inner;
            Acc acc = Fold::start();
            for (u64 i = 0; i < n; i++) acc = Fold::step(acc, from[i * inner]);
            y[place] = Fold::finish(acc, n);
        }
        return;
    }
    for (u64 row = blockIdx.x; row < outer; row += gridDim.x) {
        Acc acc = Fold::start();
        for (u64 i = threadIdx.x; i < n; i += blockDim.x) acc = Fold::step(acc, x[row * n + i]);
        for (int step = 16; step > 0; step /= 2) {
            acc = Fold::merge(acc, __shfl_down_sync(0xffffffff, acc, step));
        }
        __syncthreads();
        if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = acc;
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int warp = 1; warp < blockDim.x / 32; warp++) acc = Fold::merge(acc, shared[warp]);
            y[row] = Fold::finish(acc, n);
        }
    }
}

// Folds a piece of the rows of 32 columns. grid: (columns, pieces, outer), blocks of 256 threads.
template <typename Fold> __device__ void fold_pieces(const typename Fold::In *x, typename Fold::Acc *parts, u64 n,
                                                     u64 inner, u64 piece) {
    typedef typename Fold::Acc Acc;
    __shared__ Acc shared[8][32];
    u64 lane = threadIdx.x % 32, warp = threadIdx.x / 32, column = blockIdx.x * (u64)32 + lane;
    u64 from = blockIdx.y * piece, to = from + piece < n ? from + piece : n;
    Acc acc = Fold::start();
    if (column < inner) {
#pragma unroll 4
        for (u64 i = from + warp; i < to; i += 8) acc = Fold::step(acc, x[(blockIdx.z * n + i) * inner + column]);
    }
    shared[warp][lane] = acc;
    __syncthreads();
    if (warp > 0 || column >= inner) return;
    for (int w = 1; w < 8; w++) acc = Fold::merge(acc, shared[w][lane]);
    parts[(blockIdx.z * (u64)gridDim.y + blockIdx.y) * inner + column] = acc;
}

// Merges the pieces of each column in order.
template <typename Fold> __device__ void merge_pieces(const typename Fold::Acc *parts, typename Fold::Out *y,
                                                      u64 outer, u64 n, u64 inner, u64 pieces) {
    EACH(place, outer *inner) {
        const typename Fold::Acc *from = parts + place / inner * pieces * inner + place % inner;
        typename Fold::Acc acc = from[0];
#pragma unroll 4
        for (u64 i = 1; i < pieces; i++) acc = Fold::merge(acc, from[i * inner]);
        y[place] = Fold::finish(acc, n);
    }
}

#define FOLD(name, InT, OutT, AccT, start_, step_, merge_, finish_)                                \
    struct Fold_##name {                                                                           \
        typedef InT In;                                                                            \
        typedef OutT Out;                                                                          \
        typedef AccT Acc;                                                                          \
        static __device__ Acc start() { return start_; }                                           \
        static __device__ Acc step(Acc a, In x) { return step_; }                                  \
        static __device__ Acc merge(Acc a, Acc b) { return merge_; }                               \
        static __device__ Out finish(Acc a, u64 n) { return finish_; }                             \
    };                                                                                             \
    extern "C" __global__ void name(const InT *x, OutT *y, u64 outer, u64 n, u64 inner) {          \
        reduce<Fold_##name>(x, y, outer, n, inner);                                                \
    }                                                                                              \
    extern "C" __global__ void name##_pieces(const InT *x, AccT *parts, u64 n, u64 inner, u64 piece) { \
        fold_pieces<Fold_##name>(x, parts, n, inner, piece);                                       \
    }                                                                                              \
    extern "C" __global__ void name##_merge(const AccT *parts, OutT *y, u64 outer, u64 n, u64 inner, \
                                            u64 pieces) {                                          \
        merge_pieces<Fold_##name>(parts, y, outer, n, inner, pieces);                              \
    }

FOLD(sum_f32, float, float, double, 0.0, a + x, a + b, (float)a)
FOLD(sum_i32, i32, i32, u32, 0u, a + (u32)x, a + b, (i32)a)
FOLD(sum_u8, u8, i32, u32, 0u, a + x, a + b, (i32)a)
FOLD(mean_f32, float, float, double, 0.0, a + x, a + b, (float)(a / (double)n))
FOLD(prod_f32, float, float, double, 1.0, a *x, a *b, (float)a)
FOLD(prod_i32, i32, i32, u32, 1u, a *(u32)x, a *b, (i32)a)
FOLD(max_f32, float, float, float, -INF, (x > a || x != x) ? x : a, (b > a || b != b) ? b : a, a)
FOLD(max_i32, i32, i32, i32, (i32)0x80000000, x > a ? x : a, b > a ? b : a, a)
FOLD(max_u8, u8, u8, i32, 0, x > a ? x : a, b > a ? b : a, (u8)a)
FOLD(min_f32, float, float, float, INF, (x < a || x != x) ? x : a, (b < a || b != b) ? b : a, a)
FOLD(min_i32, i32, i32, i32, 0x7fffffff, x < a ? x : a, b < a ? b : a, a)
FOLD(min_u8, u8, u8, i32, 255, x < a ? x : a, b < a ? b : a, (u8)a)
FOLD(all_u8, u8, u8, i32, 1, a & (x != 0), a &b, (u8)a)
FOLD(any_u8, u8, u8, i32, 0, a | (x != 0), a | b, (u8)a)

// Where the largest (sign 1) or smallest (sign -1) element is, the first of equals.
#define EXTREME(name, In)                                                                          \
    extern "C" __global__ void name(const In *x, i32 *y, u64 outer, u64 n, u64 inner, i32 sign) {  \
        EACH(place, outer *inner) {                                                                \
            const In *from = x + place / inner * n * inner + place % inner;                        \
            In best = from[0];                                                                     \
            i32 at = 0;                                                                            \
            for (u64 i = 1; i < n; i++) {                                                          \
                In v = from[i * inner];                                                            \
                if (sign > 0 ? v > best : v < best) {                                              \
                    best = v;                                                                      \
                    at = (i32)i;                                                                   \
                }                                                                                  \
            }                                                                                      \
            y[place] = at;                                                                         \
        }                                                                                          \
    }
EXTREME(argExtreme_f32, float)
EXTREME(argExtreme_i32, i32)
EXTREME(argExtreme_u8, u8)

// Running sums and products along the middle axis, one thread a column.
#define CUMULATIVE(name, T, U)                                                                     \
    extern "C" __global__ void name(const T *x, T *y, u64 outer, u64 n, u64 inner, i32 exclusive,  \
                                    i32 reverse, i32 product) {                                    \
        EACH(place, outer *inner) {                                                                \
            u64 base = place / inner * n * inner + place % inner;                                  \
            U acc = product ? (U)1 : (U)0;                                                         \
            for (u64 i = 0; i < n; i++) {                                                          \
                u64 at = base + (reverse ? n - 1 - i : i) * inner;                                 \
                U next = product ? acc * (U)x[at] : acc + (U)x[at];                                \
                y[at] = (T)(exclusive ? acc : next);                                               \
                acc = next;                                                                        \
            }                                                                                      \
        }                                                                                          \
    }
CUMULATIVE(cumulative_f32, float, float)
CUMULATIVE(cumulative_i32, i32, u32)

// Rows of n: exp(x - max) / sum, one block a row.
extern "C" __global__ void softmax(const float *x, float *y, u64 rows, u64 n) {
    __shared__ float floats[33];
    __shared__ double doubles[33];
    for (u64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const float *from = x + row * n;
        float *to = y + row * n;
        float max = -INF;
        bool nan = false;
        for (u64 i = threadIdx.x; i < n; i += blockDim.x) {
            max = fmaxf(max, from[i]);
            nan |= from[i] != from[i];
        }
        max = max_block(max, floats);
        if (__syncthreads_or(nan)) max = NOT_A_NUMBER;
        double sum = 0;
        for (u64 i = threadIdx.x; i < n; i += blockDim.x) sum += expf(from[i] - max);
        float scale = (float)(1.0 / sum_block(sum, doubles));
        for (u64 i = threadIdx.x; i < n; i += blockDim.x) to[i] = expf(from[i] - max) * scale;
    }
}

// Rows of v: x - log(sum(exp(x))), one block a row. y may be x.
extern "C" __global__ void logSoftmax(const float *x, float *y, u64 rows, u64 v) {
    __shared__ float floats[33];
    __shared__ double doubles[33];
    for (u64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const float *from = x + row * v;
        float max = -INF;
        for (u64 i = threadIdx.x; i < v; i += blockDim.x) max = fmaxf(max, from[i]);
        max = max_block(max, floats);
        double sum = 0;
        for (u64 i = threadIdx.x; i < v; i += blockDim.x) sum += expf(from[i] - max);
        float log = (float)::log(sum_block(sum, doubles));
        for (u64 i = threadIdx.x; i < v; i += blockDim.x) y[row * v + i] = (from[i] - max) - log;
    }
}
