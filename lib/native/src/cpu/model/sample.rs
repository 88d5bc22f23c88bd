//! Drawing tokens: temperature, then the k likeliest, then the likeliest that reach topP together,
//! then those not below minP times the likeliest; one uniform number a row, by inverse distribution.
//!
//! Everything of a row is computed in one fixed order by one thread, and its number comes from its
//! key alone: the same draw whatever the batch, the threads or the instruction set.

use super::log_softmax::{exp_sum, max_of};
use super::philox::uniform;
use super::rows::{dims, expect_shape};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::math::exp;
use crate::error::Result;
use crate::{ensure, fail};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Terms that one partial sum of the distribution takes.
const BLOCK: usize = 512;

/// `[logits [b, v], params [b, 4], keys i32 [b, 4], lens i32 [b], ids i32 [b], logProb [b]]`.
///
/// params: temperature (0: the likeliest, the lowest id of equals), topP (1: off), minP (0: off),
/// topK (0: off). keys: seed, problem, sample, position. A row of length 0 gives id 0. logProb is
/// the model's own: temperature 1, nothing cut off.
pub fn sample_tokens(call: &Call) -> Result<()> {
    let [logits, params, keys, lens, ids, log_prob] = call.args()?;
    let [batch, vocab] = dims("logits", logits)?;
    expect_shape("params", params, &[batch, 4])?;
    expect_shape("keys", keys, &[batch, 4])?;
    expect_shape("lens", lens, &[batch])?;
    expect_shape("ids", ids, &[batch])?;
    expect_shape("logProb", log_prob, &[batch])?;
    ensure!(vocab > 0, "logits has no columns");
    let (logits, params, keys, lens) = (logits.f32()?, params.f32()?, keys.i32()?, lens.i32()?);
    for (row, p) in params.chunks_exact(4).enumerate() {
        let [temperature, top_p, min_p, top_k] = [p[0], p[1], p[2], p[3]];
        ensure!(
            temperature >= 0.0 && top_p > 0.0 && (0.0..=1.0).contains(&min_p) && top_k >= 0.0,
            "row {row}: temperature {temperature}, topP {top_p}, minP {min_p}, topK {top_k} are out of range"
        );
    }
    let (ids, log_prob) = (ids.i32_mut()?.as_mut_ptr() as usize, log_prob.f32_mut()?.as_mut_ptr() as usize);
    let nan = AtomicUsize::new(usize::MAX);
    let isa = call.cpu.isa;
    call.cpu.threads.run(batch, |row| {
        let (mut id, mut log) = (0, 0.0);
        if lens[row] != 0 {
            let x = &logits[row * vocab..(row + 1) * vocab];
            match unsafe { draw(isa, x, &params[row * 4..row * 4 + 4], &keys[row * 4..row * 4 + 4]) } {
                Some(drawn) => (id, log) = drawn,
                None => {
                    nan.fetch_min(row, Relaxed);
                }
            }
        }
        unsafe {
            *(ids as *mut i32).add(row) = id as i32;
            *(log_prob as *mut f32).add(row) = log;
        }
    });
    match nan.into_inner() {
        usize::MAX => Ok(()),
        row => fail!("the logits of row {row} hold NaN, or nothing above minus infinity"),
    }
}

by_isa!(fn draw(x: &[f32], params: &[f32], key: &[i32]) -> Option<(usize, f32)> = draw_body);

/// The token and its log-probability; none where the logits are not a distribution.
#[inline(always)]
unsafe fn draw_body<V: Lanes>(x: &[f32], params: &[f32], key: &[i32]) -> Option<(usize, f32)> {
    let max = max_of(x);
    let total: f64 = x.chunks(BLOCK).map(|block| exp_sum(block, max, 1.0)).sum();
    if !max.is_finite() || total.is_nan() {
        return None;
    }
    let (temperature, top_p, min_p, top_k) = (params[0], params[1], params[2], params[3] as usize);
    let number = || {
        let [seed, problem, sample, position] = [0, 1, 2, 3].map(|i| key[i] as u32);
        uniform([sample, position, 0, 0], [seed, problem])
    };
    let id = if temperature == 0.0 {
        x.iter().position(|&v| v == max)?
    } else {
        let scale = 1.0 / temperature;
        if (top_k == 0 || top_k >= x.len()) && top_p >= 1.0 && min_p == 0.0 {
            among_all(x, max, scale, number())
        } else {
            among_kept(x, &kept(x, max, scale, top_k, top_p, min_p), max, scale, number())
        }
    };
    Some((id, (f64::from(x[id] - max) - total.ln()) as f32))
}

