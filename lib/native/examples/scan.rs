//! Times of the state-space kernels by themselves: `cargo run --release --example scan [-- name...]`.
//!
//! Names choose the kernels whose line begins with one of them. Every time is the best of several runs,
//! on one thread and on two.

use mambalab_native::cpu::{Call, Cpu, Isa, KERNELS};
use mambalab_native::tensor::{Storage, Tensor};
use mambalab_native::threads::Threads;
use std::time::Instant;

fn call(cpu: &Cpu, name: &str, tensors: &[Tensor], attrs: &[f64]) {
    let kernel = KERNELS.iter().find(|k| k.name == name).expect("a kernel's name");
    (kernel.run)(&Call { cpu, tensors, attrs }).expect("the kernel runs");
}

/// Seconds of the fastest run, over at least half a second.
fn best(mut body: impl FnMut()) -> f64 {
    let start = Instant::now();
    let (mut least, mut runs) = (f64::MAX, 0);
    while runs < 5 || start.elapsed().as_secs_f64() < 0.5 {
        let t = Instant::now();
        body();
        least = least.min(t.elapsed().as_secs_f64());
        runs += 1;
    }
    least
}

/// Float32 values of [low, high) from a fixed sequence.
struct Floats {
    values: Vec<f32>,
    shape: Vec<usize>,
}

impl Floats {
    fn between(low: f32, high: f32, shape: &[usize]) -> Floats {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut draw = || -> f32 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            low + (high - low) * (state >> 40) as f32 / (1 << 24) as f32
        };
        // On huge pages where the system has them, as the engine's own memory is.
        let count = shape.iter().product();
        let mut values: Vec<f32> = Vec::with_capacity(count);
        #[cfg(target_os = "linux")]
        unsafe {
            let page = values.as_mut_ptr().cast::<u8>().map_addr(|a| a.next_multiple_of(4096));
            libc::madvise(page.cast(), 4 * count, libc::MADV_HUGEPAGE);
        }
        values.extend((0..count).map(|_| draw()));
        Floats { values, shape: shape.to_vec() }
    }

    fn tensor(&self) -> Tensor {
        unsafe { Tensor::new(self.values.as_ptr().cast_mut().cast(), Storage::F32, &self.shape) }
    }
}

/// Times a kernel if it is asked for.
fn time(
    asked: &[String],
    line: &str,
    kernel: &'static str,
    operands: impl Fn() -> Vec<Floats>,
    attrs: &[f64],
) {
    if !asked.is_empty() && !asked.iter().any(|a| line.starts_with(a.as_str())) {
        return;
    }
    let operands = operands();
    let tensors: Vec<Tensor> = operands.iter().map(Floats::tensor).collect();
    let ms = [1, 2].map(|threads| {
        let cpu = Cpu { threads: Threads::new(threads), isa: Isa::detect() };
        1e3 * best(|| call(&cpu, kernel, &tensors, attrs))
    });
    println!("{line:<64} {:8.3} {:8.3} ms", ms[0], ms[1]);
}

fn normals(shapes: &[&[usize]]) -> Vec<Floats> {
    shapes.iter().map(|shape| Floats::between(-1.7, 1.7, shape)).collect()
}

