//! Speed of the matrix products: `cargo run --release --example linear [-- section...]`.
//!
//! Sections: limits, gemm, vector (one row), rows (many rows), model (SmolLM2-135M's products).
//! Every number is the best of several runs, beside the limits measured in the same process.

use mambalab_native::cpu::{Call, Cpu, Isa, KERNELS};
use mambalab_native::tensor::{Storage, Tensor};
use mambalab_native::threads::Threads;
use std::hint::black_box;
use std::time::Instant;

fn cpu(threads: usize) -> Cpu {
    Cpu { threads: Threads::new(threads), isa: Isa::detect() }
}

fn call(cpu: &Cpu, name: &str, tensors: &[Tensor], attrs: &[f64]) {
    let kernel = KERNELS.iter().find(|k| k.name == name).expect("a kernel's name");
    (kernel.run)(&Call { cpu, tensors, attrs }).expect("the kernel runs");
}

/// Seconds of the fastest run, over at least half a second.
fn best(mut body: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut least = f64::MAX;
    let mut runs = 0;
    while runs < 5 || start.elapsed().as_secs_f64() < 0.5 {
        let t = Instant::now();
        body();
        least = least.min(t.elapsed().as_secs_f64());
        runs += 1;
    }
    least
}

/// Bytes aligned for any storage, filled with small valid numbers.
struct Buffer {
    words: Vec<u64>,
    storage: Storage,
    shape: Vec<usize>,
}

impl Buffer {
    fn new(storage: Storage, shape: &[usize]) -> Buffer {
        let bytes = Tensor::bytes(storage, shape).expect("a shape that fits");
        let word = match storage {
            Storage::F32 => 0x3c00_0000_3c00_0000,
            _ => 0x1c21_1c43_1c65_1c87,
        };
        Buffer { words: vec![word; bytes.div_ceil(8)], storage, shape: shape.to_vec() }
    }

    fn bytes(&self) -> usize {
        Tensor::bytes(self.storage, &self.shape).expect("a shape that fits")
    }

