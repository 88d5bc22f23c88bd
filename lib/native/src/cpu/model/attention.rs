//! Causal attention over a cache, with grouped heads and an online softmax (Milakov and Gimelshein
//! 2018; Dao et al. 2022).
//!
//! The context is taken in blocks of `BLOCK` positions counted from position 0, whatever is asked
//! for together, and each score is one chain of lane sums. So the result for a query is the same to
//! the last bit whether it is computed in a prefill, in a step, alone, or among others.
//!
//! Limit: a decode step reads the cache once (memory); a prefill does 4 d operations for each pair
//! of query and key.

use super::rows::{Span, dims, expect_shape, spans};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::math::exp;
use crate::ensure;
use crate::error::Result;
use std::cell::RefCell;

/// Positions of the context that share one softmax step.
const BLOCK: usize = 64;
/// Queries that read a block of keys and values while it is in the cache.
const QUERIES: usize = 16;
/// Query heads of one key head that are computed together.
const HEADS: usize = 4;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Addresses and strides of one (row, key head, group of query heads).
#[derive(Clone, Copy)]
struct Job {
    /// The first query's first head, and the distance to the next query.
    q: *const f32,
    y: *mut f32,
    q_stride: usize,
    /// The row's position 0, and the distance to the next position.
    k: *const f32,
    v: *const f32,
    k_stride: usize,
    d: usize,
    scale: f32,
}

unsafe impl Sync for Job {}

/// `[q [b, l, h, d], k [b, capacity, kv, d], v (as k), starts [b], lens [b], y (as q)]`, attribute
/// scale: y = softmax(scale q k^T) v over the positions up to each query's own. Padding gives 0.
pub fn causal_attention(call: &Call) -> Result<()> {
    let [q, k, v, starts, lens, y] = call.args()?;
    let [batch, length, heads, d] = dims("q", q)?;
    let [_, capacity, kv_heads, _] = dims("k", k)?;
    expect_shape("k", k, &[batch, capacity, kv_heads, d])?;
    expect_shape("v", v, &[batch, capacity, kv_heads, d])?;
    expect_shape("y", y, q.shape())?;
    ensure!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "the heads of k must divide those of q, got {kv_heads} and {heads}"
    );
    let scale = call.attr(0)? as f32;
    let spans = spans(starts, lens, batch, length, capacity, "a cache")?;
    let (qp, kp, vp) = (q.f32()?.as_ptr(), k.f32()?.as_ptr(), v.f32()?.as_ptr());
    let yp = y.f32_mut()?.as_mut_ptr();
    let base = Job { q: qp, y: yp, q_stride: heads * d, k: kp, v: vp, k_stride: kv_heads * d, d, scale };

    let group = heads / kv_heads;
    let pieces = length.div_ceil(QUERIES);
    let isa = call.cpu.isa;
    call.cpu.threads.run(batch * kv_heads * pieces, |task| {
        let base = &base;
        let (row, rest) = (task / (kv_heads * pieces), task % (kv_heads * pieces));
        // The last queries have the longest context: take them first.
        let (kv, piece) = (rest % kv_heads, pieces - 1 - rest / kv_heads);
        let Span { start, len } = spans[row];
        let first = piece * QUERIES;
        let end = (first + QUERIES).min(length);
        let real = len.clamp(first, end) - first;
        for head in (0..group).step_by(HEADS) {
            let count = HEADS.min(group - head);
            let at = ((row * length + first) * heads + kv * group + head) * d;
            unsafe {
                let job = Job {
                    q: base.q.add(at),
                    y: base.y.add(at),
                    k: base.k.add((row * capacity * kv_heads + kv) * d),
                    v: base.v.add((row * capacity * kv_heads + kv) * d),
                    ..*base
                };
                for t in real..end - first {
                    std::slice::from_raw_parts_mut(job.y.add(t * job.q_stride), count * d).fill(0.0);
                }
                if real > 0 {
                    attend(isa, &job, count, start + first, real);
                }
            }
        }
    });
    Ok(())
}

