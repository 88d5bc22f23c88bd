//! Every kernel against naive float64, over storages, shapes, threads and instruction sets.

use super::KERNELS;
use super::formats::decode;
use crate::cpu::{Call, Cpu, Isa};
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use crate::threads::Threads;

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

/// A counter's hash as a stream of numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Uniform in -1..1.
    pub fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }

    /// Random bytes that are a valid weight: the float16 fields small and finite.
    pub fn weight(&mut self, storage: Storage, rows: usize, cols: usize) -> Vec<u8> {
        let n = rows * storage.row_bytes(cols);
        if !storage.is_quantized() {
            return (0..rows * cols)
                .flat_map(|_| {
                    let v = self.float();
                    match storage {
                        Storage::BF16 => half::bf16::from_f32(v).to_ne_bytes().to_vec(),
                        Storage::F16 => half::f16::from_f32(v).to_ne_bytes().to_vec(),
                        _ => v.to_ne_bytes().to_vec(),
                    }
                })
                .collect();
        }
        let mut bytes: Vec<u8> = (0..n).map(|_| self.bits() as u8).collect();
        let halves: &[usize] = match storage {
            Storage::Q4_1 | Storage::Q4K => &[0, 2],
            Storage::Q6K => &[208],
            _ => &[0],
        };
        for block in bytes.chunks_mut(storage.block().1) {
            for &at in halves {
                let small = half::f16::from_f32(self.float() * 0.02);
                block[at..at + 2].copy_from_slice(&small.to_ne_bytes());
            }
        }
        bytes
    }
}

pub fn cpu(threads: usize, isa: Isa) -> Cpu {
    Cpu { threads: Threads::new(threads), isa }
}

/// The instruction sets that this machine can run.
fn isas() -> Vec<Isa> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|i| *i <= Isa::best()).collect()
}

pub fn call(cpu: &Cpu, name: &str, tensors: &[Tensor], attrs: &[f64]) -> Result<()> {
    let kernel = KERNELS.iter().find(|k| k.name == name).expect("a kernel of this module");
    (kernel.run)(&Call { cpu, tensors, attrs })
}

pub fn f32s(data: &mut [f32], shape: &[usize]) -> Tensor {
    assert_eq!(data.len(), shape.iter().product());
    unsafe { Tensor::new(data.as_mut_ptr().cast(), Storage::F32, shape) }
}

/// A weight in a buffer that starts at an odd address, as a mapped file's may.
pub struct Stored {
    bytes: Vec<u8>,
    skip: usize,
    pub storage: Storage,
    pub rows: usize,
    pub cols: usize,
}

impl Stored {
    pub fn random(random: &mut Random, storage: Storage, rows: usize, cols: usize) -> Stored {
        let skip = if storage == Storage::F32 { 0 } else { 1 };
        let mut bytes = vec![0; skip];
        bytes.extend(random.weight(storage, rows, cols));
        Stored { bytes, skip, storage, rows, cols }
    }

    pub fn tensor(&self) -> Tensor {
        let ptr = unsafe { self.bytes.as_ptr().add(self.skip) };
        unsafe { Tensor::new(ptr.cast_mut(), self.storage, &[self.rows, self.cols]) }
    }

    pub fn row(&self, i: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.cols];
        let at = self.skip + i * self.storage.row_bytes(self.cols);
        unsafe { decode(self.storage, self.bytes[at..].as_ptr(), 0, &mut out) };
        out
    }
}

fn dot(a: &[f32], b: &[f32]) -> (f64, f64) {
    a.iter().zip(b).fold((0.0, 0.0), |(sum, size), (a, b)| {
        let p = f64::from(*a) * f64::from(*b);
        (sum + p, size + p.abs())
    })
}

/// Asserts a float32 sum of products against the exact one; `size` is the sum of magnitudes.
fn close(got: f32, (want, size): (f64, f64), what: impl Fn() -> String) {
    let bound = 1e-6 * size + 1e-30;
    assert!((f64::from(got) - want).abs() <= bound, "{}: {got}, not {want}", what());
}