/// Inverse distribution over all tokens: first the block, then the token in it.
#[inline(always)]
fn among_all(x: &[f32], max: f32, scale: f32, number: f64) -> usize {
    let sums: Vec<f64> = x.chunks(BLOCK).map(|block| exp_sum(block, max, scale)).collect();
    let mut target = number * sums.iter().sum::<f64>();
    let mut last = 0;
    for (b, sum) in sums.iter().enumerate() {
        if *sum > 0.0 {
            last = b;
            if target < *sum {
                break;
            }
            target -= sum;
        }
    }
    let from = last * BLOCK;
    let end = (from + BLOCK).min(x.len());
    let mut id = from;
    let mut sum = 0.0;
    for (i, &v) in x[from..end].iter().enumerate() {
        let weight = f64::from(exp((v - max) * scale));
        if weight > 0.0 {
            id = from + i;
            sum += weight;
            if sum > target {
                break;
            }
        }
    }
    id
}

fn among_kept(x: &[f32], ids: &[u32], max: f32, scale: f32, number: f64) -> usize {
    let weight = |id: u32| f64::from(exp((x[id as usize] - max) * scale));
    let target = number * ids.iter().map(|&id| weight(id)).sum::<f64>();
    let mut sum = 0.0;
    for &id in ids {
        sum += weight(id);
        if sum > target {
            return id as usize;
        }
    }
    ids[ids.len() - 1] as usize
}

/// The ids that may be drawn, ascending. Of equal logits the lower id counts as likelier.
fn kept(x: &[f32], max: f32, scale: f32, top_k: usize, top_p: f32, min_p: f32) -> Vec<u32> {
    let weight = |id: u32| exp((x[id as usize] - max) * scale);
    let likelier = |a: &u32, b: &u32| x[*b as usize].total_cmp(&x[*a as usize]).then(a.cmp(b));
    let mut ids: Vec<u32> = (0..x.len() as u32).collect();
    if top_k > 0 && top_k < ids.len() {
        ids.select_nth_unstable_by(top_k - 1, likelier);
        ids.truncate(top_k);
    }
    if top_p < 1.0 {
        ids.sort_unstable();
        let goal = f64::from(top_p) * ids.iter().map(|&id| f64::from(weight(id))).sum::<f64>();
        keep_mass(&mut ids, goal, weight, likelier);
    }
    if min_p > 0.0 {
        ids.retain(|&id| weight(id) >= min_p);
    }
    ids.sort_unstable();
    ids
}

