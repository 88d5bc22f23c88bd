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
            q: random.floats(b * l * h * d, 2.0),
            k: random.floats(b * capacity * kv * d, 1.0),
            v: random.floats(b * capacity * kv * d, 1.0),
        }
    }

    fn run(&mut self, cpu: &Cpu) -> Result<Vec<f32>> {
        let Case { b, l, h, kv, d, capacity, .. } = *self;
        let mut y = vec![f32::NAN; b * l * h * d];
        let tensors = [
            f(&mut self.q, &[b, l, h, d]),
            f(&mut self.k, &[b, capacity, kv, d]),
            f(&mut self.v, &[b, capacity, kv, d]),
            i(&mut self.starts, &[b]),
            i(&mut self.lens, &[b]),
            f(&mut y, &[b, l, h, d]),
        ];
        run(cpu, causal_attention, &tensors, &[1.0 / (d as f64).sqrt()])?;
        Ok(y)
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
                    let scores: Vec<f64> = (0..count)
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
                            .map(|(p, w)| w * f64::from(self.v[kv_at(p) + j]))
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