#[test]
fn decoding_follows_the_published_layouts() {
    let half = |v: f32| half::f16::from_f32(v).to_ne_bytes();
    let row = |storage: Storage, bytes: &[u8]| {
        let mut out = vec![0.0; storage.block().0];
        unsafe { decode(storage, bytes.as_ptr(), 0, &mut out) };
        out
    };

    let mut b = half(0.5).to_vec();
    b.extend((0..32).map(|i| (i as i8 - 16) as u8));
    assert_eq!(row(Storage::Q8_0, &b), (0..32).map(|i| 0.5 * (i - 16) as f32).collect::<Vec<_>>());

    let nibbles: Vec<u8> = (0..16u8).map(|i| i | (15 - i) << 4).collect();
    let codes: Vec<f32> = (0..16).chain((0..16).rev()).map(|i| i as f32).collect();
    let mut b = half(0.25).to_vec();
    b.extend(&nibbles);
    assert_eq!(row(Storage::Q4_0, &b), codes.iter().map(|c| 0.25 * (c - 8.0)).collect::<Vec<_>>());

    let mut b = half(0.25).to_vec();
    b.extend(half(-3.0));
    b.extend(&nibbles);
    assert_eq!(row(Storage::Q4_1, &b), codes.iter().map(|c| 0.25 * c - 3.0).collect::<Vec<_>>());

    // Six-bit scales 1, 2, 3, 4 and 49, 50, 51, 52 (= 3 * 16 + 1 ...), minima 5..8 and 33..36.
    let mut b = half(1.0).to_vec();
    b.extend(half(0.5));
    b.extend([1 | 3 << 6, 2 | 3 << 6, 3 | 3 << 6, 4 | 3 << 6]);
    b.extend([5 | 2 << 6, 6 | 2 << 6, 7 | 2 << 6, 8 | 2 << 6]);
    b.extend([1 | 1 << 4, 2 | 2 << 4, 3 | 3 << 4, 4 | 4 << 4]);
    b.extend((0..128).map(|i| (i % 16) as u8 | ((i / 32) as u8) << 4));
    let scales = [1., 2., 3., 4., 49., 50., 51., 52.];
    let minima = [5., 6., 7., 8., 33., 34., 35., 36.];
    let want: Vec<f32> = (0..256)
        .map(|i| {
            let (g, j) = (i / 32, i % 32);
            let code = if g % 2 == 0 { j % 16 } else { g / 2 };
            scales[g] * code as f32 - 0.5 * minima[g]
        })
        .collect();
    assert_eq!(row(Storage::Q4K, &b), want);

    // Code of element i is i % 64 - 32, split into low nibbles and high pairs.
    let code = |i: usize| (i % 64) as u8;
    let mut b = vec![0u8; 208];
    for half in 0..2 {
        for l in 0..32 {
            let q = |quarter: usize| code(half * 128 + quarter * 32 + l);
            b[half * 64 + l] = q(0) & 15 | (q(2) & 15) << 4;
            b[half * 64 + 32 + l] = q(1) & 15 | (q(3) & 15) << 4;
            b[128 + half * 32 + l] = q(0) >> 4 | q(1) >> 4 << 2 | q(2) >> 4 << 4 | q(3) >> 4 << 6;
        }
    }
    for s in 0..16 {
        b[192 + s] = (s as i8 - 7) as u8;
    }
    b.extend(half(2.0));
    let want: Vec<f32> =
        (0..256).map(|i| 2.0 * ((i / 16) as f32 - 7.0) * (f32::from(code(i)) - 32.0)).collect();
    assert_eq!(row(Storage::Q6K, &b), want);
}

