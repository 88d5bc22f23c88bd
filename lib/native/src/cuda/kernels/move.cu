// Copies between regular places, gathers, fills. Limit: what is read and written, once.

// Axes from outer to inner: sizes, steps of x, steps of y; at most 12.
struct Axes {
    i64 rank, n[12], x[12], y[12];
};

#define STRIDED(name, T)                                                                           \
    extern "C" __global__ void name(const T *x, T *y, u64 count, Axes axes) {                      \
        EACH(i, count) {                                                                           \
            u64 rest = i;                                                                          \
            i64 ix = 0, iy = 0;                                                                    \
            for (int axis = (int)axes.rank - 1; axis >= 0; axis--) {                               \
                i64 at = rest % axes.n[axis];                                                      \
                rest /= axes.n[axis];                                                              \
                ix += at * axes.x[axis];                                                           \
                iy += at * axes.y[axis];                                                           \
            }                                                                                      \
            y[iy] = x[ix];                                                                         \
        }                                                                                          \
    }
STRIDED(strided_1, u8)
STRIDED(strided_2, u16)
STRIDED(strided_4, u32)

extern "C" __global__ void fill_1(u8 *y, u64 n, u32 bits) { EACH(i, n) y[i] = (u8)bits; }
extern "C" __global__ void fill_4(u32 *y, u64 n, u32 bits) { EACH(i, n) y[i] = bits; }

// x [batch, outer, axis, inner], indices [batch, n], y [batch, outer, n, inner].
#define GATHER(name, T)                                                                            \
    extern "C" __global__ void name(const T *x, const i32 *indices, T *y, u64 count, u64 outer,    \
                                    u64 axis, u64 inner, u64 n, Fault *fault) {                    \
        EACH(i, count) {                                                                           \
            u64 row = i / inner, slab = row / n;                                                   \
            i32 index = indices[slab / outer * n + row % n];                                       \
            if (index < 0 || index >= axis) {                                                      \
                report(fault, 2, row % n, index, axis - 1);                                        \
                continue;                                                                          \
            }                                                                                      \
            y[i] = x[(slab * axis + index) * inner + i % inner];                                   \
        }                                                                                          \
    }
GATHER(gather_1, u8)
GATHER(gather_4, u32)

#define ONE_HOT(name, T)                                                                           \
    extern "C" __global__ void name(const i32 *indices, T *y, u64 count, u64 depth, T on, T off) { \
        EACH(i, count) y[i] = indices[i / depth] == (i64)(i % depth) ? on : off;                   \
    }
ONE_HOT(oneHot_f32, float)
ONE_HOT(oneHot_i32, i32)
ONE_HOT(oneHot_u8, u8)

#define SELECT(name, T)                                                                            \
    extern "C" __global__ void name(const u8 *condition, const T *t, const T *e, T *y, u64 n,      \
                                    u64 inner) {                                                   \
        EACH(i, n) y[i] = condition[i / inner] ? t[i] : e[i];                                      \
    }
SELECT(select_1, u8)
SELECT(select_4, u32)

// A pair of tensors whose rows go from one to the other: addresses, bytes between rows, bytes to copy.
struct RowPair {
    u64 from, to, from_step, to_step, bytes;
};

// Block (., y, z) copies row y of the list in pair z; the list lies behind the pairs.
extern "C" __global__ void copyRows(const RowPair *pairs) {
    RowPair p = pairs[blockIdx.z];
    const u64 *row = (const u64 *)(pairs + gridDim.z) + 2 * blockIdx.y;
    u64 from = p.from + row[0] * p.from_step, to = p.to + row[1] * p.to_step;
    if ((from | to | p.bytes) % 16 == 0) {
        EACH(i, p.bytes / 16)((uint4 *)to)[i] = ((const uint4 *)from)[i];
    } else {
        EACH(i, p.bytes / 2)((u16 *)to)[i] = ((const u16 *)from)[i];
    }
}
