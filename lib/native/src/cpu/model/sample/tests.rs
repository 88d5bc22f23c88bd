use super::super::testing::*;
use super::*;

fn sample(
    cpu: &crate::cpu::Cpu,
    logits: &mut [f32],
    v: usize,
    params: [f32; 4],
    keys: &mut [i32],
) -> Result<(Vec<i32>, Vec<f32>)> {
    let b = logits.len() / v;
    let mut params = params.repeat(b);
    let (mut lens, mut ids, mut log_probs) = (vec![1; b], vec![-1; b], vec![f32::NAN; b]);
    let tensors = [
        f(logits, &[b, v]),
        f(&mut params, &[b, 4]),
        i(keys, &[b, 4]),
        i(&mut lens, &[b]),
        i(&mut ids, &[b]),
        f(&mut log_probs, &[b]),
    ];
    run(cpu, sample_tokens, &tensors, &[])?;
    Ok((ids, log_probs))
}

/// The definition, by a full sort: each token's probability after the filters.
fn reference(logits: &[f32], [temperature, top_p, min_p, top_k]: [f32; 4]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    let max = f64::from(logits[order[0]]);
    let w: Vec<f64> = logits.iter().map(|&x| ((f64::from(x) - max) / f64::from(temperature)).exp()).collect();
    if top_k > 0.0 {
        order.truncate(top_k as usize);
    }
    let total: f64 = order.iter().map(|&i| w[i]).sum();
    let mut sum = 0.0;
    if top_p < 1.0 {
        let n = order.iter().position(|&i| {
            sum += w[i];
            sum >= f64::from(top_p) * total
        });
        order.truncate(n.map_or(order.len(), |n| n + 1));
    }
    order.retain(|&i| w[i] >= f64::from(min_p));
    let total: f64 = order.iter().map(|&i| w[i]).sum();
    let mut p = vec![0.0; logits.len()];
    for i in order {
        p[i] = w[i] / total;
    }
    p
}

