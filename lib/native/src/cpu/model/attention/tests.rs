use super::super::testing::*;
use super::*;
use crate::cpu::Cpu;

struct Case {
    b: usize,
    l: usize,
    h: usize,
    kv: usize,
    d: usize,
    capacity: usize,
    starts: Vec<i32>,
    lens: Vec<i32>,
    /// Empty where the case has none.
    resets: Vec<i32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Case {
    fn new(b: usize, l: usize, h: usize, kv: usize, d: usize, capacity: usize, seed: u64) -> Case {
        let mut random = Random(seed);
        let lens: Vec<i32> = (0..b).map(|r| if r == 0 { l } else { random.below(l + 1) } as i32).collect();
        let starts = lens.iter().map(|&n| random.below(capacity - n as usize + 1) as i32).collect();
        Case {
            b,
            l,
            h,
            kv,
            d,
            capacity,
            starts,
            lens,
            resets: vec![],
            q: random.floats(b * l * h * d, 2.0),
            k: random.floats(b * capacity * kv * d, 1.0),
            v: random.floats(b * capacity * kv * d, 1.0),
        }
    }

    fn packed(mut self) -> Case {
        let mut random = Random(9);
        self.resets = (0..self.b * self.l).map(|_| i32::from(random.below(5) == 0)).collect();
        self
    }

    /// The first position that a token sees.
    fn since(&self, row: usize, t: usize) -> usize {
        let start = self.starts[row] as usize;
        let resets = |t: usize| self.resets.get(row * self.l + t).is_some_and(|&r| r != 0);
        (0..=t).rev().find(|&t| resets(t)).map_or(0, |t| start + t)
    }

    fn run(&mut self, cpu: &Cpu) -> Result<Vec<f32>> {
        let keys = [self.b, self.capacity, self.kv, self.d];
        let (k, v) = (f(&mut self.k, &keys), f(&mut self.v, &keys));
        self.run_over(cpu, k, v)
    }

    fn run_over(&mut self, cpu: &Cpu, k: Tensor, v: Tensor) -> Result<Vec<f32>> {
        let Case { b, l, h, d, .. } = *self;
        let mut y = vec![f32::NAN; b * l * h * d];
        let mut tensors =
            vec![f(&mut self.q, &[b, l, h, d]), k, v, i(&mut self.starts, &[b]), i(&mut self.lens, &[b])];
        let packed = !self.resets.is_empty();
        if packed {
            tensors.push(i(&mut self.resets, &[b, l]));
        }
        tensors.push(f(&mut y, &[b, l, h, d]));
        run(cpu, causal_attention, &tensors, &[1.0 / (d as f64).sqrt(), f64::from(u8::from(packed))])?;
        Ok(y)
    }

    /// The gradients by q, k and v.
    fn backward(&mut self, cpu: &Cpu, dy: &mut [f32]) -> [Vec<f32>; 3] {
        let Case { b, l, h, kv, d, capacity, .. } = *self;
        let (queries, keys) = ([b, l, h, d], [b, capacity, kv, d]);
        let mut out = [&self.q, &self.k, &self.v].map(|t| vec![f32::NAN; t.len()]);
        let packed = !self.resets.is_empty();
        let mut tensors = vec![
            f(&mut self.q, &queries),
            f(&mut self.k, &keys),
            f(&mut self.v, &keys),
            i(&mut self.starts, &[b]),
            i(&mut self.lens, &[b]),
        ];
        if packed {
            tensors.push(i(&mut self.resets, &[b, l]));
        }
        tensors.push(f(dy, &queries));
        let [dq, dk, dv] = &mut out;
        tensors.extend([f(dq, &queries), f(dk, &keys), f(dv, &keys)]);
        let attrs = [f64::from(u8::from(packed)), 1.0 / (d as f64).sqrt()];
        run(cpu, causal_attention_backward, &tensors, &attrs).unwrap();
        out
    }

    fn reference(&self) -> Vec<f32> {
        let Case { b, l, h, kv, d, capacity, .. } = *self;
        let mut y = vec![0.0; b * l * h * d];
        for row in 0..b {
            for t in 0..self.lens[row] as usize {
                for head in 0..h {
                    let at = ((row * l + t) * h + head) * d;
                    let kv_at = |p: usize| ((row * capacity + p) * kv + head / (h / kv)) * d;
                    let count = self.starts[row] as usize + t + 1;
                    let first = self.since(row, t);
                    let scores: Vec<f64> = (first..count)
                        .map(|p| {
                            let dot = |j| f64::from(self.q[at + j]) * f64::from(self.k[kv_at(p) + j]);
                            (0..d).map(dot).sum::<f64>() / (d as f64).sqrt()
                        })
                        .collect();
                    let max = scores.iter().copied().fold(f64::MIN, f64::max);
                    let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    for j in 0..d {
                        let sum: f64 = weights
                            .iter()
                            .enumerate()
                            .map(|(p, w)| w * f64::from(self.v[kv_at(first + p) + j]))
                            .sum();
                        y[at + j] = (sum / total) as f32;
                    }
                }
            }
        }
        y
    }
}

#[test]
fn attention_equals_its_definition() {
    for cpu in devices() {
        for (b, l, h, kv, d, capacity) in [
            (1, 1, 1, 1, 8, 1),
            (3, 1, 9, 3, 64, 200),
            (2, 1, 4, 4, 20, 65),
            (1, 1, 8, 1, 128, 300),
            (2, 5, 6, 2, 16, 64),
            (3, 7, 2, 1, 33, 129),
            (2, 33, 9, 3, 64, 100),
            (1, 70, 7, 7, 72, 70),
            (3, 64, 3, 1, 256, 128),
            (1, 40, 9, 9, 1, 41),
            (1, 3, 130, 1, 8, 70),
        ] {
            for seed in 0..3 {
                let mut case = Case::new(b, l, h, kv, d, capacity, seed);
                close(&case.run(&cpu).unwrap(), &case.reference(), 3e-6);
            }
        }
    }
}

#[test]
fn a_query_has_the_same_bits_in_any_batch_split_and_number_of_threads() {
    for isa in [Isa::Portable, Isa::best()] {
        for (l, h, kv, d, capacity) in [(150, 9, 3, 64, 150), (70, 4, 1, 20, 200), (131, 2, 2, 8, 260)] {
            let cpus = [1, 2, 3].map(|n| Cpu { threads: crate::threads::Threads::new(n), isa });
            let mut whole = Case::new(1, l, h, kv, d, capacity, 5);
            let start = whole.starts[0];
            let want = whole.run(&cpus[0]).unwrap();
            let token = h * d;
            for cpu in &cpus {
                assert_eq!(whole.run(cpu).unwrap(), want);
                for step in [1, 2, 37, 100] {
                    for from in (0..l).step_by(step) {
                        let n = step.min(l - from);
                        let mut part = Case::new(1, n, h, kv, d, capacity, 5);
                        (part.starts, part.lens) = (vec![start + from as i32], vec![n as i32]);
                        part.q = whole.q[from * token..][..n * token].to_vec();
                        (part.k, part.v) = (whole.k.clone(), whole.v.clone());
                        assert_eq!(part.run(cpu).unwrap(), want[from * token..][..n * token]);
                    }
                }
                // In a batch beside others, padded.
                let mut batch = Case::new(3, l + 3, h, kv, d, capacity + 9, 6);
                batch.starts[1] = start;
                batch.lens[1] = l as i32;
                batch.q[(l + 3) * token..][..l * token].copy_from_slice(&whole.q);
                let row = (capacity + 9) * kv * d;
                batch.k[row..][..capacity * kv * d].copy_from_slice(&whole.k);
                batch.v[row..][..capacity * kv * d].copy_from_slice(&whole.v);
                assert_eq!(batch.run(cpu).unwrap()[(l + 3) * token..][..l * token], want);
            }
        }
    }
}

#[test]
fn what_lies_beyond_the_tokens_is_never_read() {
    for cpu in devices() {
        let mut case = Case::new(2, 3, 6, 2, 24, 90, 1);
        (case.starts, case.lens) = (vec![60, 10], vec![3, 2]);
        let want = case.run(&cpu).unwrap();
        let token = 2 * 24;
        for (row, count) in [(0, 63), (1, 12)] {
            for cache in [&mut case.k, &mut case.v] {
                cache[(row * 90 + count) * token..(row + 1) * 90 * token].fill(f32::NAN);
            }
        }
        case.q[5 * 6 * 24..].fill(f32::NAN);
        assert_eq!(case.run(&cpu).unwrap(), want);
        assert!(want[5 * 6 * 24..].iter().all(|&v| v == 0.0));
    }
}

#[test]
fn a_bfloat16_cache_gives_the_bits_of_its_numbers_as_floats() {
    for cpu in devices() {
        for (b, l, h, kv, d, capacity) in [
            (3, 1, 9, 3, 64, 200),
            (2, 5, 6, 2, 20, 65),
            (1, 40, 9, 9, 1, 41),
            (1, 1, 8, 1, 128, 300),
            (3, 7, 2, 1, 33, 129),
        ] {
            let mut case = Case::new(b, l, h, kv, d, capacity, 7);
            let (mut k, mut v) = (rounded(&mut case.k), rounded(&mut case.v));
            let want = case.run(&cpu).unwrap();
            let keys = [b, capacity, kv, d];
            let got = case.run_over(&cpu, bf16(&mut k, &keys), bf16(&mut v, &keys)).unwrap();
            assert_eq!(got, want);
        }
    }
}

#[test]
fn keys_and_values_of_two_storages_are_an_error() {
    let cpu = &devices()[0];
    let mut case = Case::new(1, 1, 1, 1, 8, 4, 1);
    let (mut k, mut v) = (rounded(&mut case.k.clone()), case.v.clone());
    let keys = [1, 4, 1, 8];
    let e = case.run_over(cpu, bf16(&mut k, &keys), f(&mut v, &keys)).unwrap_err().0;
    assert!(e.contains("k and v should both be F32 or both BF16, got k BF16 and v F32"), "{e}");
}

#[test]
fn large_scores_do_not_overflow() {
    for cpu in devices() {
        let mut case = Case::new(1, 9, 2, 1, 16, 100, 3);
        case.q.iter_mut().for_each(|v| *v *= 1e4);
        let y = case.run(&cpu).unwrap();
        assert!(y.iter().all(|v| v.is_finite() && v.abs() <= 1.0));
    }
}

#[test]
fn bad_shapes_and_positions_are_errors() {
    let cpu = &devices()[0];
    let mut case = Case::new(2, 4, 4, 2, 8, 10, 1);
    case.starts = vec![0, 7];
    case.lens = vec![4, 4];
    let e = case.run(cpu).unwrap_err().0;
    assert!(e.contains("row 1 holds positions 7 to 10, beyond a cache of 10"), "{e}");
    let mut case = Case::new(1, 1, 4, 3, 8, 4, 1);
    let e = case.run(cpu).unwrap_err().0;
    assert!(e.contains("4 query heads cannot share 3 key-value heads"), "{e}");
}

#[test]
fn packed_documents_do_not_see_each_other() {
    for cpu in devices() {
        for (b, l, h, kv, d, capacity) in
            [(2, 9, 4, 2, 8, 12), (1, 150, 2, 1, 20, 200), (3, 70, 3, 3, 16, 70)]
        {
            let mut case = Case::new(b, l, h, kv, d, capacity, 4).packed();
            close(&case.run(&cpu).unwrap(), &case.reference(), 2e-5);
        }
    }
}

#[test]
fn the_gradients_are_the_slopes_of_the_definition() {
    for (b, l, h, kv, d, capacity) in [(2, 5, 4, 2, 6, 7), (1, 70, 2, 1, 16, 80)] {
        for packed in [false, true] {
            let mut case = Case::new(b, l, h, kv, d, capacity, 8);
            if packed {
                case = case.packed();
            }
            let mut dy = Random(1).floats(b * l * h * d, 1.0);
            let found: Vec<_> = devices().iter().map(|cpu| case.backward(cpu, &mut dy)).collect();
            // On one thread and on three.
            for pair in found.chunks(2) {
                assert_eq!(pair[0], pair[1]);
            }
            for gradients in &found {
                for (which, gradient) in gradients.iter().enumerate() {
                    for at in (0..gradient.len()).step_by(gradient.len() / 7) {
                        let mut moved = |by: f32| {
                            let t = [&mut case.q, &mut case.k, &mut case.v][which].as_mut_ptr();
                            let kept = unsafe { *t.add(at) };
                            unsafe { *t.add(at) = kept + by };
                            let y = case.reference();
                            unsafe { *t.add(at) = kept };
                            y.iter().zip(&dy).map(|(y, d)| f64::from(*y) * f64::from(*d)).sum::<f64>()
                        };
                        let want = (moved(0.015625) - moved(-0.015625)) / 0.03125;
                        let got = f64::from(gradient[at]);
                        assert!((got - want).abs() < 2e-3, "{which}, element {at}: {got}, not {want}");
                    }
                }
            }
        }
    }
}