by_isa!(fn attend(job: &Job, heads: usize, position: usize, queries: usize) = attend_body);

/// Queries `0..queries`, the first at `position`, for 1 to `HEADS` heads.
#[inline(always)]
unsafe fn attend_body<V: Lanes>(job: &Job, heads: usize, position: usize, queries: usize) {
    unsafe {
        match heads {
            1 => queries_of::<V, 1>(job, position, queries),
            2 => queries_of::<V, 2>(job, position, queries),
            3 => queries_of::<V, 3>(job, position, queries),
            _ => queries_of::<V, 4>(job, position, queries),
        }
    }
}

#[inline(always)]
unsafe fn queries_of<V: Lanes, const G: usize>(job: &Job, position: usize, queries: usize) {
    let d = job.d;
    SCRATCH.with_borrow_mut(|scratch| {
        // A block's weighted values, and for every query the sum so far.
        scratch.resize(G * d, 0.0);
        let mut max = [[f32::NEG_INFINITY; G]; QUERIES];
        let mut total = [[0.0f32; G]; QUERIES];
        let blocks = (position + queries).div_ceil(BLOCK);
        for block in 0..blocks {
            let from = block * BLOCK;
            let (k, v) = unsafe { (job.k.add(from * job.k_stride), job.v.add(from * job.k_stride)) };
            for t in 0..queries {
                if position + t < from {
                    continue;
                }
                let n = (position + t + 1 - from).min(BLOCK);
                let mut weights = [[f32::NEG_INFINITY; BLOCK]; G];
                unsafe { scores::<V, G>(job, t, k, n, &mut weights) };
                let mut keep = [1.0f32; G];
                for h in 0..G {
                    let w = &mut weights[h];
                    let top = w.iter().fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m });
                    let all = if top > max[t][h] { top } else { max[t][h] };
                    // A context of minus infinities alone has no weights to compare.
                    let shift = if all == f32::NEG_INFINITY { 0.0 } else { all };
                    for x in w.iter_mut() {
                        *x = exp(*x - shift);
                    }
                    let mut lanes = [0.0f32; 8];
                    for chunk in w.chunks_exact(8) {
                        for (sum, &x) in lanes.iter_mut().zip(chunk) {
                            *sum += x;
                        }
                    }
                    keep[h] = if block == 0 { 0.0 } else { exp(max[t][h] - shift) };
                    total[t][h] = total[t][h] * keep[h] + lanes.iter().sum::<f32>();
                    max[t][h] = all;
                }
                unsafe {
                    let y = job.y.add(t * job.q_stride);
                    values::<V, G>(job, v, n, &weights, scratch.as_mut_ptr());
                    for h in 0..G {
                        for i in h * d..(h + 1) * d {
                            let part = scratch[i];
                            *y.add(i) = if block == 0 { part } else { *y.add(i) * keep[h] + part };
                        }
                    }
                }
            }
        }
        for (t, total) in total.iter().enumerate().take(queries) {
            for (h, total) in total.iter().enumerate() {
                for i in h * d..(h + 1) * d {
                    unsafe { *job.y.add(t * job.q_stride + i) /= total };
                }
            }
        }
    });
}

/// `weights[h][j] = scale q_h . k_j` for the first `n` positions of a block.
#[inline(always)]
unsafe fn scores<V: Lanes, const G: usize>(
    job: &Job,
    t: usize,
    k: *const f32,
    n: usize,
    weights: &mut [[f32; BLOCK]; G],
) {
    const KEYS: usize = 4;
    let d = job.d;
    let lanes = d - d % V::N;
    unsafe {
        let q = job.q.add(t * job.q_stride);
        let mut j = 0;
        while j < n {
            // The last tile reads a key again where fewer than four are left.
            let keys: [*const f32; KEYS] = std::array::from_fn(|i| k.add((j + i).min(n - 1) * job.k_stride));
            let mut sums = [[V::splat(0.0); KEYS]; G];
            let mut c = 0;
            while c < lanes {
                let kc = keys.map(|key| V::load(key.add(c)));
                for (h, sums) in sums.iter_mut().enumerate() {
                    let qc = V::load(q.add(h * d + c));
                    for (sum, &kc) in sums.iter_mut().zip(&kc) {
                        *sum = qc.mul_add(kc, *sum);
                    }
                }
                c += V::N;
            }
            for h in 0..G {
                for i in 0..KEYS.min(n - j) {
                    let mut sum = sums[h][i].sum();
                    for c in lanes..d {
                        sum += *q.add(h * d + c) * *keys[i].add(c);
                    }
                    weights[h][j + i] = sum * job.scale;
                }
            }
            j += KEYS;
        }
    }
}

