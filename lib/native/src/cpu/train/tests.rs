//! Every kernel against float64 on all instruction sets, and the same bits on one thread and three.

use super::*;
use crate::cpu::model::testing::*;

fn numbers(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn log_softmax(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = x.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
    x.iter().map(|x| x - max - log).collect()
}

fn floats(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

#[test]
fn cross_entropy_and_its_gradient() {
    for cpu in devices() {
        for (n, v) in [(1, 1), (3, 17), (5, 1000), (2, 5001)] {
            let mut random = Random(v as u64);
            let (mut x, mut w) = (random.floats(n * v, 8.0), random.floats(n, 1.0));
            let mut labels: Vec<i32> = (0..n).map(|_| random.below(v) as i32).collect();
            // A row of weight 0 may have any label.
            (w[n - 1], labels[n - 1]) = (0.0, -100);
            let (mut losses, mut dx) = (vec![1.0; n], vec![1.0; n * v]);
            let (mut want, mut slopes) = (vec![0.0; n], vec![0.0; n * v]);
            for i in 0..n - 1 {
                let log = log_softmax(&numbers(&x[i * v..][..v]));
                want[i] = -f64::from(w[i]) * log[labels[i] as usize];
                for j in 0..v {
                    let hit = f64::from(u8::from(j == labels[i] as usize));
                    slopes[i * v + j] = f64::from(w[i]) * (log[j].exp() - hit);
                }
            }
            let shape = [n, v];
            let mut tensors = vec![
                f(&mut x, &shape),
                i(&mut labels, &[n]),
                f(&mut w, &[n]),
                f(&mut losses, &[n]),
                f(&mut dx, &shape),
            ];
            run(&cpu, cross_entropy::cross_entropy, &tensors, &[1.0]).unwrap();
            close(&losses, &floats(&want), 1e-5);
            close(&dx, &floats(&slopes), 1e-5);
            tensors[4] = tensors[0];
            run(&cpu, cross_entropy::cross_entropy, &tensors, &[1.0]).unwrap();
            assert_eq!(x, dx);
        }
    }
}

#[test]
fn a_label_outside_the_classes_names_its_row() {
    let cpu = &devices()[0];
    let (mut x, mut labels, mut w, mut losses) = (vec![0.0; 6], vec![2, 3], vec![1.0; 2], vec![0.0; 2]);
    let tensors = [f(&mut x, &[2, 3]), i(&mut labels, &[2]), f(&mut w, &[2]), f(&mut losses, &[2])];
    let e = run(cpu, cross_entropy::cross_entropy, &tensors, &[0.0]).unwrap_err().0;
    assert!(e.contains("label 3 of row 1 is out of range: there are 3 classes"), "{e}");
}

#[test]
fn divergences_and_their_gradients() {
    for cpu in devices() {
        for (n, v) in [(1, 1), (3, 17), (4, 3001)] {
            for reverse in [0.0, 1.0] {
                for temperature in [1.0, 2.5] {
                    let mut random = Random(v as u64);
                    let (mut x, mut y) = (random.floats(n * v, 6.0), random.floats(n * v, 6.0));
                    let mut w = random.floats(n, 1.0);
                    let (mut losses, mut dx) = (vec![1.0; n], vec![1.0; n * v]);
                    let (mut want, mut slopes) = (vec![0.0; n], vec![0.0; n * v]);
                    for i in 0..n {
                        let scaled =
                            |x: &[f32]| numbers(x).iter().map(|x| x / temperature).collect::<Vec<_>>();
                        let own = log_softmax(&scaled(&x[i * v..][..v]));
                        let other = log_softmax(&scaled(&y[i * v..][..v]));
                        let term = |j: usize| match reverse {
                            1.0 => own[j].exp() * (own[j] - other[j]),
                            _ => other[j].exp() * (other[j] - own[j]),
                        };
                        let total: f64 = (0..v).map(term).sum();
                        want[i] = f64::from(w[i]) * total;
                        for j in 0..v {
                            let slope = match reverse {
                                1.0 => term(j) - own[j].exp() * total,
                                _ => own[j].exp() - other[j].exp(),
                            };
                            slopes[i * v + j] = f64::from(w[i]) * slope / temperature;
                        }
                    }
                    let shape = [n, v];
                    let tensors = [
                        f(&mut x, &shape),
                        f(&mut y, &shape),
                        f(&mut w, &[n]),
                        f(&mut losses, &[n]),
                        f(&mut dx, &shape),
                    ];
                    run(&cpu, divergence::divergence, &tensors, &[1.0, reverse, temperature]).unwrap();
                    close(&losses, &floats(&want), 1e-5);
                    close(&dx, &floats(&slopes), 1e-5);
                }
            }
        }
    }
}

#[test]
fn a_class_that_neither_has_adds_nothing() {
    let cpu = &devices()[0];
    let gone = f32::NEG_INFINITY;
    for reverse in [0.0, 1.0] {
        let (mut x, mut y) = (vec![1.0, gone, 0.5], vec![0.2, gone, 2.0]);
        let (mut w, mut losses, mut dx) = (vec![1.0], vec![0.0], vec![0.0; 3]);
        let tensors = [
            f(&mut x, &[1, 3]),
            f(&mut y, &[1, 3]),
            f(&mut w, &[1]),
            f(&mut losses, &[1]),
            f(&mut dx, &[1, 3]),
        ];
        run(cpu, divergence::divergence, &tensors, &[1.0, reverse, 1.0]).unwrap();
        assert!(losses[0] > 0.0 && losses[0].is_finite() && dx[1] == 0.0, "{losses:?} {dx:?}");
    }
}

#[test]
fn distances_and_their_gradients() {
    for cpu in devices() {
        for (n, d) in [(1, 1), (3, 33), (2, 40_000)] {
            let mut random = Random(d as u64);
            let (mut a, mut b) = (random.floats(n * d, 1.0), random.floats(n * d, 1.0));
            // The last row is equal: its gradient is 0 and not NaN.
            let last = (n - 1) * d;
            b[last..].copy_from_slice(&a[last..]);
            let mut w = random.floats(n, 1.0);
            let (mut losses, mut da) = (vec![1.0; n], vec![1.0; n * d]);
            let (mut want, mut slopes) = (vec![0.0; n], vec![0.0; n * d]);
            for i in 0..n - 1 {
                let off: Vec<f64> =
                    (0..d).map(|j| f64::from(a[i * d + j]) - f64::from(b[i * d + j])).collect();
                let norm = off.iter().map(|x| x * x).sum::<f64>().sqrt();
                want[i] = f64::from(w[i]) * norm;
                for j in 0..d {
                    slopes[i * d + j] = f64::from(w[i]) * off[j] / norm;
                }
            }
            let shape = [n, d];
            let tensors = [
                f(&mut a, &shape),
                f(&mut b, &shape),
                f(&mut w, &[n]),
                f(&mut losses, &[n]),
                f(&mut da, &shape),
            ];
            run(&cpu, distance::row_distance, &tensors, &[1.0]).unwrap();
            close(&losses, &floats(&want), 1e-5);
            close(&da, &floats(&slopes), 1e-6);
        }
    }
}

#[test]
fn norms_backward_equals_its_definition() {
    for cpu in devices() {
        for (n, d) in [(1, 1), (3, 7), (70, 33), (40, 576)] {
            for added in [false, true] {
                let mut random = Random((n * d) as u64);
                let [mut dy, mut x, mut plus] = [1.0, 2.0, 1.0].map(|s| random.floats(n * d, s));
                let mut w = random.floats(d, 1.0);
                let eps = 1e-5;
                let (mut want, mut dw) = (vec![0.0; n * d], vec![0.0; d]);
                for i in 0..n {
                    let at = |t: &[f32], j: usize| f64::from(t[i * d + j]);
                    let mean = (0..d).map(|j| at(&x, j).powi(2)).sum::<f64>() / d as f64;
                    let r = 1.0 / (mean + eps).sqrt();
                    let dots = (0..d).map(|j| at(&dy, j) * f64::from(w[j]) * at(&x, j) * r).sum::<f64>();
                    for j in 0..d {
                        let slope = r * (at(&dy, j) * f64::from(w[j]) - at(&x, j) * r * dots / d as f64);
                        want[i * d + j] = slope + if added { at(&plus, j) } else { 0.0 };
                        dw[j] += at(&dy, j) * at(&x, j) * r;
                    }
                }
                let (mut dx, mut got) = (vec![0.0; n * d], vec![0.0; d]);
                let shape = [n, d];
                let mut tensors = vec![f(&mut dy, &shape), f(&mut x, &shape), f(&mut w, &[d])];
                if added {
                    tensors.push(f(&mut plus, &shape));
                }
                tensors.extend([f(&mut dx, &shape), f(&mut got, &[d])]);
                run(&cpu, norm::rms_norm_backward, &tensors, &[f64::from(u8::from(added)), eps]).unwrap();
                close(&dx, &floats(&want), 2e-5);
                close(&got, &floats(&dw), 2e-5);
            }
        }
    }
}

#[test]
fn gates_backward_equals_its_definition() {
    for cpu in devices() {
        for n in [1, 63, 1000, 20_000] {
            let mut random = Random(n as u64);
            let [mut dy, mut gate, mut up] = [1.0, 12.0, 2.0].map(|s| random.floats(n, s));
            let (mut dgate, mut dup) = (vec![0.0; n], vec![0.0; n]);
            let (mut by_gate, mut by_up) = (vec![], vec![]);
            for j in 0..n {
                let [d, g, u] = [dy[j], gate[j], up[j]].map(f64::from);
                let s = 1.0 / (1.0 + (-g).exp());
                by_gate.push(d * u * s * (1.0 + g * (1.0 - s)));
                by_up.push(d * g * s);
            }
            let tensors = [&mut dy, &mut gate, &mut up, &mut dgate, &mut dup].map(|t| f(t, &[n]));
            run(&cpu, swiglu::swiglu_backward, &tensors, &[]).unwrap();
            close(&dgate, &floats(&by_gate), 1e-5);
            close(&dup, &floats(&by_up), 1e-5);
        }
    }
}

#[test]
fn embeddings_backward_adds_rows() {
    for cpu in devices() {
        let (v, d, n) = (7, 37, 50);
        let mut random = Random(3);
        let mut dy = random.floats(n * d, 1.0);
        let mut ids: Vec<i32> = (0..n).map(|_| random.below(v) as i32).collect();
        let mut want = vec![0.0; v * d];
        for (at, &id) in ids.iter().enumerate() {
            for j in 0..d {
                want[id as usize * d + j] += f64::from(dy[at * d + j]);
            }
        }
        let mut table = vec![9.0; v * d];
        for (accumulate, times) in [(0.0, 1.0), (1.0, 2.0)] {
            let tensors = [i(&mut ids, &[n]), f(&mut dy, &[n, d]), f(&mut table, &[v, d])];
            run(&cpu, embedding::embedding_backward, &tensors, &[accumulate]).unwrap();
            let want: Vec<f64> = want.iter().map(|x| times * x).collect();
            close(&table, &floats(&want), 1e-5);
        }
    }
}

#[test]
fn adam_equals_its_definition_and_a_bad_norm_changes_nothing() {
    let sizes = [1usize, 37, 20_000];
    for cpu in devices() {
        let mut random = Random(5);
        let mut lists: Vec<Vec<Vec<f32>>> = [1.0, 3.0, 0.0, 0.0]
            .iter()
            .map(|&s| sizes.iter().map(|&n| random.floats(n, s)).collect())
            .collect();
        let mut want: Vec<Vec<f64>> = lists[0].iter().map(|p| numbers(p)).collect();
        let mut first: Vec<Vec<f64>> = sizes.iter().map(|&n| vec![0.0; n]).collect();
        let mut second = first.clone();
        let (rate, b1, b2, eps, decay, most) = (0.01, 0.9, 0.95, 1e-8, 0.1, 1.0);
        let total = lists[1].iter().flatten().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let clip = most / (total + 1e-6);
        for step in 1..=3 {
            let t = f64::from(step);
            for k in 0..sizes.len() {
                for j in 0..sizes[k] {
                    let g = f64::from(lists[1][k][j]) * clip;
                    first[k][j] = b1 * first[k][j] + (1.0 - b1) * g;
                    second[k][j] = b2 * second[k][j] + (1.0 - b2) * g * g;
                    if k > 0 {
                        want[k][j] *= 1.0 - rate * decay;
                    }
                    let root = (second[k][j] / (1.0 - b2.powf(t))).sqrt() + eps;
                    want[k][j] -= rate * first[k][j] / (1.0 - b1.powf(t)) / root;
                }
            }
            let (mut schedule, mut norm) = (vec![rate as f32, step as f32], vec![0.0]);
            let mut gradients: Vec<_> = lists[1]
                .iter_mut()
                .map(|g| {
                    let n = g.len();
                    f(g, &[n])
                })
                .collect();
            gradients.push(f(&mut norm, &[1]));
            run(&cpu, adam::global_norm, &gradients, &[]).unwrap();
            assert!((f64::from(norm[0]) - total).abs() < 1e-5 * total);
            let attrs = [3.0, b1, b2, eps, decay, most, 0.0, 1.0, 1.0];
            let mut tensors = vec![f(&mut schedule, &[2]), f(&mut norm, &[1])];
            for list in &mut lists {
                tensors.extend(list.iter_mut().map(|t| {
                    let n = t.len();
                    f(t, &[n])
                }));
            }
            run(&cpu, adam::adam_w, &tensors, &attrs).unwrap();
            let mut bad = vec![f32::NAN];
            tensors[1] = f(&mut bad, &[1]);
            run(&cpu, adam::adam_w, &tensors, &attrs).unwrap();
        }
        for k in 0..sizes.len() {
            close(&lists[0][k], &floats(&want[k]), 1e-5);
        }
    }
}

/// Likeliest classes, their log-probabilities with that of the rest last, and the entropy within the rest.
fn cut(logits: &[f64], k: usize) -> (Vec<i32>, Vec<f64>, f64) {
    let log = log_softmax(logits);
    let mut order: Vec<usize> = (0..log.len()).collect();
    order.sort_by(|&a, &b| log[b].total_cmp(&log[a]));
    let mass: f64 = order[k..].iter().map(|&j| log[j].exp()).sum();
    let entropy = order[k..].iter().map(|&j| log[j].exp() / mass * (mass.ln() - log[j])).sum();
    let top = order[..k].iter().map(|&j| log[j]).chain([mass.ln()]).collect();
    (order[..k].iter().map(|&j| j as i32).collect(), top, entropy)
}

#[test]
fn the_likeliest_classes_and_what_is_left() {
    for cpu in devices() {
        for (n, v, k) in [(1, 1, 1), (3, 17, 4), (2, 17, 17), (4, 3001, 64)] {
            for temperature in [1.0, 2.5] {
                let mut random = Random((v + k) as u64);
                let mut x = random.floats(n * v, 9.0);
                let (mut ids, mut logs, mut entropies) =
                    (vec![-1; n * k], vec![0.0; n * (k + 1)], vec![9.0; n]);
                let tensors = [
                    f(&mut x, &[n, v]),
                    i(&mut ids, &[n, k]),
                    f(&mut logs, &[n, k + 1]),
                    f(&mut entropies, &[n]),
                ];
                run(&cpu, top_k::top_k_log_probs, &tensors, &[temperature]).unwrap();
                for i in 0..n {
                    let scaled: Vec<f64> =
                        numbers(&x[i * v..][..v]).iter().map(|x| x / temperature).collect();
                    let (want, mut top, entropy) = cut(&scaled, k);
                    assert_eq!(ids[i * k..][..k], want);
                    let mut got = logs[i * (k + 1)..][..k + 1].to_vec();
                    if k == v {
                        assert_eq!(
                            (got.pop(), top.pop()),
                            (Some(f32::NEG_INFINITY), Some(f64::NEG_INFINITY))
                        );
                    }
                    close(&got, &floats(&top), 2e-6);
                    close(&entropies[i..=i], &[entropy as f32], 1e-5);
                }
            }
        }
    }
}

#[test]
fn of_equal_logits_the_lower_class_comes_first() {
    let cpu = &devices()[0];
    let (mut x, mut ids, mut logs, mut rest) =
        (vec![1.0, 2.0, 1.0, 0.0, -0.0], vec![0; 4], vec![0.0; 5], vec![0.0]);
    let tensors = [f(&mut x, &[1, 5]), i(&mut ids, &[1, 4]), f(&mut logs, &[1, 5]), f(&mut rest, &[1])];
    run(cpu, top_k::top_k_log_probs, &tensors, &[1.0]).unwrap();
    assert_eq!(ids, [1, 0, 2, 3]);
}

#[test]
fn divergences_from_the_likeliest_classes_and_their_gradients() {
    for cpu in devices() {
        for (n, v, k) in [(1, 1, 1), (3, 17, 4), (2, 17, 17), (4, 3001, 64)] {
            for (reverse, temperature) in [(0.0, 1.0), (0.0, 2.5), (1.0, 1.0), (1.0, 2.5)] {
                let mut random = Random((v + k) as u64);
                let (mut x, y) = (random.floats(n * v, 6.0), random.floats(n * v, 6.0));
                let mut w = random.floats(n, 1.0);
                w[n - 1] = if n > 1 { 0.0 } else { w[0] };
                let (mut ids, mut logs) = (vec![], vec![]);
                let (mut want, mut slopes) = (vec![0.0; n], vec![0.0; n * v]);
                for i in 0..n {
                    let (top, other, _) = cut(&numbers(&y[i * v..][..v]), k);
                    let scaled: Vec<f64> =
                        numbers(&x[i * v..][..v]).iter().map(|x| x / temperature).collect();
                    let all = log_softmax(&scaled);
                    let outcome = |j: usize| top.iter().position(|&id| id as usize == j).unwrap_or(k);
                    let mut own = vec![0.0; k + 1];
                    (0..v).for_each(|j| own[outcome(j)] += all[j].exp());
                    let terms: Vec<f64> = (0..k + usize::from(k < v))
                        .map(|o| match reverse {
                            1.0 => own[o] * (own[o].ln() - other[o]),
                            _ => other[o].exp() * (other[o] - own[o].ln()),
                        })
                        .collect();
                    let total: f64 = terms.iter().sum();
                    want[i] = f64::from(w[i]) * total;
                    for j in 0..v {
                        let o = outcome(j);
                        let slope = match reverse {
                            1.0 => terms[o] - own[o] * total,
                            _ => own[o] - other[o].exp(),
                        };
                        slopes[i * v + j] = f64::from(w[i]) * slope * all[j].exp() / own[o] / temperature;
                    }
                    ids.extend(top);
                    logs.extend(floats(&other));
                }
                // A row of weight 0 may have any class.
                if n > 1 {
                    *ids.last_mut().unwrap() = -100;
                }
                let (mut losses, mut dx) = (vec![1.0; n], vec![1.0; n * v]);
                let mut tensors = vec![
                    f(&mut x, &[n, v]),
                    i(&mut ids, &[n, k]),
                    f(&mut logs, &[n, k + 1]),
                    f(&mut w, &[n]),
                    f(&mut losses, &[n]),
                    f(&mut dx, &[n, v]),
                ];
                let attrs = [1.0, reverse, temperature];
                run(&cpu, top_k::top_k_divergence, &tensors, &attrs).unwrap();
                close(&losses, &floats(&want), 1e-5);
                close(&dx, &floats(&slopes), 1e-5);
                tensors[5] = tensors[0];
                run(&cpu, top_k::top_k_divergence, &tensors, &attrs).unwrap();
                assert_eq!(x, dx);
            }
        }
    }
}

#[test]
fn little_of_the_rest_is_as_exact_as_much() {
    let cpu = &devices()[0];
    // The rest's mass is 2e-16: beside 1 a float32 has no room for it.
    let (mut x, mut ids, mut logs) = (vec![36.0, 0.0, -1.0], vec![0], vec![-1e-9, -20.0]);
    let (mut w, mut losses, mut dx) = (vec![1.0], vec![0.0], vec![0.0; 3]);
    let tensors = [
        f(&mut x, &[1, 3]),
        i(&mut ids, &[1, 1]),
        f(&mut logs, &[1, 2]),
        f(&mut w, &[1]),
        f(&mut losses, &[1]),
        f(&mut dx, &[1, 3]),
    ];
    run(cpu, top_k::top_k_divergence, &tensors, &[1.0, 0.0, 1.0]).unwrap();
    let rest = (1.0 + (-1f64).exp()).ln() - 36.0;
    let want = (-20f64).exp() * (-20.0 - rest) - 1e-9;
    assert!((f64::from(losses[0]) / want - 1.0).abs() < 1e-5, "{} {want}", losses[0]);
    assert!(dx[1] < 0.0 && dx[2] < 0.0, "{dx:?}");
}

#[test]
fn a_class_outside_the_vocabulary_names_its_row_and_a_bad_logit_shows() {
    let cpu = &devices()[0];
    for (bad, id) in [(0.5, 3), (f32::NAN, 1)] {
        let (mut x, mut ids, mut logs) = (vec![0.0, 1.0, bad], vec![id], vec![-1.0, -1.0]);
        let (mut w, mut losses) = (vec![1.0], vec![0.0]);
        let tensors = [
            f(&mut x, &[1, 3]),
            i(&mut ids, &[1, 1]),
            f(&mut logs, &[1, 2]),
            f(&mut w, &[1]),
            f(&mut losses, &[1]),
        ];
        match run(cpu, top_k::top_k_divergence, &tensors, &[0.0, 0.0, 1.0]) {
            Ok(()) => assert!(bad.is_nan() && losses[0].is_nan(), "{losses:?}"),
            Err(e) => {
                assert!(e.0.contains("class 3 of row 0 is out of range: there are 3 classes"), "{}", e.0);
            }
        }
    }
}

#[test]
fn adam_rounds_a_copy_to_bfloat16_and_goes_on_from_the_whole() {
    for cpu in devices() {
        let n = 20_011;
        let mut random = Random(9);
        let [mut p, mut g] = [1.0, 2.0].map(|s| random.floats(n, s));
        let mut plain = p.clone();
        let [mut m, mut v, mut m2, mut v2] = std::array::from_fn(|_| vec![0.0; n]);
        let mut w = vec![7.0; n];
        for step in 1..=5 {
            let (mut schedule, mut norm) = (vec![0.01, step as f32], vec![1.0]);
            let attrs = [1.0, 0.9, 0.95, 1e-8, 0.1, 1.0, 1.0];
            let head = [f(&mut schedule, &[2]), f(&mut norm, &[1])];
            let shape = [n];
            let all = [&mut p, &mut g, &mut m, &mut v, &mut w].map(|t| f(t, &shape));
            run(&cpu, adam::adam_w, &[&head[..], &all].concat(), &attrs).unwrap();
            let all = [&mut plain, &mut g, &mut m2, &mut v2].map(|t| f(t, &shape));
            run(&cpu, adam::adam_w, &[&head[..], &all].concat(), &attrs).unwrap();
        }
        assert_eq!(p, plain);
        for (w, p) in w.iter().zip(&p) {
            assert_eq!(w.to_bits(), half::bf16::from_f32(*p).to_f32().to_bits());
        }
    }
}
