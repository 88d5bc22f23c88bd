//! The engine's float32 products beside faer's: `cargo run --release` in this folder.
//!
//! Both multiply the same row-major matrices in the same process, in turns; each number is the best
//! of the rounds. An argument sets the seconds for each cell (default 1).

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use mambalab_native::cpu::{Call, Cpu, Isa, KERNELS, Kernel};
use mambalab_native::tensor::{Storage, Tensor};
use mambalab_native::threads::Threads;
use std::time::{Duration, Instant};

/// m, k, n.
const SHAPES: [[usize; 3]; 8] = [
    [1024, 1024, 1024],
    [512, 512, 512],
    [128, 128, 128],
    [8, 512, 2048],
    [64, 576, 1536],
    [64, 1536, 576],
    [1, 1024, 1024],
    [512, 64, 512],
];

fn tensor(data: &[f32], shape: &[usize]) -> Tensor {
    assert_eq!(data.len(), shape.iter().product());
    unsafe { Tensor::new(data.as_ptr().cast_mut().cast(), Storage::F32, shape) }
}

fn seconds(body: impl FnOnce()) -> f64 {
    let start = Instant::now();
    body();
    start.elapsed().as_secs_f64()
}

/// Best GFLOP/s of the engine and of faer.
fn compare(kernel: &Kernel, [m, k, n]: [usize; 3], threads: usize, budget: Duration) -> [f64; 2] {
    let value = |i: usize| (i % 17) as f32 / 8.0 - 1.0;
    let a: Vec<f32> = (0..m * k).map(value).collect();
    let b: Vec<f32> = (0..k * n).map(value).collect();
    let (ours, mut theirs) = (vec![0f32; m * n], vec![0f32; m * n]);
    let cpu = Cpu { threads: Threads::new(threads), isa: Isa::detect() };
    let tensors = [tensor(&a, &[m, k]), tensor(&b, &[k, n]), tensor(&ours, &[m, n])];
    let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
    let mut best = [f64::MAX; 2];
    let start = Instant::now();
    while start.elapsed() < budget {
        best[0] = best[0].min(seconds(|| {
            let call = Call { cpu: &cpu, tensors: &tensors, attrs: &[0.0; 4] };
            (kernel.run)(&call).expect("the engine multiplies");
        }));
        best[1] = best[1].min(seconds(|| {
            matmul(
                MatMut::from_row_major_slice_mut(&mut theirs, m, n),
                Accum::Replace,
                MatRef::from_row_major_slice(&a, m, k),
                MatRef::from_row_major_slice(&b, k, n),
                1.0,
                par,
            );
        }));
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!((ours - theirs).abs() <= 1e-5 * k as f32, "the products differ: {ours} and {theirs}");
    }
    best.map(|t| 2.0 * (m * k * n) as f64 / t / 1e9)
}

fn main() {
    let budget = match std::env::args().nth(1).map(|s| s.parse::<f64>()) {
        None => Duration::from_secs(1),
        Some(Ok(s)) if s > 0.0 && s < 1e6 => Duration::from_secs_f64(s),
        Some(_) => {
            eprintln!("usage: cargo run --release [-- seconds for each cell, above 0]");
            std::process::exit(2);
        }
    };
    let kernel = KERNELS.iter().find(|k| k.name == "gemm").expect("the engine's product");
    println!("GFLOP/s, {}", Isa::detect().name());
    println!("{:<24}{:>20}{:>20}", "", "1 thread", "2 threads");
    println!("{:<24}{:>10}{:>10}{:>10}{:>10}", "", "engine", "faer", "engine", "faer");
    for shape in SHAPES {
        let [m, k, n] = shape;
        let [one, two] = [1, 2].map(|threads| compare(kernel, shape, threads, budget));
        println!(
            "{:<24}{:>10.1}{:>10.1}{:>10.1}{:>10.1}",
            format!("[{m}, {k}] x [{k}, {n}]"),
            one[0],
            one[1],
            two[0],
            two[1]
        );
    }
}
