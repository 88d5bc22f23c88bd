// y = f(x), element by element. Limit: x and y moved once.

#define UNARY(name, In, Out, body)                                                                 \
    extern "C" __global__ void name(const In *xs, Out *ys, u64 n, float p0, float p1) {            \
        EACH(i, n) {                                                                               \
            In x = xs[i];                                                                          \
            ys[i] = body;                                                                          \
        }                                                                                          \
    }

__device__ inline i32 to_int32(float x) {
    double d = trunc((double)x);
    if (!isfinite(d)) return 0;
    d -= floor(d / 4294967296.0) * 4294967296.0;
    return (i32)(u32)d;
}

// tfjs' erf: Abramowitz and Stegun 7.1.26.
__device__ inline float erf_tf(float x) {
    float v = fabsf(x), t = 1.0f / (1.0f + 0.3275911f * v);
    float p = ((((1.0614054f * t - 1.4531521f) * t + 1.4214138f) * t - 0.28449672f) * t + 0.2548296f) * t;
    float y = 1.0f - p * expf(-v * v);
    return x < 0 ? -y : y;
}

__device__ inline float softplus_tf(float x) {
    const float threshold = -13.942385f;
    if (x > -threshold) return x;
    float e = expf(x);
    return x < threshold ? e : log1pf(e);
}

UNARY(abs_f32, float, float, fabsf(x))
UNARY(abs_i32, i32, i32, x < 0 ? (i32)(0u - (u32)x) : x)
UNARY(ceil_f32, float, float, ceilf(x))
UNARY(clip_f32, float, float, x > p1 ? p1 : x < p0 ? p0 : x)
UNARY(cos_f32, float, float, (float)cos((double)x))
UNARY(elu_f32, float, float, x >= 0 ? x : expm1f(x))
UNARY(erf_f32, float, float, erf_tf(x))
UNARY(exp_f32, float, float, expf(x))
UNARY(expm1_f32, float, float, expm1f(x))
UNARY(floor_f32, float, float, floorf(x))
UNARY(isFinite_f32, float, u8, fabsf(x) < INF)
UNARY(isInf_f32, float, u8, fabsf(x) == INF)
UNARY(isNan_f32, float, u8, x != x)
UNARY(leakyRelu_f32, float, float, x < 0 ? p0 * x : x)
UNARY(log_f32, float, float, logf(x))
UNARY(log1p_f32, float, float, log1pf(x))
UNARY(logicalNot_u8, u8, u8, x == 0)
UNARY(neg_f32, float, float, -x)
UNARY(neg_i32, i32, i32, (i32)(0u - (u32)x))
UNARY(reciprocal_f32, float, float, 1.0f / x)
UNARY(relu_f32, float, float, x <= 0 ? 0.0f : x)
UNARY(relu_i32, i32, i32, x < 0 ? 0 : x)
UNARY(relu6_f32, float, float, x < 0 ? 0.0f : x > 6 ? 6.0f : x)
UNARY(round_f32, float, float, rintf(x))
UNARY(rsqrt_f32, float, float, 1.0f / sqrtf(x))
UNARY(selu_f32, float, float, x >= 0 ? 1.050701f * x : 1.050701f * 1.6732632f * expm1f(x))
UNARY(sigmoid_f32, float, float, sigmoid(x))
UNARY(sign_f32, float, float, (float)(x > 0) - (float)(x < 0))
UNARY(sign_i32, i32, i32, (x > 0) - (x < 0))
UNARY(sin_f32, float, float, (float)sin((double)x))
UNARY(softplus_f32, float, float, softplus_tf(x))
UNARY(sqrt_f32, float, float, sqrtf(x))
UNARY(square_f32, float, float, x * x)
UNARY(square_i32, i32, i32, (i32)((u32)x * (u32)x))
UNARY(step_f32, float, float, x > 0 ? 1.0f : x != x ? x : p0)
UNARY(tan_f32, float, float, (float)tan((double)x))
UNARY(tanh_f32, float, float, tanhf(x))

UNARY(cast_f32_i32, float, i32, to_int32(x))
UNARY(cast_f32_u8, float, u8, x != 0)
UNARY(cast_i32_f32, i32, float, (float)x)
UNARY(cast_i32_u8, i32, u8, x != 0)
UNARY(cast_u8_f32, u8, float, (float)x)
UNARY(cast_u8_i32, u8, i32, (i32)x)
