//! Rotary position embedding (Su et al. 2021, equation 34): pairs of features turned by the
//! position's angles, which come from a table of cosines and sines.

use super::rows::{dims, expect_shape, spans};
use crate::cpu::Call;
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;

/// Elements worth a thread's while.
const GRAIN: usize = 1 << 13;

/// `[x [b, l, h, d], table [positions, d/2, 2], starts [b], lens [b], y]`, attributes
/// `[interleaved, back?]`: 0 for halves (feature i pairs with i + d/2) or 1 for interleaved pairs (2i
/// with 2i + 1). Token t of row r is turned by the table's row starts[r] + t, the other way where back
/// is 1, which is the gradient; padding passes unchanged. y may be x.
pub fn rotary(call: &Call) -> Result<()> {
    let [x, table, starts, lens, y] = call.args()?;
    let [batch, length, heads, d] = dims("x", x)?;
    ensure!(d % 2 == 0, "heads should have an even number of features, got {d}");
    let [positions, _, _] = dims("table", table)?;
    expect_shape("table", table, &[positions, d / 2, 2])?;
    expect_shape("y", y, x.shape())?;
    let interleaved = match call.attr(0)? {
        0.0 => false,
        1.0 => true,
        other => crate::fail!("interleaved should be 0 or 1, got {other}"),
    };
    let sign = if call.attrs.get(1).is_some_and(|&back| back != 0.0) { -1.0 } else { 1.0 };
    let spans = spans(starts, lens, batch, length, positions, "a rotary table")?;
    x.f32()?;
    y.f32()?;
    let (source, target, table) = (Floats(x), Floats(y), table.f32()?);
    let token = heads * d;
    call.cpu.threads.ranges(batch * length, GRAIN.div_ceil(token.max(1)), |tokens| {
        for at in tokens {
            let (row, t) = (at / length, at % length);
            let (from, to) = unsafe { (source.at(at * token), target.at(at * token)) };
            if t >= spans[row].len {
                unsafe { std::ptr::copy(from, to, token) };
                continue;
            }
            let angles = &table[(spans[row].start + t) * d..][..d];
            for head in 0..heads {
                let (from, to) = unsafe { (from.add(head * d), to.add(head * d)) };
                unsafe {
                    if interleaved {
                        turn_pairs(from, to, angles, sign)
                    } else {
                        turn_halves(from, to, angles, sign)
                    }
                }
            }
        }
    });
    Ok(())
}

/// A float32 tensor by address: y may be x.
struct Floats<'a>(&'a Tensor);

impl Floats<'_> {
    unsafe fn at(&self, i: usize) -> *mut f32 {
        unsafe { self.0.ptr().cast::<f32>().add(i) }
    }
}

unsafe fn turn_pairs(x: *const f32, y: *mut f32, angles: &[f32], sign: f32) {
    for (i, angle) in angles.chunks_exact(2).enumerate() {
        unsafe {
            let (a, b) = (*x.add(2 * i), *x.add(2 * i + 1));
            let sine = sign * angle[1];
            *y.add(2 * i) = a * angle[0] - b * sine;
            *y.add(2 * i + 1) = b * angle[0] + a * sine;
        }
    }
}

unsafe fn turn_halves(x: *const f32, y: *mut f32, angles: &[f32], sign: f32) {
    let half = angles.len() / 2;
    for (i, angle) in angles.chunks_exact(2).enumerate() {
        unsafe {
            let (a, b) = (*x.add(i), *x.add(i + half));
            let sine = sign * angle[1];
            *y.add(i) = a * angle[0] - b * sine;
            *y.add(i + half) = b * angle[0] + a * sine;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn table(positions: usize, d: usize) -> Vec<f32> {
        let angle = |p: usize, i: usize| p as f64 * 10000f64.powf(-2.0 * i as f64 / d as f64);
        (0..positions)
            .flat_map(|p| (0..d / 2).flat_map(move |i| [angle(p, i).cos() as f32, angle(p, i).sin() as f32]))
            .collect()
    }

    #[test]
    fn rotary_equals_complex_multiplication() {
        for cpu in devices() {
            for (b, l, h, d) in [(1, 1, 1, 2), (2, 3, 9, 64), (3, 5, 2, 20), (1, 70, 3, 128)] {
                for interleaved in [false, true] {
                    let mut random = Random(d as u64);
                    let mut x = random.floats(b * l * h * d, 1.0);
                    let mut starts: Vec<i32> = (0..b).map(|_| random.below(30) as i32).collect();
                    let mut lens: Vec<i32> = (0..b).map(|r| (l - r.min(l)) as i32).collect();
                    let mut table = table(100, d);
                    let mut want = x.clone();
                    for (at, head) in want.chunks_mut(d).enumerate() {
                        let (row, t) = (at / h / l, at / h % l);
                        if t as i32 >= lens[row] {
                            continue;
                        }
                        for i in 0..d / 2 {
                            let p = (starts[row] as usize + t) * d + 2 * i;
                            let (c, s) = (f64::from(table[p]), f64::from(table[p + 1]));
                            let (a, b) = if interleaved { (2 * i, 2 * i + 1) } else { (i, i + d / 2) };
                            let (u, v) = (f64::from(head[a]), f64::from(head[b]));
                            head[a] = (u * c - v * s) as f32;
                            head[b] = (v * c + u * s) as f32;
                        }
                    }
                    let mut y = vec![0.0; x.len()];
                    let shape = [b, l, h, d];
                    let mut tensors = [
                        f(&mut x, &shape),
                        f(&mut table, &[100, d / 2, 2]),
                        i(&mut starts, &[b]),
                        i(&mut lens, &[b]),
                        f(&mut y, &shape),
                    ];
                    let attrs = [f64::from(u8::from(interleaved))];
                    run(&cpu, rotary, &tensors, &attrs).unwrap();
                    close(&y, &want, 1e-6);
                    tensors[4] = tensors[0];
                    run(&cpu, rotary, &tensors, &attrs).unwrap();
                    assert_eq!(x, y);
                }
            }
        }
    }

    #[test]
    fn a_position_beyond_the_table_names_the_row() {
        let cpu = &devices()[0];
        let (mut x, mut t) = (vec![0.0; 2 * 3 * 4], table(8, 4));
        let (mut starts, mut lens) = (vec![0, 6], vec![3, 3]);
        let mut call = |starts: &mut [i32]| {
            let tensors = [
                f(&mut x, &[2, 3, 1, 4]),
                f(&mut t, &[8, 2, 2]),
                i(starts, &[2]),
                i(&mut lens, &[2]),
                f(&mut x, &[2, 3, 1, 4]),
            ];
            run(cpu, rotary, &tensors, &[0.0])
        };
        let e = call(&mut starts).unwrap_err().0;
        assert!(e.contains("row 1 holds positions 6 to 8, beyond a rotary table of 8"), "{e}");
        assert!(call(&mut [0, -1]).is_err());
    }
}
