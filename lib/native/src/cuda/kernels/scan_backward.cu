// The derivative of the short convolution. Limit: inputs, outputs and gradients, moved a few times.

struct Conv {
    i64 batch, length, channels, width, silu;
};

__device__ inline i64 length_of(const i32 *lens, i64 row, i64 length, Fault *fault) {
    i64 len = lens ? lens[row] : length;
    if (len >= 0 && len <= length) return len;
    report(fault, 3, row, len, length);
    return 0;
}

// Whether a document starts after token `from` and not after token `to` of a row.
__device__ inline bool parted(const i32 *resets, i64 row, i64 length, i64 from, i64 to) {
    if (!resets) return false;
    for (i64 t = max(from + 1, (i64)0); t <= to; t++)
        if (resets[row * length + t]) return true;
    return false;
}

// The input at a place that may lie in the state before the row.
__device__ inline float input(const Conv &s, const float *x, const float *state, i64 row, i64 t, i64 c) {
    if (t >= 0) return x[(row * s.length + t) * s.channels + c];
    t += s.width - 1;
    return state && t >= 0 ? state[(row * (s.width - 1) + t) * s.channels + c] : 0.0f;
}

// The gradient before the activation; 0 for padding.
extern "C" __global__ void conv_inner(const float *x, const float *weight, const float *bias, const float *state,
                                      const i32 *lens, const i32 *resets, const float *dy, float *dv, Conv s,
                                      Fault *fault) {
    EACH(i, s.batch *s.length *s.channels) {
        i64 c = i % s.channels, t = i / s.channels % s.length, row = i / s.channels / s.length;
        if (t >= length_of(lens, row, s.length, fault)) {
            dv[i] = 0;
            continue;
        }
        float d = dy[i];
        if (s.silu) {
            float sum = bias ? bias[c] : 0.0f;
            for (i64 j = 0; j < s.width; j++) {
                i64 at = t - (s.width - 1 - j);
                if (!parted(resets, row, s.length, at, t))
                    sum += weight[c * s.width + j] * input(s, x, state, row, at, c);
            }
            float g = sigmoid(sum);
            d *= g * (1.0f + sum * (1.0f - g));
        }
        dv[i] = d;
    }
}

// What token t of a row, or of the state before it where t < 0, gets from those that saw it.
__device__ inline float seen(const Conv &s, const float *weight, const float *dv, const float *dstate,
                             const i32 *resets, i64 row, i64 t, i64 len, i64 c) {
    float sum = 0;
    for (i64 j = 0; j < s.width && t + j < len; j++) {
        if (t + j < 0) continue;
        if (parted(resets, row, s.length, t, t + j)) break;
        sum += weight[c * s.width + s.width - 1 - j] * dv[(row * s.length + t + j) * s.channels + c];
    }
    i64 kept = t - (len - (s.width - 1));
    if (kept >= 0 && !(len > 0 && parted(resets, row, s.length, t, len - 1)))
        sum += dstate[(row * (s.width - 1) + kept) * s.channels + c];
    return sum;
}

extern "C" __global__ void conv_inputs(const float *weight, const float *dv, const float *dstate,
                                       const i32 *lens, const i32 *resets, float *dx, float *dinitial, Conv s,
                                       Fault *fault) {
    i64 tokens = s.length + s.width - 1;
    EACH(i, s.batch *tokens *s.channels) {
        i64 c = i % s.channels, t = (i64)(i / s.channels % tokens) - (s.width - 1), row = i / s.channels / tokens;
        i64 len = length_of(lens, row, s.length, fault);
        if (t < 0) {
            if (dinitial)
                dinitial[(row * (s.width - 1) + t + s.width - 1) * s.channels + c] =
                    seen(s, weight, dv, dstate, resets, row, t, len, c);
            continue;
        }
        dx[(row * s.length + t) * s.channels + c] =
            t < len ? seen(s, weight, dv, dstate, resets, row, t, len, c) : 0.0f;
    }
}

// Of `piece` tokens of a row the sums for weights and bias: parts [pieces][width + 1][channels].
extern "C" __global__ void conv_weights(const float *x, const float *state, const i32 *resets, const float *dv,
                                        float *parts, Conv s, u64 pieces, u64 piece) {
    u64 each = (s.length + piece - 1) / piece;
    EACH(i, pieces *s.channels) {
        i64 c = i % s.channels, p = i / s.channels, row = p / each, from = p % each * piece;
        float sums[5] = {0, 0, 0, 0, 0};
        for (i64 t = from; t < min(from + (i64)piece, s.length); t++) {
            float d = dv[(row * s.length + t) * s.channels + c];
            sums[4] += d;
            for (i64 j = 0; j < s.width; j++) {
                i64 at = t - (s.width - 1 - j);
                if (!parted(resets, row, s.length, at, t)) sums[j] += d * input(s, x, state, row, at, c);
            }
        }
        for (i64 j = 0; j < s.width; j++) parts[(p * (s.width + 1) + j) * s.channels + c] = sums[j];
        parts[(p * (s.width + 1) + s.width) * s.channels + c] = sums[4];
    }
}

extern "C" __global__ void conv_sums(const float *parts, float *dweight, float *dbias, u64 pieces, u64 channels,
                                     u64 width) {
    EACH(i, channels *(width + 1)) {
        u64 c = i % channels, j = i / channels;
        float sum = 0;
        for (u64 p = 0; p < pieces; p++) sum += parts[(p * (width + 1) + j) * channels + c];
        if (j < width)
            dweight[c * width + j] = sum;
        else if (dbias)
            dbias[c] = sum;
    }
}
