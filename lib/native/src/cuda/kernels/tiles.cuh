// Products of small matrices by a block of 128 threads. A product's result is 64 x 64: thread (ti, tj) holds
// rows 4 ti on and 32 + 4 ti on of columns 4 tj on. Its factors pass through shared memory in slabs of eight
// numbers of the summed axis.

constexpr int Q = 64, WIDE = 68, SLAB = 8, SLABS = 4;

// Eight more than its rows, so that neighbouring slabs' columns lie in different banks.
typedef float Slab[SLAB * WIDE + 8];

typedef float Tile[2][4][4];

// Rows `stride` apart; beyond `rows` and `columns` all is 0. FOURS: columns come in fours, which begin at
// multiples of 16 bytes.
template <bool FOURS> struct Part {
    const float *at;
    int stride, rows, columns;

    // From this row and column on.
    __device__ Part from(int row, int column) const {
        return {at + (i64)row * stride + column, stride, rows - row, columns - column};
    }

    // Four numbers of a row.
    __device__ float4 get(int row, int column) const {
        const float *from = at + (i64)row * stride + column;
        int left = row < rows ? columns - column : 0;
        if (FOURS) return left > 0 ? *(const float4 *)from : float4{0, 0, 0, 0};
        return {left > 0 ? from[0] : 0, left > 1 ? from[1] : 0, left > 2 ? from[2] : 0, left > 3 ? from[3] : 0};
    }
};

// To a row of which `left` numbers remain.
template <bool FOURS> __device__ inline void put(float *to, int left, float4 v) {
    if (FOURS) {
        if (left > 0) *(float4 *)to = v;
        return;
    }
    if (left > 0) to[0] = v.x;
    if (left > 1) to[1] = v.y;
    if (left > 2) to[2] = v.z;
    if (left > 3) to[3] = v.w;
}

// By 0 also what is not finite becomes 0.
__device__ inline void scale(float4 &v, float by) {
    if (by == 0) v = {0, 0, 0, 0};
    v.x *= by, v.y *= by, v.z *= by, v.w *= by;
}

// A warp takes all rows of 16 columns. Lanes i and i ^ 1 share rows, i and i ^ 2 columns, so that half a
// warp's reading of four numbers a lane is one access to shared memory.
__device__ inline int tile_row() { return threadIdx.x / 8 % 4 * 2 + threadIdx.x / 2 % 2; }
__device__ inline int tile_column() { return threadIdx.x / 32 * 4 + threadIdx.x / 4 % 2 * 2 + threadIdx.x % 2; }
__device__ inline int row_of(int half, int i) { return 32 * half + 4 * tile_row() + i; }

// The sum over the warp's columns of a row.
__device__ inline float sum_columns(float x) {
    x += __shfl_xor_sync(0xffffffff, x, 1);
    return x + __shfl_xor_sync(0xffffffff, x, 4);
}

// The sum over the rows of a column.
__device__ inline float sum_rows(float x) {
    x += __shfl_xor_sync(0xffffffff, x, 2);
    x += __shfl_xor_sync(0xffffffff, x, 8);
    return x + __shfl_xor_sync(0xffffffff, x, 16);
}

// A slab whose summed axis is the part's columns, and one whose summed axis is its rows.
template <typename P> __device__ inline float4 along(const P &p, int from) {
    return p.get(threadIdx.x / 2, from + threadIdx.x % 2 * 4);
}

__device__ inline void turn(float *to, float4 v) { to[0] = v.x, to[WIDE] = v.y, to[2 * WIDE] = v.z, to[3 * WIDE] = v.w; }

__device__ inline void keep_along(float *slab, float4 v) {
    turn(slab + threadIdx.x % 2 * 4 * WIDE + threadIdx.x / 2, v);
}

template <typename P> __device__ inline float4 across(const P &p, int from) {
    return p.get(from + threadIdx.x / 16, threadIdx.x % 16 * 4);
}

__device__ inline void keep_across(float *slab, float4 v) {
    *(float4 *)(slab + threadIdx.x / 16 * WIDE + threadIdx.x % 16 * 4) = v;
}

// sum += a^T b over a slab's numbers; the halves of the rows from FROM on, before TO.
template <int FROM = 0, int TO = 2> __device__ inline void multiply(Tile &sum, const float *a, const float *b) {
    a += 4 * tile_row(), b += 4 * tile_column();
#pragma unroll
    for (int k = 0; k < SLAB; k++) {
        float4 right = *(const float4 *)(b + k * WIDE);
#pragma unroll
        for (int h = FROM; h < TO; h++) {
            float4 left = *(const float4 *)(a + k * WIDE + 32 * h);
            float l[4] = {left.x, left.y, left.z, left.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                sum[h][i][0] = fmaf(l[i], right.x, sum[h][i][0]);
                sum[h][i][1] = fmaf(l[i], right.y, sum[h][i][1]);
                sum[h][i][2] = fmaf(l[i], right.z, sum[h][i][2]);
                sum[h][i][3] = fmaf(l[i], right.w, sum[h][i][3]);
            }
        }
    }
}

// Steps of read, keep in shared memory, use; the next step is read while this one is used.
template <typename Read, typename Keep, typename Use>
__device__ inline void stream(int steps, Read read, Keep keep, Use use) {
    float4 held[SLABS];
    read(0, held);
    for (int step = 0; step < steps; step++) {
        __syncthreads();
        keep(step, held);
        __syncthreads();
        if (step + 1 < steps) read(step + 1, held);
        use(step);
    }
}

__device__ inline void clear(Tile &t) {
#pragma unroll
    for (int i = 0; i < 32; i++) t[i / 16][i / 4 % 4][i % 4] = 0;
}

// sum += a b^T over `depth` columns of both; two slabs of each a step, so that rows are read 64 bytes at once.
template <typename P>
__device__ inline void multiply_along(Tile &sum, const P &a, const P &b, int depth, Slab *slabs) {
    int row = threadIdx.x / 4, column = threadIdx.x % 4 * 4;
    stream((depth + 2 * SLAB - 1) / (2 * SLAB),
           [&](int step, float4 *held) {
               int from = step * 2 * SLAB + column;
               held[0] = a.get(row, from), held[1] = a.get(row + 32, from);
               held[2] = b.get(row, from), held[3] = b.get(row + 32, from);
           },
           [&](int, float4 *held) {
               float *to = slabs[column / SLAB] + column % SLAB * WIDE + row;
               turn(to, held[0]), turn(to + 32, held[1]);
               to += slabs[2] - slabs[0];
               turn(to, held[2]), turn(to + 32, held[3]);
           },
           [&](int) {
               multiply(sum, slabs[0], slabs[2]);
               multiply(sum, slabs[1], slabs[3]);
           });
}