fn ssd(asked: &[String]) {
    for (b, l, h, p, n) in [(2, 1024, 9, 64, 64), (1, 1024, 32, 64, 64), (1, 1024, 8, 96, 128)] {
        let (x, a, k, s): (&[_], &[_], &[_], &[_]) =
            (&[b, l, h, p], &[b, l, h], &[b, l, h, n], &[b, h, p, n]);
        let attrs = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let line = format!("ssd b {b}, L {l}, {h} heads of {p}, N {n}");
        time(asked, &line, "ssdScan", || normals(&[x, a, k, k, &[h], x, s]), &attrs);
        let line = format!("{line}, backward");
        let all = || normals(&[x, a, k, k, &[h], x, s, x, a, k, k, &[h]]);
        time(asked, &line, "ssdBackward", all, &attrs);
    }
    let (b, h, p, n) = (128, 32, 64, 64);
    let (x, k, s): (&[_], &[_], &[_]) = (&[b, 1, h, p], &[b, 1, h, n], &[b, h, p, n]);
    let all = || normals(&[x, &[b, 1, h], k, k, &[h], s, x, s]);
    let line = format!("ssd-step b {b}, {h} heads of {p}, N {n}");
    time(asked, &line, "ssdScan", all, &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
}

fn matrix(asked: &[String]) {
    let (b, l, h, n) = (2, 512, 9, 64);
    let (a, k, m): (&[_], &[_], &[_]) = (&[b, l, h], &[b, l, h, n], &[b, h, l, l]);
    let line = format!("matrix b {b}, L {l}, {h} heads, N {n}");
    time(asked, &line, "discreteSsdMatrix", || normals(&[a, k, k, m]), &[0.0, 0.0]);
    let line = format!("{line}, backward");
    let all = || normals(&[a, k, k, m, a, k, k]);
    time(asked, &line, "discreteSsdMatrixBackward", all, &[0.0, 0.0]);
}

/// The third is A, below 0.
fn decaying(mut all: Vec<Floats>) -> Vec<Floats> {
    all[2] = Floats::between(-4.0, -0.1, &all[2].shape.clone());
    all
}

fn scan(asked: &[String]) {
    for (b, l, d, n, g) in [(2, 1024, 576, 16, 36), (1, 512, 2048, 16, 128), (1, 512, 2048, 16, 1)] {
        let (x, a, k, s): (&[_], &[_], &[_], &[_]) = (&[b, l, d], &[d, n], &[b, l, g, n], &[b, d, n]);
        let attrs = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let line = format!("scan b {b}, L {l}, {d} channels, N {n}, {g} groups");
        let all = || decaying(normals(&[x, x, a, k, k, &[d], x, x, s]));
        time(asked, &line, "selectiveScan", all, &attrs);
        let line = format!("{line}, backward");
        let all = || decaying(normals(&[x, x, a, k, k, &[d], x, x, s, x, x, a, k, k, &[d], x]));
        time(asked, &line, "selectiveScanBackward", all, &attrs);
    }
    let (b, d, n, g) = (512, 2048, 16, 128);
    let (x, k, s): (&[_], &[_], &[_]) = (&[b, 1, d], &[b, 1, g, n], &[b, d, n]);
    let line = format!("scan-step b {b}, {d} channels, N {n}, {g} groups");
    let all = || decaying(normals(&[x, x, &[d, n], k, k, &[d], x, s, x, s]));
    time(asked, &line, "selectiveScan", all, &[1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
}

fn conv(asked: &[String]) {
    let (b, l, c, w) = (2, 2048, 1728, 4);
    let (x, s): (&[_], &[_]) = (&[b, l, c], &[b, w - 1, c]);
    let attrs = [1.0, 0.0, 0.0, 0.0, 1.0];
    let line = format!("conv b {b}, L {l}, {c} channels, width {w}");
    time(asked, &line, "causalConv1d", || normals(&[x, &[c, w], &[c], x, s]), &attrs);
    let line = format!("{line}, backward");
    let all = || normals(&[x, &[c, w], &[c], x, s, x, &[c, w], &[c]]);
    time(asked, &line, "causalConv1dBackward", all, &attrs);
    let (b, c) = (1024, 6144);
    let (x, s): (&[_], &[_]) = (&[b, 1, c], &[b, w - 1, c]);
    let line = format!("conv-step b {b}, {c} channels, width {w}");
    let all = || normals(&[x, &[c, w], &[c], s, x, s]);
    time(asked, &line, "causalConv1d", all, &[1.0, 1.0, 0.0, 0.0, 1.0]);
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    println!("{}: milliseconds on 1 and 2 threads", Isa::detect().name());
    for section in [ssd, matrix, scan, conv] {
        section(&asked);
    }
}