/// `out[h] = sum_j weights[h][j] v_j` over the first `n` positions of a block.
#[inline(always)]
unsafe fn values<V: Lanes, const G: usize>(
    job: &Job,
    v: *const f32,
    n: usize,
    weights: &[[f32; BLOCK]; G],
    out: *mut f32,
) {
    const WIDE: usize = 2;
    let d = job.d;
    let mut c = 0;
    unsafe {
        while c + WIDE * V::N <= d {
            let mut sums = [[V::splat(0.0); WIDE]; G];
            for j in 0..n {
                let row = v.add(j * job.k_stride + c);
                let vc: [V; WIDE] = std::array::from_fn(|i| V::load(row.add(i * V::N)));
                for (h, sums) in sums.iter_mut().enumerate() {
                    let w = V::splat(weights[h][j]);
                    for (sum, &vc) in sums.iter_mut().zip(&vc) {
                        *sum = w.mul_add(vc, *sum);
                    }
                }
            }
            for (h, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    sum.store(out.add(h * d + c + i * V::N));
                }
            }
            c += WIDE * V::N;
        }
        for h in 0..G {
            for i in c..d {
                let mut sum = 0.0f32;
                for (j, w) in weights[h].iter().enumerate().take(n) {
                    sum += w * *v.add(j * job.k_stride + i);
                }
                *out.add(h * d + i) = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::cpu::Cpu;

    struct Case {
        batch: usize,
        length: usize,
        heads: usize,
        kv_heads: usize,
        d: usize,
        capacity: usize,
        starts: Vec<i32>,
        lens: Vec<i32>,
        q: Vec<f32>,
        k: Vec<f32>,
        v: Vec<f32>,
    }

    impl Case {
        fn random(seed: u64, shape: [usize; 5]) -> Case {
            let [batch, length, heads, kv_heads, d] = shape;
            let mut random = Random(seed);
            let lens: Vec<i32> = (0..batch).map(|_| random.below(length + 1) as i32).collect();
            let starts: Vec<i32> = (0..batch).map(|_| random.below(150) as i32).collect();
            let capacity = 150 + length;
            let q = random.floats(batch * length * heads * d, 2.0);
            let mut k = random.floats(batch * capacity * kv_heads * d, 2.0);
            let mut v = random.floats(batch * capacity * kv_heads * d, 2.0);
            // What lies past a row's last token must not matter.
            for row in 0..batch {
                let end = (starts[row] + lens[row]) as usize;
                let from = (row * capacity + end) * kv_heads * d;
                let to = (row + 1) * capacity * kv_heads * d;
                k[from..to].fill(f32::NAN);
                v[from..to].fill(f32::NAN);
            }
            Case { batch, length, heads, kv_heads, d, capacity, starts, lens, q, k, v }
        }

        fn run(&mut self, cpu: &Cpu) -> Vec<f32> {
            let Case { batch, length, heads, kv_heads, d, capacity, .. } = *self;
            let mut y = vec![f32::NAN; self.q.len()];
            let cache = [batch, capacity, kv_heads, d];
            let tensors = [
                f(&mut self.q, &[batch, length, heads, d]),
                f(&mut self.k, &cache),
                f(&mut self.v, &cache),
                i(&mut self.starts, &[batch]),
                i(&mut self.lens, &[batch]),
                f(&mut y, &[batch, length, heads, d]),
            ];
            run(cpu, causal_attention, &tensors, &[1.0 / (d as f64).sqrt()]).unwrap();
            y
        }

        /// The definition, in float64.
        fn expected(&self) -> Vec<f32> {
            let Case { length, heads, kv_heads, d, capacity, .. } = *self;
            let mut y = vec![0.0f32; self.q.len()];
            for row in 0..self.batch {
                for t in 0..self.lens[row] as usize {
                    for h in 0..heads {
                        let q = &self.q[((row * length + t) * heads + h) * d..][..d];
                        let at = |j: usize| ((row * capacity + j) * kv_heads + h * kv_heads / heads) * d;
                        let seen = self.starts[row] as usize + t + 1;
                        let scores: Vec<f64> = (0..seen)
                            .map(|j| {
                                let k = &self.k[at(j)..][..d];
                                let dot: f64 =
                                    q.iter().zip(k).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                                dot / (d as f64).sqrt()
                            })
                            .collect();
                        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let total: f64 = scores.iter().map(|s| (s - max).exp()).sum();
                        for c in 0..d {
                            let sum: f64 = (0..seen)
                                .map(|j| (scores[j] - max).exp() / total * f64::from(self.v[at(j) + c]))
                                .sum();
                            y[((row * length + t) * heads + h) * d + c] = sum as f32;
                        }
                    }
                }
            }
            y
        }
    }

    const SHAPES: [[usize; 5]; 9] = [
        [1, 1, 9, 3, 64],
        [3, 1, 9, 3, 64],
        [2, 70, 9, 3, 64],
        [3, 17, 4, 4, 8],
        [2, 5, 8, 1, 20],
        [1, 33, 5, 1, 128],
        [2, 3, 6, 2, 13],
        [2, 19, 14, 2, 96],
        [1, 2, 1, 1, 1],
    ];

    #[test]
    fn equals_its_definition() {
        for cpu in devices() {
            for (seed, shape) in SHAPES.into_iter().enumerate() {
                let mut case = Case::random(seed as u64, shape);
                let want = case.expected();
                close(&case.run(&cpu), &want, 3e-6);
            }
        }
    }

    #[test]
    fn a_query_has_the_same_bits_in_any_company() {
        for cpu in devices() {
            let mut whole = Case::random(5, [2, 70, 9, 3, 64]);
            whole.lens.fill(70);
            whole.k.iter_mut().chain(&mut whole.v).for_each(|x| *x = if x.is_nan() { 0.25 } else { *x });
            let all = whole.run(&cpu);
            for (row, t) in [(0, 0), (0, 33), (1, 15), (1, 16), (1, 69)] {
                let width = 9 * 64;
                let cache = whole.capacity * 3 * 64;
                let mut one = Case {
                    batch: 1,
                    length: 1,
                    starts: vec![whole.starts[row] + t as i32],
                    lens: vec![1],
                    q: whole.q[(row * 70 + t) * width..][..width].to_vec(),
                    k: whole.k[row * cache..][..cache].to_vec(),
                    v: whole.v[row * cache..][..cache].to_vec(),
                    ..whole
                };
                assert_eq!(one.run(&cpu), all[(row * 70 + t) * width..][..width]);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_agree_are_named() {
        let cpu = Cpu::new(1);
        let mut case = Case::random(1, [1, 1, 4, 2, 8]);
        case.starts[0] = 1000;
        case.lens[0] = 1;
        let (mut q, mut y) = (case.q.clone(), case.q.clone());
        let cache = [1, case.capacity, 2, 8];
        let tensors = [
            f(&mut q, &[1, 1, 4, 8]),
            f(&mut case.k, &cache),
            f(&mut case.v, &cache),
            i(&mut case.starts, &[1]),
            i(&mut case.lens, &[1]),
            f(&mut y, &[1, 1, 4, 8]),
        ];
        let error = run(&cpu, causal_attention, &tensors, &[1.0]).unwrap_err();
        assert!(error.0.contains("row 0") && error.0.contains("1000"), "{error}");
    }
}