/// Shortens the ids to the likeliest whose weights reach the goal. Few usually do, so ever larger
/// heads are sorted, and not all.
fn keep_mass(
    ids: &mut Vec<u32>,
    goal: f64,
    weight: impl Fn(u32) -> f32,
    likelier: impl Fn(&u32, &u32) -> std::cmp::Ordering,
) {
    let mut head = 64;
    loop {
        let size = head.min(ids.len());
        if size < ids.len() {
            ids.select_nth_unstable_by(size - 1, &likelier);
        }
        ids[..size].sort_unstable_by(&likelier);
        let mut sum = 0.0;
        if let Some(end) = ids[..size].iter().position(|&id| {
            sum += f64::from(weight(id));
            sum >= goal
        }) {
            ids.truncate(end + 1);
            return;
        }
        if size == ids.len() {
            return;
        }
        head *= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::cpu::Cpu;

    fn sample(cpu: &Cpu, x: &[f32], vocab: usize, params: [f32; 4], keys: &[[i32; 4]]) -> Vec<(usize, f32)> {
        let b = keys.len();
        let mut logits: Vec<f32> = if x.len() == vocab { x.repeat(b) } else { x.to_vec() };
        let mut params = params.repeat(b);
        let mut keys = keys.concat();
        let (mut lens, mut ids, mut logs) = (vec![1; b], vec![-1; b], vec![f32::NAN; b]);
        let tensors = [
            f(&mut logits, &[b, vocab]),
            f(&mut params, &[b, 4]),
            i(&mut keys, &[b, 4]),
            i(&mut lens, &[b]),
            i(&mut ids, &[b]),
            f(&mut logs, &[b]),
        ];
        run(cpu, sample_tokens, &tensors, &[]).unwrap();
        ids.into_iter().map(|id| id as usize).zip(logs).collect()
    }

    fn keys(n: i32) -> Vec<[i32; 4]> {
        (0..n).map(|s| [7, 3, s, 11]).collect()
    }

    #[test]
    fn greedy_takes_the_lowest_of_equals_and_reports_the_models_own_probability() {
        let x = [0.5, 2.0, -1.0, 2.0, 0.0];
        let total: f64 = x.iter().map(|&v| f64::from(v).exp()).sum();
        for cpu in devices() {
            let [(id, log)] = sample(&cpu, &x, 5, [0.0, 1.0, 0.0, 0.0], &keys(1))[..] else { panic!() };
            assert_eq!(id, 1);
            assert!((f64::from(log) - (2.0 - total.ln())).abs() < 1e-6);
        }
    }

    /// Pearson's statistic against the expected shares, 20 000 draws.
    fn chi_square(got: &[usize], share: &[f64]) -> f64 {
        let n: usize = got.iter().sum();
        got.iter().zip(share).filter(|(_, p)| **p > 0.0).fold(0.0, |sum, (g, p)| {
            let want = p * n as f64;
            sum + (*g as f64 - want).powi(2) / want
        })
    }

    fn shares(x: &[f32], temperature: f64, keep: impl Fn(usize) -> bool) -> Vec<f64> {
        let w: Vec<f64> =
            (0..x.len()).map(|i| if keep(i) { (f64::from(x[i]) / temperature).exp() } else { 0.0 }).collect();
        let total: f64 = w.iter().sum();
        w.into_iter().map(|w| w / total).collect()
    }

    #[test]
    fn draws_follow_the_distribution() {
        let x = Random(1).floats(12, 2.0);
        let mut order: Vec<usize> = (0..12).collect();
        order.sort_by(|&a, &b| x[b].total_cmp(&x[a]));
        let rank = |i: usize| order.iter().position(|&o| o == i).unwrap();
        let cut = |p: f64| {
            let all = shares(&x, 0.7, |_| true);
            let mut sum = 0.0;
            1 + order
                .iter()
                .position(|&i| {
                    sum += all[i];
                    sum >= p
                })
                .unwrap()
        };
        let (in_p, top) = (cut(0.8), x[order[0]]);
        let cpu = Cpu::new(2);
        let cases: [([f32; 4], Vec<f64>); 5] = [
            ([1.0, 1.0, 0.0, 0.0], shares(&x, 1.0, |_| true)),
            ([0.7, 1.0, 0.0, 0.0], shares(&x, 0.7, |_| true)),
            ([0.7, 1.0, 0.0, 4.0], shares(&x, 0.7, |i| rank(i) < 4)),
            ([0.7, 0.8, 0.0, 0.0], shares(&x, 0.7, |i| rank(i) < in_p)),
            ([0.7, 1.0, 0.1, 0.0], shares(&x, 0.7, |i| (f64::from(x[i] - top) / 0.7).exp() >= 0.1)),
        ];
        for (params, share) in cases {
            let mut counts = vec![0; 12];
            for (id, _) in sample(&cpu, &x, 12, params, &keys(20_000)) {
                counts[id] += 1;
            }
            for (count, share) in counts.iter().zip(&share) {
                assert!(*share > 0.0 || *count == 0, "{params:?}: a token was drawn that is cut off");
            }
            // 11 degrees of freedom: 31.3 is passed once in a thousand.
            assert!(chi_square(&counts, &share) < 31.3, "{params:?}: {counts:?} for {share:?}");
        }
    }

    #[test]
    fn a_draw_depends_on_its_key_alone() {
        let vocab = 49_152;
        let x = Random(3).floats(vocab, 8.0);
        for params in [[0.8, 1.0, 0.0, 0.0], [0.8, 0.95, 0.0, 0.0], [1.0, 1.0, 0.05, 50.0]] {
            let want = sample(&Cpu::new(1), &x, vocab, params, &keys(9));
            for cpu in devices() {
                assert_eq!(sample(&cpu, &x, vocab, params, &keys(9)), want);
                let alone = sample(&cpu, &x, vocab, params, &keys(9)[4..5]);
                assert_eq!(alone[0], want[4]);
            }
        }
    }

    #[test]
    fn logits_that_are_not_numbers_are_an_error_naming_the_row() {
        let mut logits = vec![0.0, 1.0, 0.0, f32::NAN];
        let (mut params, mut keys) = ([1.0, 1.0, 0.0, 0.0].repeat(2), vec![0; 8]);
        let (mut lens, mut ids, mut logs) = (vec![1; 2], vec![0; 2], vec![0.0; 2]);
        let tensors = [
            f(&mut logits, &[2, 2]),
            f(&mut params, &[2, 4]),
            i(&mut keys, &[2, 4]),
            i(&mut lens, &[2]),
            i(&mut ids, &[2]),
            f(&mut logs, &[2]),
        ];
        let cpu = Cpu::new(1);
        assert!(run(&cpu, sample_tokens, &tensors, &[]).unwrap_err().0.contains("row 1"));
        lens[1] = 0;
        let tensors = [tensors[0], tensors[1], tensors[2], i(&mut lens, &[2]), tensors[4], tensors[5]];
        run(&cpu, sample_tokens, &tensors, &[]).unwrap();
    }
}