#[test]
fn draws_follow_the_filtered_distribution() {
    let v = 50;
    let mut random = Random(3);
    let row = random.floats(v, 3.0);
    let n = 20_000;
    let mut logits = row.repeat(n);
    let mut keys: Vec<i32> = (0..n as i32).flat_map(|s| [11, 5, s, 2]).collect();
    for params in [
        [1.0, 1.0, 0.0, 0.0],
        [0.6, 1.0, 0.0, 0.0],
        [1.3, 1.0, 0.05, 0.0],
        [1.0, 0.8, 0.0, 0.0],
        [1.0, 1.0, 0.0, 7.0],
        [0.8, 0.9, 0.1, 20.0],
        [2.0, 0.5, 0.0, 49.0],
    ] {
        let want = reference(&row, params);
        for cpu in devices() {
            let (ids, log_probs) = sample(&cpu, &mut logits, v, params, &mut keys).unwrap();
            let mut counts = vec![0.0; v];
            ids.iter().for_each(|&id| counts[id as usize] += 1.0);
            let kept = want.iter().filter(|&&p| p > 0.0).count() as f64;
            let chi: f64 = (0..v)
                .filter(|&i| {
                    assert!(want[i] > 0.0 || counts[i] == 0.0, "{params:?} drew the filtered token {i}");
                    want[i] > 0.0
                })
                .map(|i| (counts[i] - want[i] * n as f64).powi(2) / (want[i] * n as f64))
                .sum();
            // Five standard deviations above the mean of chi-square.
            assert!(chi < kept + 5.0 * (2.0 * kept).sqrt(), "{params:?}: chi-square {chi} of {kept}");
            let log_total = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
            for (&id, &lp) in ids.iter().zip(&log_probs) {
                assert!((f64::from(row[id as usize]) - log_total - f64::from(lp)).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn a_draw_is_the_same_in_any_batch_thread_count_and_instruction_set() {
    let (b, v) = (7, 5003);
    let mut logits = Random(9).floats(b * v, 4.0);
    let mut keys: Vec<i32> = (0..b as i32).flat_map(|r| [r - 3, 1 << r, -r, 40 + r]).collect();
    for params in [[0.7, 1.0, 0.0, 0.0], [1.0, 0.95, 0.0, 0.0], [1.0, 0.9, 0.01, 100.0]] {
        let want = sample(&devices()[0], &mut logits, v, params, &mut keys).unwrap();
        for cpu in devices() {
            assert_eq!(sample(&cpu, &mut logits, v, params, &mut keys).unwrap(), want);
            for row in 0..b {
                let logits = &mut logits[row * v..][..v];
                let (ids, log_probs) = sample(&cpu, logits, v, params, &mut keys[row * 4..][..4]).unwrap();
                assert_eq!((ids[0], log_probs[0]), (want.0[row], want.1[row]));
            }
        }
    }
}

#[test]
fn filters_that_keep_everything_change_no_draw() {
    let (b, v) = (40, 300);
    let mut logits = Random(2).floats(b * v, 2.0);
    let mut keys: Vec<i32> = (0..b as i32).flat_map(|r| [1, 2, r, 0]).collect();
    let cpu = &devices()[0];
    let want = sample(cpu, &mut logits, v, [1.0, 1.0, 0.0, 0.0], &mut keys).unwrap();
    for params in [[1.0, 1.0, 0.0, 300.0], [1.0, 1.0, 1e-9, 0.0], [1.0, 1.0 - 1e-7, 0.0, 0.0]] {
        assert_eq!(sample(cpu, &mut logits, v, params, &mut keys).unwrap(), want, "{params:?}");
    }
}

#[test]
fn greedy_takes_the_lowest_id_of_a_tie() {
    for cpu in devices() {
        let mut logits = vec![0.0; 3 * 100];
        logits[17] = 2.0;
        logits[60] = 2.0;
        logits[199] = 1.0;
        let (ids, log_probs) = sample(&cpu, &mut logits, 100, [0.0, 1.0, 0.0, 0.0], &mut [0; 12]).unwrap();
        assert_eq!(ids, [17, 99, 0]);
        assert!((log_probs[2] + 100f32.ln()).abs() < 1e-6);
        let (ids, _) = sample(&cpu, &mut logits, 100, [1.0, 1.0, 0.0, 1.0], &mut [5; 12]).unwrap();
        assert_eq!(ids, [17, 99, 0], "top-1 breaks ties the same way");
    }
}

#[test]
fn forbidden_tokens_are_never_drawn() {
    let cpu = &devices()[0];
    let mut logits = vec![f32::NEG_INFINITY; 4000];
    logits[2500] = -3.0;
    for params in [[1.0, 1.0, 0.0, 0.0], [1.0, 0.9, 0.0, 0.0], [1.0, 1.0, 0.0, 30.0], [9.0, 1.0, 0.5, 0.0]] {
        let (ids, log_probs) = sample(cpu, &mut logits, 4000, params, &mut [1, 2, 3, 4]).unwrap();
        assert_eq!((ids[0], log_probs[0]), (2500, 0.0));
    }
}

#[test]
fn idle_rows_are_skipped() {
    let cpu = &devices()[0];
    let mut logits = vec![f32::NAN, f32::NAN, 1.0, 3.0];
    let mut params = [0.0, 1.0, 0.0, 0.0].repeat(2);
    let (mut keys, mut lens, mut ids, mut log_probs) = (vec![0; 8], vec![0, 1], vec![-1; 2], vec![1.0; 2]);
    let tensors = [
        f(&mut logits, &[2, 2]),
        f(&mut params, &[2, 4]),
        i(&mut keys, &[2, 4]),
        i(&mut lens, &[2]),
        i(&mut ids, &[2]),
        f(&mut log_probs, &[2]),
    ];
    run(cpu, sample_tokens, &tensors, &[]).unwrap();
    assert_eq!(ids, [0, 1]);
    assert_eq!(log_probs[0], 0.0);
}

#[test]
fn bad_logits_and_parameters_name_the_row() {
    let cpu = &devices()[0];
    let draw = |bad: f32, params: [f32; 4]| {
        let mut logits = vec![0.5; 60];
        logits[37] = bad;
        sample(cpu, &mut logits, 30, params, &mut [0; 8]).unwrap_err().0
    };
    assert!(draw(f32::NAN, [1.0, 1.0, 0.0, 0.0]).contains("row 1: the logit of token 7 is NaN"));
    assert!(draw(f32::NAN, [0.0, 1.0, 0.0, 0.0]).contains("row 1: the logit of token 7 is NaN"));
    assert!(draw(f32::INFINITY, [1.0, 1.0, 0.0, 0.0]).contains("token 7 is inf"));
    assert!(draw(0.0, [f32::NAN, 1.0, 0.0, 0.0]).contains("row 0: the temperature is NaN"));
    assert!(draw(0.0, [-1.0, 1.0, 0.0, 0.0]).contains("temperature is -1"));
    assert!(draw(0.0, [1.0, 0.0, 0.0, 0.0]).contains("top-p is 0"));
    assert!(draw(0.0, [1.0, 1.0, 2.0, 0.0]).contains("min-p is 2"));
    assert!(draw(0.0, [1.0, 1.0, 0.0, 1.5]).contains("top-k is 1.5"));
    let mut logits = vec![f32::NEG_INFINITY; 3];
    let e = sample(cpu, &mut logits, 3, [1.0, 1.0, 0.0, 0.0], &mut [0; 4]).unwrap_err().0;
    assert!(e.contains("every logit is minus infinity"), "{e}");
}
