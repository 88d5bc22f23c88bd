// y = f(a, b) with broadcasting. Limit: both sides and y moved once.

// Merged axes from outer to inner, with each side's steps; at most 8.
struct Space {
    i64 rank, dims[8], a[8], b[8];
};

#define BINARY(name, In, Out, body)                                                                \
    extern "C" __global__ void name(const In *as, const In *bs, Out *ys, u64 n, Space space) {     \
        EACH(i, n) {                                                                               \
            u64 rest = i;                                                                          \
            i64 ia = 0, ib = 0;                                                                    \
            if (space.rank == 1) {                                                                 \
                ia = i * space.a[0];                                                               \
                ib = i * space.b[0];                                                               \
            } else {                                                                               \
                for (int axis = (int)space.rank - 1; axis >= 0; axis--) {                          \
                    i64 at = rest % space.dims[axis];                                              \
                    rest /= space.dims[axis];                                                      \
                    ia += at * space.a[axis];                                                      \
                    ib += at * space.b[axis];                                                      \
                }                                                                                  \
            }                                                                                      \
            In a = as[ia], b = bs[ib];                                                             \
            ys[i] = body;                                                                          \
        }                                                                                          \
    }

// floor(a / b), 0 where b is 0, as an Int32Array stores JavaScript's infinities.
__device__ inline i32 floor_div(i32 a, i32 b) {
    if (b == 0) return 0;
    i64 q = (i64)a / b;
    if ((i64)a % b != 0 && (a < 0) != (b < 0)) q--;
    return (i32)q;
}

// The remainder with the divisor's sign.
__device__ inline float modulo(float a, float b) {
    float r = fmodf(a, b);
    return (a < 0 && b < 0) || (a >= 0 && b >= 0) ? r : fmodf(r + b, b);
}

__device__ inline i32 modulo_int(i32 a, i32 b) {
    if (b == 0) return 0;
    i64 r = (i64)a % b;
    return (i32)(r != 0 && (r < 0) != (b < 0) ? r + b : r);
}

// JavaScript's power, which unlike C's is NaN for a NaN exponent and for |a| = 1 to the infinity.
__device__ inline double power(double a, double b) {
    if (b != b || (fabs(a) == 1.0 && isinf(b))) return NOT_A_NUMBER;
    return pow(a, b);
}

__device__ inline i32 to_int32(double x) {
    double d = trunc(x);
    if (!isfinite(d)) return 0;
    d -= floor(d / 4294967296.0) * 4294967296.0;
    return (i32)(u32)d;
}

BINARY(add_f32, float, float, a + b)
BINARY(add_i32, i32, i32, (i32)((u32)a + (u32)b))
BINARY(sub_f32, float, float, a - b)
BINARY(sub_i32, i32, i32, (i32)((u32)a - (u32)b))
BINARY(multiply_f32, float, float, a *b)
BINARY(multiply_i32, i32, i32, (i32)((u32)a * (u32)b))
BINARY(realDiv_f32, float, float, a / b)
BINARY(floorDiv_i32, i32, i32, floor_div(a, b))
BINARY(mod_f32, float, float, modulo(a, b))
BINARY(mod_i32, i32, i32, modulo_int(a, b))
BINARY(maximum_f32, float, float, a > b || a != a ? a : b)
BINARY(maximum_i32, i32, i32, a > b ? a : b)
BINARY(minimum_f32, float, float, a < b || a != a ? a : b)
BINARY(minimum_i32, i32, i32, a < b ? a : b)
BINARY(squaredDifference_f32, float, float, (a - b) * (a - b))
BINARY(squaredDifference_i32, i32, i32, (i32)(((u32)a - (u32)b) * ((u32)a - (u32)b)))
BINARY(pow_f32, float, float, (float)power(a, b))
// A power of integers is one where the exponent is not negative, whatever the last bit of pow says.
BINARY(pow_i32, i32, i32, to_int32(b >= 0 ? rint(power(a, b)) : power(a, b)))
BINARY(prelu_f32, float, float, a < 0 ? a * b : a)
BINARY(eluGrad_f32, float, float, b >= 0 ? a : a * (b + 1.0f))
#define COMPARE(name, op)                                                                          \
    BINARY(name##_f32, float, u8, a op b)                                                          \
    BINARY(name##_i32, i32, u8, a op b)                                                            \
    BINARY(name##_u8, u8, u8, a op b)
COMPARE(equal, ==)
COMPARE(notEqual, !=)
COMPARE(greater, >)
COMPARE(greaterEqual, >=)
COMPARE(less, <)
COMPARE(lessEqual, <=)
BINARY(logicalAnd_u8, u8, u8, (a != 0) & (b != 0))
BINARY(logicalOr_u8, u8, u8, (a != 0) | (b != 0))
