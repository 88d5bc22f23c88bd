// The derivative of the short convolution: a thread goes back over a piece of a channel's tokens and
// computes the gradient before the activation as it goes. Limit: x, dy and dx moved once.

struct Conv {
    i64 batch, length, channels, width, silu;
};

// Tokens of a thread; pieces of a row and channels that a block takes; inputs that a token sees.
constexpr int PIECE = 32, PIECES = 8, CHANNELS = 32, MOST = 4;
// Tokens whose numbers are on their way at once.
constexpr int AHEAD = 4;

struct ConvInputs {
    const float *x, *weight, *bias, *state;
    const i32 *lens, *resets;
    const float *dy, *dstate;
};

// Sums for weights and bias by blocks of pieces: parts [batch x grid.y, width + 1, channels].
// grid: (blocks of channels, blocks of pieces, batch).
extern "C" __global__ __launch_bounds__(CHANNELS *PIECES) void conv_back(ConvInputs in, float *__restrict__ dx,
                                                                        float *__restrict__ dinitial,
                                                                        float *__restrict__ parts, Conv s,
                                                                        Fault *fault) {
    __shared__ float shared[PIECES][MOST + 1][CHANNELS];
    int lane = threadIdx.x % CHANNELS, piece = threadIdx.x / CHANNELS, width = (int)s.width;
    i64 row = blockIdx.z, channel = blockIdx.x * (i64)CHANNELS + lane;
    i64 from = (blockIdx.y * (i64)PIECES + piece) * PIECE, to = min(from + PIECE, s.length);
    bool real = channel < s.channels;
    i64 len = in.lens ? in.lens[row] : s.length;
    if (len < 0 || len > s.length) {
        report(fault, 3, row, len, s.length);
        len = 0;
    }
    const float *__restrict__ x = in.x + row * s.length * s.channels + channel;
    const float *__restrict__ dy = in.dy + row * s.length * s.channels + channel;
    const i32 *__restrict__ resets = in.resets ? in.resets + row * s.length : nullptr;
    float sums[MOST + 1] = {};
    // A token's input may lie in the state before the row.
    auto input = [&](i64 t) {
        if (t >= 0) return t < len ? x[t * s.channels] : 0.0f;
        i64 kept = t + width - 1;
        return in.state && kept >= 0 ? in.state[(row * (width - 1) + kept) * s.channels + channel] : 0.0f;
    };
    // What a token, or one of the state before the row where t < 0, gets from the state after it.
    auto from_state = [&](i64 t) {
        i64 kept = t - (len - (width - 1));
        if (kept < 0 || t >= len) return 0.0f;
        for (i64 i = max(t + 1, (i64)0); resets && i < len; i++)
            if (resets[i]) return 0.0f;
        return in.dstate[(row * (width - 1) + kept) * s.channels + channel];
    };
    // The first piece also answers for the state of a row that is shorter than that.
    if (real && (from < s.length || from == 0)) {
        float weight[MOST], own_bias = in.bias ? in.bias[channel] : 0.0f;
        for (int j = 0; j < MOST; j++) weight[j] = j < width ? in.weight[channel * width + width - 1 - j] : 0.0f;
        float *out = dx + row * s.length * s.channels + channel;
        for (i64 t = max(from, len); t < to; t++) out[t * s.channels] = 0;
        // Later tokens that saw the piece's are gone through once more; number j is of token t - j.
        i64 top = min(to + width - 1, len) - 1;
        float seen[MOST], gets[MOST] = {};
        for (int j = 0; j < MOST; j++) seen[j] = input(top - j);
        i64 t = top;
        while (t >= from) {
            float before[AHEAD], dys[AHEAD];
            bool starts[AHEAD + MOST - 1];
#pragma unroll
            for (int k = 0; k < AHEAD; k++) {
                before[k] = t - k >= from ? input(t - k - MOST) : 0.0f;
                dys[k] = t - k >= from ? dy[(t - k) * s.channels] : 0.0f;
            }
#pragma unroll
            for (int k = 0; k < AHEAD + MOST - 1; k++) starts[k] = resets && t - k >= 0 && resets[t - k];
#pragma unroll
            for (int k = 0; k < AHEAD; k++, t--) {
                if (t < from) break;
                // Whether the token sees the one j before it.
                bool sees[MOST];
                float sum = own_bias;
#pragma unroll
                for (int j = 0; j < MOST; j++) {
                    sees[j] = j == 0 || (j < width && sees[j - 1] && !starts[k + j - 1]);
                    if (sees[j]) sum = fmaf(weight[j], seen[j], sum);
                }
                float d = dys[k];
                if (s.silu) {
                    float open = sigmoid(sum);
                    d *= open * fmaf(sum, 1.0f - open, 1.0f);
                }
#pragma unroll
                for (int j = 0; j < MOST; j++)
                    if (sees[j]) {
                        gets[j] = fmaf(weight[j], d, gets[j]);
                        if (t < to) sums[j] = fmaf(d, seen[j], sums[j]);
                    }
                if (t < to) {
                    sums[MOST] += d;
                    out[t * s.channels] = gets[0] + from_state(t);
                }
#pragma unroll
                for (int j = 0; j < MOST - 1; j++) gets[j] = gets[j + 1], seen[j] = seen[j + 1];
                gets[MOST - 1] = 0, seen[MOST - 1] = before[k];
            }
        }
        if (from == 0 && dinitial)
            for (int j = 0; j < width - 1; j++)
                dinitial[(row * (width - 1) + width - 2 - j) * s.channels + channel] = gets[j] + from_state(-1 - j);
    }
    for (int j = 0; j <= MOST; j++) shared[piece][j][lane] = sums[j];
    __syncthreads();
    // Number j of the sums is of weight width - 1 - j; the bias's comes last.
    for (int j = piece; j <= MOST; j += PIECES) {
        int which = j == MOST ? width : width - 1 - j;
        if (!real || which < 0) continue;
        float sum = 0;
        for (int i = 0; i < PIECES; i++) sum += shared[i][j][lane];
        parts[((row * gridDim.y + blockIdx.y) * (width + 1) + which) * s.channels + channel] = sum;
    }
}

extern "C" __global__ void conv_sums(const float *parts, float *dweight, float *dbias, u64 pieces, u64 channels,
                                     u64 width) {
    EACH(i, channels *(width + 1)) {
        u64 c = i % channels, j = i / channels;
        float sum = 0;
#pragma unroll 8
        for (u64 p = 0; p < pieces; p++) sum += parts[(p * (width + 1) + j) * channels + c];
        if (j < width)
            dweight[c * width + j] = sum;
        else if (dbias)
            dbias[c] = sum;
    }
}