    fn tensor(&self) -> Tensor {
        unsafe { Tensor::new(self.words.as_ptr().cast_mut().cast(), self.storage, &self.shape) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn spin_fma(steps: usize) -> f32 {
    use std::arch::x86_64::*;
    let mut acc = [_mm256_set1_ps(1.0); 12];
    let x = _mm256_set1_ps(black_box(0.999_999));
    for _ in 0..steps {
        for a in &mut acc {
            *a = _mm256_fmadd_ps(*a, x, x);
        }
    }
    acc.iter().map(|a| _mm256_cvtss_f32(*a)).sum()
}

#[derive(Clone, Copy)]
struct Limits {
    gflops: f64,
    gbytes: f64,
}

fn limits(threads: usize) -> Limits {
    let pool = Threads::new(threads);
    let mut gflops = 0.0;
    #[cfg(target_arch = "x86_64")]
    if Isa::best() >= Isa::Avx2 {
        let steps = 2_000_000;
        let t = best(|| {
            pool.run(threads, |_| {
                black_box(unsafe { spin_fma(steps) });
            })
        });
        gflops = (threads * steps * 12 * 16) as f64 / t / 1e9;
    }
    let data = vec![1u64; 256 << 17];
    let t = best(|| {
        pool.ranges(data.len(), 1 << 16, |r| {
            let mut sum = [0u64; 16];
            for c in data[r].chunks_exact(16) {
                for (s, v) in sum.iter_mut().zip(c) {
                    *s ^= v;
                }
            }
            black_box(sum);
        })
    });
    Limits { gflops, gbytes: data.len() as f64 * 8.0 / t / 1e9 }
}

fn share(rate: f64, limit: f64) -> String {
    if limit > 0.0 { format!("{rate:6.1} ({:3.0} %)", 100.0 * rate / limit) } else { format!("{rate:6.1}") }
}

fn gemm(all: &[Limits; 2]) {
    println!("\ngemm, GFLOP/s (share of peak)           1 thread        2 threads");
    let shapes = [
        (1024, 1024, 1024, false, false),
        (1024, 1024, 1024, false, true),
        (1024, 1024, 1024, true, false),
        (512, 512, 512, false, false),
        (8, 512, 2048, false, false),
        (64, 576, 1536, false, true),
        (128, 128, 128, false, false),
        (1, 1024, 1024, false, false),
    ];
    for (m, k, n, ta, tb) in shapes {
        let a = Buffer::new(Storage::F32, &if ta { [1, k, m] } else { [1, m, k] });
        let b = Buffer::new(Storage::F32, &if tb { [1, n, k] } else { [1, k, n] });
        let c = Buffer::new(Storage::F32, &[1, m, n]);
        let attrs = [f64::from(u8::from(ta)), f64::from(u8::from(tb)), 0.0, 0.0];
        let flops = 2.0 * (m * k * n) as f64;
        let rates: Vec<String> = (1..=2)
            .map(|threads| {
                let cpu = cpu(threads);
                let t = best(|| call(&cpu, "gemm", &[a.tensor(), b.tensor(), c.tensor()], &attrs));
                share(flops / t / 1e9, all[threads - 1].gflops)
            })
            .collect();
        println!(
            "[{m}, {k}]{} x [{k}, {n}]{:<16} {}  {}",
            if ta { "^T" } else { "" },
            if tb { "^T" } else { "" },
            rates[0],
            rates[1]
        );
    }
}

const STORAGES: [Storage; 8] = [
    Storage::F32,
    Storage::BF16,
    Storage::F16,
    Storage::Q8_0,
    Storage::Q4_0,
    Storage::Q4_1,
    Storage::Q4K,
    Storage::Q6K,
];

fn linear(storage: Storage, m: usize, k: usize, n: usize, threads: usize) -> (f64, usize) {
    let (x, w) = (Buffer::new(Storage::F32, &[m, k]), Buffer::new(storage, &[n, k]));
    let y = Buffer::new(Storage::F32, &[m, n]);
    let cpu = cpu(threads);
    let t = best(|| call(&cpu, "linear", &[x.tensor(), w.tensor(), y.tensor()], &[0.0, 0.0]));
    (t, w.bytes())
}

fn vector(all: &[Limits; 2]) {
    println!("\none row, GB/s of weights (share of read bandwidth) and Gweights/s");
    let (k, n) = (1536, 49152);
    for storage in STORAGES {
        let cells: Vec<String> = (1..=2)
            .map(|threads| {
                let (t, bytes) = linear(storage, 1, k, n, threads);
                let rate = share(bytes as f64 / t / 1e9, all[threads - 1].gbytes);
                format!("{rate} {:5.1}", (k * n) as f64 / t / 1e9)
            })
            .collect();
        println!("{:<6} {}   {}", storage.to_string(), cells[0], cells[1]);
    }
}

fn rows(all: &[Limits; 2]) {
    println!("\nlinear [m, k] x [n, k]^T, GFLOP/s (share of peak), 1 and 2 threads");
    for storage in [Storage::F32, Storage::BF16, Storage::Q8_0, Storage::Q4_1, Storage::Q4K, Storage::Q6K] {
        for (k, n) in [(576, 192), (576, 576), (576, 1536), (1536, 576), (576, 49152)] {
            let k = if storage.block().0 == 256 { k / 512 * 512 } else { k };
            let ms: &[usize] = match (storage, n) {
                (Storage::Q4_1, 1536) => &[1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 512],
                (Storage::Q4_1, _) => &[8, 64, 512],
                _ => &[64],
            };
            for &m in ms {
                if m * n > 64 * 49152 {
                    continue;
                }
                let cells: Vec<String> = (1..=2)
                    .map(|threads| {
                        let (t, _) = linear(storage, m, k, n, threads);
                        share(2.0 * (m * k * n) as f64 / t / 1e9, all[threads - 1].gflops)
                    })
                    .collect();
                println!("{:<5} [{m}, {k}] x [{n}, {k}]^T   {}  {}", storage.to_string(), cells[0], cells[1]);
            }
        }
    }
}

/// All matrix products of one step of SmolLM2-135M as its GGUF stores it.
fn model() {
    const LAYERS: usize = 30;
    let w = |n, k| -> Vec<Buffer> { (0..LAYERS).map(|_| Buffer::new(Storage::Q4_1, &[n, k])).collect() };
    let (q, k, v, o) = (w(576, 576), w(192, 576), w(192, 576), w(576, 576));
    let (gate, up, down) = (w(1536, 576), w(1536, 576), w(576, 1536));
    let head = Buffer::new(Storage::Q8_0, &[49152, 576]);
    let layers = [&q, &k, &v, &o, &gate, &up, &down];
    let bytes: usize = layers.iter().flat_map(|l| l.iter()).map(Buffer::bytes).sum::<usize>() + head.bytes();
    println!("\nSmolLM2-135M's products, Q4_1 and a Q8_0 head, {:.1} MB", bytes as f64 / 1e6);
    for threads in 1..=2 {
        let cpu = cpu(threads);
        for m in [1, 2, 4, 8, 16, 32, 64] {
            let f = |n| Buffer::new(Storage::F32, &[m, n]);
            let (x, yq, yk, yv, h, logits) = (f(576), f(576), f(192), f(192), f(1536), f(49152));
            let t = best(|| {
                for i in 0..LAYERS {
                    let t = |b: &[Buffer]| b[i].tensor();
                    let qkv = [x.tensor(), t(&q), t(&k), t(&v), yq.tensor(), yk.tensor(), yv.tensor()];
                    call(&cpu, "linearMulti", &qkv, &[3.0]);
                    call(&cpu, "linear", &[yq.tensor(), t(&o), x.tensor(), x.tensor()], &[0.0, 1.0]);
                    call(&cpu, "linearSwiGlu", &[x.tensor(), t(&gate), t(&up), h.tensor()], &[]);
                    call(&cpu, "linear", &[h.tensor(), t(&down), x.tensor(), x.tensor()], &[0.0, 1.0]);
                }
                call(&cpu, "linear", &[x.tensor(), head.tensor(), logits.tensor()], &[0.0, 0.0]);
            });
            println!(
                "{threads} threads, {m:>2} rows: {:7.2} ms, {:6.1} tokens/s, {:5.1} GB/s, {:6.1} GFLOP/s",
                t * 1e3,
                m as f64 / t,
                bytes as f64 / t / 1e9,
                2.0 * 134.5e6 * m as f64 / t / 1e9
            );
        }
    }
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let all = [limits(1), limits(2)];
    println!(
        "{}: peak {:.1} / {:.1} GFLOP/s, read {:.1} / {:.1} GB/s with 1 / 2 threads",
        Isa::detect().name(),
        all[0].gflops,
        all[1].gflops,
        all[0].gbytes,
        all[1].gbytes
    );
    if wants("gemm") {
        gemm(&all);
    }
    if wants("vector") {
        vector(&all);
    }
    if wants("rows") {
        rows(&all);
    }
    if wants("model") {
        model();
    }
}