#[test]
fn linear_equals_float64_over_the_grid() {
    let mut random = Random::new(1);
    for storage in STORAGES {
        let ks: &[usize] = match storage.block().0 {
            256 => &[256, 1536],
            32 => &[32, 96, 576, 1536],
            _ => &[1, 7, 33, 576, 1536],
        };
        for &k in ks {
            for n in [1, 7, 33, 97] {
                let w = Stored::random(&mut random, storage, n, k);
                let rows: Vec<Vec<f32>> = (0..n).map(|j| w.row(j)).collect();
                let ms: &[usize] = if n == 97 { &[1, 2, 3, 5, 8, 17, 64] } else { &[1, 3, 8] };
                for &m in ms {
                    let mut x = random.floats(m * k);
                    let mut bias = random.floats(n);
                    let mut residual = random.floats(m * n);
                    for isa in isas() {
                        let cpu = cpu(2, isa);
                        let mut y = vec![f32::NAN; m * n];
                        let tensors = [
                            f32s(&mut x, &[m, k]),
                            w.tensor(),
                            f32s(&mut bias, &[n]),
                            f32s(&mut residual, &[m, n]),
                            f32s(&mut y, &[m, n]),
                        ];
                        call(&cpu, "linear", &tensors, &[1.0, 1.0]).unwrap();
                        for i in 0..m {
                            for (j, row) in rows.iter().enumerate() {
                                let (sum, size) = dot(&x[i * k..][..k], row);
                                let more = f64::from(bias[j]) + f64::from(residual[i * n + j]);
                                close(y[i * n + j], (sum + more, size + 2.0), || {
                                    format!("{storage} m {m} k {k} n {n} {} at {i}, {j}", isa.name())
                                });
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Done for one row or for many, on one thread or on three: the same bits.
#[test]
fn a_row_does_not_depend_on_its_neighbours_or_the_threads() {
    let mut random = Random::new(2);
    let most = 700;
    for storage in STORAGES {
        let k = if storage.block().0 == 256 { 1536 } else { 576 };
        let n = 113;
        let (w, up) =
            (Stored::random(&mut random, storage, n, k), Stored::random(&mut random, storage, n, k));
        let mut x = random.floats(most * k);
        for isa in isas() {
            let run = |x: &mut [f32], threads: usize| {
                let m = x.len() / k;
                let cpu = cpu(threads, isa);
                let mut outs: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0f32; m * n]);
                let mut rounded = outs.clone();
                let x = f32s(x, &[m, k]);
                let [y, gated, first, second] = outs.each_mut().map(|o| f32s(o, &[m, n]));
                call(&cpu, "linear", &[x, w.tensor(), y], &[0.0, 0.0]).unwrap();
                call(&cpu, "linearSwiGlu", &[x, w.tensor(), up.tensor(), gated], &[]).unwrap();
                call(&cpu, "linearMulti", &[x, w.tensor(), up.tensor(), first, second], &[2.0]).unwrap();
                let [y, gated, first, second] = rounded.each_mut().map(|o| f32s(o, &[m, n]));
                call(&cpu, "linearInt8", &[x, w.tensor(), y], &[0.0, 0.0]).unwrap();
                call(&cpu, "linearSwiGluInt8", &[x, w.tensor(), up.tensor(), gated], &[]).unwrap();
                let tensors = [x, w.tensor(), up.tensor(), first, second];
                call(&cpu, "linearMultiInt8", &tensors, &[2.0]).unwrap();
                [outs, rounded].concat()
            };
            let all = run(&mut x, 2);
            assert_eq!(all[0], all[2], "linearMulti is linear, {storage} {}", isa.name());
            assert_eq!(all[4], all[6], "linearMultiInt8 is linearInt8, {storage} {}", isa.name());
            for (m, from) in
                [(1, 0), (1, 699), (2, 5), (5, 100), (6, 0), (7, 3), (8, 300), (17, 683), (64, 130)]
            {
                for threads in [1, 2, 3] {
                    let some = run(&mut x[from * k..(from + m) * k], threads);
                    for (some, all) in some.iter().zip(&all) {
                        assert!(
                            some.iter().zip(&all[from * n..]).all(|(a, b)| a.to_bits() == b.to_bits()),
                            "{storage} {} m {m} threads {threads}",
                            isa.name()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn swi_glu_and_multi_equal_float64() {
    let mut random = Random::new(3);
    for storage in STORAGES {
        let k = storage.block().0.max(32) * 2;
        let (gate, up) =
            (Stored::random(&mut random, storage, 51, k), Stored::random(&mut random, storage, 51, k));
        let wide = Stored::random(&mut random, storage, 130, k);
        for m in [1, 4, 13, 600] {
            let mut x = random.floats(m * k);
            for isa in isas() {
                let cpu = cpu(2, isa);
                let (mut y, mut a, mut b) = (vec![0f32; m * 51], vec![0f32; m * 51], vec![0f32; m * 130]);
                let xs = f32s(&mut x, &[m, k]);
                let tensors = [xs, gate.tensor(), up.tensor(), f32s(&mut y, &[m, 51])];
                call(&cpu, "linearSwiGlu", &tensors, &[]).unwrap();
                let tensors =
                    [xs, up.tensor(), wide.tensor(), f32s(&mut a, &[m, 51]), f32s(&mut b, &[m, 130])];
                call(&cpu, "linearMulti", &tensors, &[2.0]).unwrap();
                for i in [0, m / 2, m - 1] {
                    let x = &x[i * k..][..k];
                    for j in 0..130 {
                        close(b[i * 130 + j], dot(x, &wide.row(j)), || format!("{storage} multi m {m}"));
                        if j < 51 {
                            let ((g, gs), (u, us)) = (dot(x, &gate.row(j)), dot(x, &up.row(j)));
                            close(a[i * 51 + j], (u, us), || format!("{storage} multi m {m}"));
                            let want = g / (1.0 + (-g).exp()) * u;
                            let size = (1.1 * gs + 1.0) * (us + 1.0);
                            close(y[i * 51 + j], (want, size), || format!("{storage} swiGlu m {m}"));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn gemm_equals_float64_in_every_orientation() {
    let mut random = Random::new(4);
    let shapes = [
        (1, 1, 1),
        (1, 5, 40),
        (5, 1, 3),
        (3, 7, 2),
        (6, 16, 16),
        (7, 33, 17),
        (1, 300, 129),
        (13, 257, 65),
        (65, 64, 31),
        (130, 520, 70),
        (8, 0, 5),
        (0, 4, 4),
        (515, 3, 18),
    ];
    for (m, k, n) in shapes {
        for (ba, bb) in [(1, 1), (3, 3), (1, 3), (3, 1)] {
            let batch = ba.max(bb);
            let (mut a, mut b) = (random.floats(ba * m * k), random.floats(bb * k * n));
            let mut bias = random.floats(n);
            for isa in isas() {
                for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
                    let mut out = vec![f32::NAN; batch * m * n];
                    let tensors = [
                        f32s(&mut a, &if ta { [ba, k, m] } else { [ba, m, k] }),
                        f32s(&mut b, &if tb { [bb, n, k] } else { [bb, k, n] }),
                        f32s(&mut bias, &[n]),
                        f32s(&mut out, &[batch, m, n]),
                    ];
                    let attrs = [f64::from(u8::from(ta)), f64::from(u8::from(tb)), 1.0, 1.0];
                    call(&cpu(2, isa), "gemm", &tensors, &attrs).unwrap();
                    for i in 0..batch {
                        let (a, b) = (&a[i % ba * m * k..], &b[i % bb * n * k..]);
                        for r in 0..m {
                            for c in 0..n {
                                let row: Vec<f32> =
                                    (0..k).map(|p| if ta { a[p * m + r] } else { a[r * k + p] }).collect();
                                let col: Vec<f32> =
                                    (0..k).map(|p| if tb { b[c * k + p] } else { b[p * n + c] }).collect();
                                let (sum, size) = dot(&row, &col);
                                let want = (sum + f64::from(bias[c])).max(0.0);
                                close(out[(i * m + r) * n + c], (want, size + 1.0), || {
                                    format!("{m} {k} {n} batch {ba} {bb} transposed {ta} {tb} {}", isa.name())
                                });
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn activations_follow_tfjs() {
    let x = [-3.0f32, -0.5, 0.0, 0.5, 3.0, 9.0];
    let e = |v: f32| v.exp();
    let want: [(f64, [f32; 6]); 6] = [
        (0.0, x),
        (1.0, [0.0, 0.0, 0.0, 0.5, 3.0, 9.0]),
        (2.0, [0.0, 0.0, 0.0, 0.5, 3.0, 6.0]),
        (3.0, [e(-3.0) - 1.0, e(-0.5) - 1.0, 0.0, 0.5, 3.0, 9.0]),
        (4.0, x.map(|v| 1.0 / (1.0 + e(-v)))),
        (5.0, [-0.3, -0.05, 0.0, 0.5, 3.0, 9.0]),
    ];
    for (code, want) in want {
        let (mut a, mut b, mut out) = ([1.0f32], x, [0.0f32; 6]);
        let tensors = [f32s(&mut a, &[1, 1]), f32s(&mut b, &[1, 6]), f32s(&mut out, &[1, 6])];
        call(&cpu(1, Isa::best()), "gemm", &tensors, &[0.0, 0.0, 0.0, code, 0.1]).unwrap();
        for (got, want) in out.iter().zip(want) {
            assert!((got - want).abs() < 1e-6, "activation {code}: {got}, not {want}");
        }
    }
}

#[test]
fn embedding_and_dequantize_read_rows() {
    let mut random = Random::new(5);
    for storage in STORAGES {
        let d = storage.block().0.max(32) * 3;
        let table = Stored::random(&mut random, storage, 40, d);
        let mut ids = [39i32, 0, 7, 7, 21];
        let (mut y, mut all) = (vec![0f32; 5 * d], vec![0f32; 40 * d]);
        let id_tensor =
            |ids: &mut [i32]| unsafe { Tensor::new(ids.as_mut_ptr().cast(), Storage::I32, &[ids.len()]) };
        for isa in isas() {
            let cpu = cpu(2, isa);
            call(&cpu, "embedding", &[table.tensor(), id_tensor(&mut ids), f32s(&mut y, &[5, d])], &[])
                .unwrap();
            call(&cpu, "dequantize", &[table.tensor(), f32s(&mut all, &[40, d])], &[]).unwrap();
            for (i, id) in ids.iter().enumerate() {
                assert_eq!(y[i * d..][..d], table.row(*id as usize), "{storage}");
            }
            for i in 0..40 {
                assert_eq!(all[i * d..][..d], table.row(i), "{storage}");
            }
        }
        for bad in [-1, 40, i32::MIN, i32::MAX] {
            let mut ids = [3, bad];
            let tensors = [table.tensor(), id_tensor(&mut ids), f32s(&mut y[..2 * d], &[2, d])];
            let e = call(&cpu(1, Isa::best()), "embedding", &tensors, &[]).unwrap_err().0;
            assert!(e.contains(&bad.to_string()) && e.contains("40 rows"), "{e}");
        }
    }
}

#[test]
fn convert_rounds_to_the_nearest_code() {
    let mut random = Random::new(6);
    let (rows, d) = (9, 96);
    let mut x = random.floats(rows * d);
    x[..32].fill(0.0);
    x[32..64].fill(-0.75);
    for storage in [Storage::F32, Storage::BF16, Storage::F16, Storage::Q8_0, Storage::Q4_0, Storage::Q4_1] {
        let mut bytes = vec![0u8; rows * storage.row_bytes(d)];
        let y = unsafe { Tensor::new(bytes.as_mut_ptr(), storage, &[rows, d]) };
        let mut back = vec![0f32; rows * d];
        let cpu = cpu(2, Isa::best());
        call(&cpu, "convert", &[f32s(&mut x, &[rows, d]), y], &[]).unwrap();
        call(&cpu, "dequantize", &[y, f32s(&mut back, &[rows, d])], &[]).unwrap();
        for (i, (x, back)) in x.chunks(32).zip(back.chunks(32)).enumerate() {
            let most = x.iter().fold(0f32, |m, v| m.max(v.abs()));
            let spread =
                x.iter().fold(f32::MIN, |m, v| m.max(*v)) - x.iter().fold(f32::MAX, |m, v| m.min(*v));
            for (x, back) in x.iter().zip(back) {
                let bound = match storage {
                    Storage::F32 => 0.0,
                    Storage::BF16 => x.abs() / 256.0,
                    Storage::F16 => x.abs() / 2048.0 + 1e-7,
                    Storage::Q8_0 => most / 127.0 * 0.51 + 1e-3 * most / 127.0,
                    // The largest positive value may have no code: one step, not half.
                    Storage::Q4_0 => most / 8.0 * 1.01,
                    _ => spread / 15.0 * 0.51 + 1e-3 * most,
                };
                assert!((x - back).abs() <= bound, "{storage} block {i}: {x} became {back}");
            }
        }
        // What came out of a format goes back in unchanged.
        if storage != Storage::Q8_0 && storage != Storage::Q4_1 {
            let before = bytes.clone();
            call(&cpu, "convert", &[f32s(&mut back, &[rows, d]), y], &[]).unwrap();
            assert!(before == bytes, "{storage} is stable");
        }
    }
}

#[test]
fn bad_operands_are_errors_that_say_what_was_expected() {
    let mut random = Random::new(7);
    let w = Stored::random(&mut random, Storage::Q4_1, 5, 64);
    let (mut x, mut y) = (vec![0f32; 3 * 96], vec![0f32; 3 * 5]);
    let cpu = cpu(1, Isa::best());
    let says = |result: Result<()>, parts: &[&str]| {
        let e = result.unwrap_err().0;
        assert!(parts.iter().all(|p| e.contains(p)), "{e} should say {parts:?}");
    };
    let wrong = [f32s(&mut x, &[3, 96]), w.tensor(), f32s(&mut y, &[3, 5])];
    says(call(&cpu, "linear", &wrong, &[0.0, 0.0]), &["x [3, 96]", "takes 64"]);
    says(call(&cpu, "linear", &wrong, &[1.0, 0.0]), &["expected 4 tensors"]);
    let wrong = [f32s(&mut x[..192], &[3, 64]), w.tensor(), f32s(&mut y[..10], &[2, 5])];
    says(call(&cpu, "linear", &wrong, &[0.0, 0.0]), &["3 rows of 5", "[2, 5]"]);
    let wrong = [w.tensor(), w.tensor(), f32s(&mut y, &[3, 5])];
    says(call(&cpu, "linear", &wrong, &[0.0, 0.0]), &["y must hold 5 rows"]);
    let wrong = [f32s(&mut x[..6], &[2, 3]), f32s(&mut y[..8], &[4, 2]), f32s(&mut [0.0; 4], &[2, 2])];
    says(call(&cpu, "gemm", &wrong, &[0.0, 0.0, 0.0, 0.0]), &["[2, 3]", "[4, 2]"]);
    let wrong = [f32s(&mut x[..6], &[2, 3]), f32s(&mut y[..6], &[3, 2]), f32s(&mut [0.0; 6], &[2, 3])];
    says(call(&cpu, "gemm", &wrong, &[0.0, 0.0, 0.0, 0.0]), &["out must be [1, 2, 2]"]);
    let q = [f32s(&mut [f32::NAN; 64], &[1, 64]), unsafe {
        Tensor::new(vec![0u8; 68].leak().as_mut_ptr(), Storage::Q8_0, &[1, 64])
    }];
    says(call(&cpu, "convert", &q, &[]), &["NaN", "0..32"]);
}

/// The rule of `int8`'s documentation, step by step, for one element.
fn int8_element(x: &[f32], w: &[u8], storage: Storage) -> f32 {
    let half = |at: usize| half::f16::from_ne_bytes([w[at], w[at + 1]]).to_f32();
    let bytes = storage.block().1;
    let mut total = 0f32;
    for (b, x) in x.chunks(32).enumerate() {
        let at = b * bytes;
        let most = x.iter().fold(0f32, |m, v| m.max(v.abs()));
        let most = if most < 2f32.powi(-100) { 0.0 } else { most };
        let d = most / 127.0;
        let codes: Vec<i32> = x
            .iter()
            .map(|v| if most == 0.0 { 0 } else { (v * (127.0 / most)).round_ties_even() as i32 })
            .collect();
        let (q, offset): (Vec<i32>, Option<f32>) = match storage {
            Storage::Q8_0 => ((0..32).map(|i| i32::from(w[at + 2 + i] as i8)).collect(), None),
            _ => {
                let nibbles = at + bytes - 16;
                let low = (0..16).map(|i| i32::from(w[nibbles + i] & 15));
                let high = (0..16).map(|i| i32::from(w[nibbles + i] >> 4));
                let offset = if storage == Storage::Q4_0 { -8.0 * half(at) } else { half(at + 2) };
                (low.chain(high).collect(), Some(offset))
            }
        };
        let dot: i32 = q.iter().zip(&codes).map(|(q, c)| q * c).sum();
        total = (half(at) * d).mul_add(dot as f32, total);
        if let Some(offset) = offset {
            total = offset.mul_add(d * codes.iter().sum::<i32>() as f32, total);
        }
    }
    total
}

#[test]
fn int8_follows_its_rule_to_the_bit_on_every_instruction_set() {
    let mut random = Random::new(8);
    for storage in [Storage::Q8_0, Storage::Q4_0, Storage::Q4_1] {
        for k in [32, 96, 576, 1536] {
            let n = 37;
            let w = Stored::random(&mut random, storage, n, k);
            for m in [1, 2, 3, 4, 5, 9, 64] {
                let mut x = random.floats(m * k);
                // Extremes: a block of zeros, one of a single value, one of the largest codes.
                x[..16].fill(0.0);
                x[16..32].fill(if m == 1 { 0.0 } else { -0.5 });
                x[(m - 1) * k..][..32].fill(1.0);
                if k > 64 {
                    x[40] = 1e-38;
                    x[64..96].fill(-1e-31);
                }
                for isa in isas() {
                    let mut y = vec![0f32; m * n];
                    let tensors = [f32s(&mut x, &[m, k]), w.tensor(), f32s(&mut y, &[m, n])];
                    call(&cpu(2, isa), "linearInt8", &tensors, &[0.0, 0.0]).unwrap();
                    for i in 0..m {
                        for j in 0..n {
                            let bytes = &w.bytes[w.skip + j * storage.row_bytes(k)..];
                            let x = &x[i * k..][..k];
                            let want = int8_element(x, bytes, storage);
                            let got = y[i * n + j];
                            assert_eq!(got, want, "{storage} m {m} k {k} {} at {i}, {j}", isa.name());
                            let (exact, size) = dot(x, &w.row(j));
                            let slack = size / 100.0 + 1e-30;
                            assert!((f64::from(got) - exact).abs() <= slack, "{got} is far from {exact}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn int8_passes_on_what_is_not_finite() {
    let mut random = Random::new(9);
    let w = Stored::random(&mut random, Storage::Q4_0, 3, 64);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for isa in isas() {
            let mut x = random.floats(2 * 64);
            x[64 + 40] = bad;
            let mut y = [0f32; 6];
            let tensors = [f32s(&mut x, &[2, 64]), w.tensor(), f32s(&mut y, &[2, 3])];
            call(&cpu(1, isa), "linearInt8", &tensors, &[0.0, 0.0]).unwrap();
            assert!(
                y[..3].iter().all(|v| v.is_finite()) && y[3..].iter().all(|v| v.is_nan()),
                "{bad}: {y:?}"
            );
        }
    }
}

#[test]
fn gemm_adds_to_what_is_there() {
    for cpu in crate::cpu::model::testing::devices() {
        for transposed in [0.0, 1.0] {
            let (m, k, n) = (300, 37, 270);
            let mut random = Random::new(2);
            let (mut a, mut b, mut y) = (random.floats(m * k), random.floats(k * n), vec![0.0; m * n]);
            let side: &[usize] = if transposed == 1.0 { &[k, m] } else { &[m, k] };
            let floats = |t: &mut Vec<f32>, shape: &[usize]| unsafe {
                Tensor::new(t.as_mut_ptr().cast(), Storage::F32, shape)
            };
            let tensors = [floats(&mut a, side), floats(&mut b, &[k, n]), floats(&mut y, &[m, n])];
            let product = |accumulate: f64| {
                let attrs = [transposed, 0.0, 0.0, 0.0, 0.2, accumulate];
                super::gemm::gemm(&Call { cpu: &cpu, tensors: &tensors, attrs: &attrs }).unwrap();
            };
            product(0.0);
            let once = y.clone();
            product(1.0);
            for (twice, once) in y.iter().zip(&once) {
                assert!((twice - 2.0 * once).abs() <= 1e-4, "{twice}, not twice {once}");
            }
        }
    }
}
