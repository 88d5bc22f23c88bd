//! Keys and values of past tokens: `[rows, capacity, kv heads, d]`, so that appending a token and
//! moving a row are contiguous copies.

use super::rows::{Span, dims, expect_shape, spans};
use crate::cpu::Call;
use crate::ensure;
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
use half::bf16;

/// Bytes worth a thread's while.
const GRAIN: usize = 1 << 16;

/// `[src [b, l, h, d], starts [b], lens [b], cache [b, capacity, h, d]]`: puts each row's real tokens
/// at its positions, in place. A bfloat16 cache takes float32 tokens too, rounded to nearest even.
pub fn write(call: &Call) -> Result<()> {
    let [src, starts, lens, cache] = call.args()?;
    let [batch, length, heads, d] = dims("the new keys or values", src)?;
    let [_, capacity, _, _] = dims("the cache", cache)?;
    expect_shape("the cache", cache, &[batch, capacity, heads, d])?;
    let spans = spans(starts, lens, batch, length, capacity, "a cache")?;
    let rounds = (src.storage, cache.storage) == (Storage::F32, Storage::BF16);
    let token = if rounds { heads * d } else { token_bytes(src, cache, heads * d)? };
    let (from, to) = (Bytes(src.ptr()), Bytes(cache.ptr()));
    call.cpu.threads.ranges(batch, GRAIN.div_ceil((length * token).max(1)), |rows| {
        for row in rows {
            let Span { start, len } = spans[row];
            let (at, into) = (row * length * token, (row * capacity + start) * token);
            if rounds {
                unsafe { from.round(at, &to, into, len * token) };
            } else {
                unsafe { from.copy(at, &to, into, len * token) };
            }
        }
    });
    Ok(())
}

/// `[src [r1, c1, h, d], dst [r2, c2, h, d]]`, attributes source row, destination row, positions:
/// copies the first positions of one row over another's. src may be dst.
pub fn copy(call: &Call) -> Result<()> {
    let [src, dst] = call.args()?;
    let [rows, capacity, heads, d] = dims("the source cache", src)?;
    let [into_rows, into_capacity, _, _] = dims("the destination cache", dst)?;
    expect_shape("the destination cache", dst, &[into_rows, into_capacity, heads, d])?;
    let row = index(call, 0, "source row", rows)?;
    let into = index(call, 1, "destination row", into_rows)?;
    let positions = index(call, 2, "number of positions", capacity.min(into_capacity) + 1)?;
    let token = token_bytes(src, dst, heads * d)?;
    unsafe {
        Bytes(src.ptr()).copy(
            row * capacity * token,
            &Bytes(dst.ptr()),
            into * into_capacity * token,
            positions * token,
        );
    }
    Ok(())
}

/// `[src [r1, c1, h, d], rows i32 [n], dst [n, c2, h, d]]`: row i of dst becomes row rows[i] of src,
/// over the positions that both hold. dst must be another tensor.
pub fn gather(call: &Call) -> Result<()> {
    let [src, rows, dst] = call.args()?;
    let [count, capacity, heads, d] = dims("the source cache", src)?;
    let [n, into_capacity, _, _] = dims("the destination cache", dst)?;
    expect_shape("the destination cache", dst, &[n, into_capacity, heads, d])?;
    expect_shape("rows", rows, &[n])?;
    let token = token_bytes(src, dst, heads * d)?;
    ensure!(src.ptr() != dst.ptr() || src.is_empty(), "a cache cannot be gathered into itself");
    let rows = rows.i32()?;
    for (i, &row) in rows.iter().enumerate() {
        ensure!(row >= 0 && (row as usize) < count, "rows[{i}] is {row}; the cache has {count} rows");
    }
    let positions = capacity.min(into_capacity);
    let (from, to) = (Bytes(src.ptr()), Bytes(dst.ptr()));
    call.cpu.threads.ranges(n, GRAIN.div_ceil((positions * token).max(1)), |range| {
        for i in range {
            let row = rows[i] as usize;
            unsafe { from.copy(row * capacity * token, &to, i * into_capacity * token, positions * token) };
        }
    });
    Ok(())
}

/// `[positions i32 [b] or [b, w], lens i32 [b]]`: adds each row's length to its position (the last
/// column where there are several), in place, so that a captured step advances itself.
pub fn add_positions(call: &Call) -> Result<()> {
    let [positions, lens] = call.args()?;
    ensure!(
        matches!(positions.rank(), 1 | 2) && positions.dim(-1) > 0,
        "positions should have shape [b] or [b, w], got {:?}",
        positions.shape()
    );
    let width = if positions.rank() == 2 { positions.dim(1) } else { 1 };
    expect_shape("lens", lens, &[positions.dim(0)])?;
    for (row, len) in positions.i32_mut()?.chunks_exact_mut(width).zip(lens.i32()?) {
        let last = &mut row[width - 1];
        *last = last.wrapping_add(*len);
    }
    Ok(())
}

/// Bytes of one position; both tensors must store the same plain type.
fn token_bytes(src: &Tensor, dst: &Tensor, elements: usize) -> Result<usize> {
    ensure!(src.storage == dst.storage, "a {} tensor cannot go into a {} cache", src.storage, dst.storage);
    ensure!(
        matches!(src.storage, Storage::F32 | Storage::BF16 | Storage::F16),
        "a cache cannot be stored as {}",
        src.storage
    );
    Ok(src.storage.row_bytes(elements))
}

fn index(call: &Call, attr: usize, name: &str, below: usize) -> Result<usize> {
    let value = call.attr(attr)?;
    ensure!(
        value >= 0.0 && value.fract() == 0.0 && value < below as f64,
        "the {name} is {value}; it should be an integer from 0 to {}",
        below as f64 - 1.0
    );
    Ok(value as usize)
}

struct Bytes(*mut u8);

// Threads copy disjoint rows.
unsafe impl Sync for Bytes {}

impl Bytes {
    unsafe fn copy(&self, from: usize, to: &Bytes, at: usize, bytes: usize) {
        unsafe { std::ptr::copy(self.0.add(from), to.0.add(at), bytes) }
    }

    /// `n` floats from element `from` on become bfloat16 numbers from element `at` on.
    unsafe fn round(&self, from: usize, to: &Bytes, at: usize, n: usize) {
        unsafe {
            let x = std::slice::from_raw_parts(self.0.cast::<f32>().add(from), n);
            let y = std::slice::from_raw_parts_mut(to.0.cast::<u16>().add(at), n);
            for (y, x) in y.iter_mut().zip(x) {
                *y = bf16::from_f32(*x).to_bits();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn write_puts_real_tokens_at_their_positions_and_touches_nothing_else() {
        for cpu in devices() {
            for (b, l, h, d, capacity) in [(1, 1, 1, 1, 1), (3, 4, 2, 5, 9), (2, 70, 3, 64, 100)] {
                let mut random = Random(capacity as u64);
                let token = h * d;
                let mut src = random.floats(b * l * token, 1.0);
                let mut cache = random.floats(b * capacity * token, 1.0);
                let mut lens: Vec<i32> = (0..b).map(|_| random.below(l + 1) as i32).collect();
                let mut starts: Vec<i32> =
                    lens.iter().map(|&n| random.below(capacity - n as usize + 1) as i32).collect();
                let mut want = cache.clone();
                for row in 0..b {
                    for t in 0..lens[row] as usize {
                        let to = (row * capacity + starts[row] as usize + t) * token;
                        want[to..][..token].copy_from_slice(&src[(row * l + t) * token..][..token]);
                    }
                }
                let tensors = [
                    f(&mut src, &[b, l, h, d]),
                    i(&mut starts, &[b]),
                    i(&mut lens, &[b]),
                    f(&mut cache, &[b, capacity, h, d]),
                ];
                run(&cpu, write, &tensors, &[]).unwrap();
                assert_eq!(cache, want);
            }
        }
    }

    #[test]
    fn write_rounds_floats_into_a_bfloat16_cache() {
        for cpu in devices() {
            let mut src = vec![1.0, 1.00390625, 1.01171875, -3.4e38, f32::INFINITY, f32::NAN];
            let (mut starts, mut lens, mut cache) = (vec![1], vec![3], vec![7u16; 8]);
            let tensors = [
                f(&mut src, &[1, 3, 1, 2]),
                i(&mut starts, &[1]),
                i(&mut lens, &[1]),
                bf16(&mut cache, &[1, 4, 1, 2]),
            ];
            run(&cpu, write, &tensors, &[]).unwrap();
            // Of two as near the even one: down at 1 + 2^-8, up at 1 + 3 * 2^-8.
            assert_eq!(cache[..7], [7, 7, 0x3f80, 0x3f80, 0x3f82, 0xff80, 0x7f80]);
            assert!(half::bf16::from_bits(cache[7]).is_nan());
        }
    }

    #[test]
    fn a_full_cache_is_an_error_and_an_idle_row_is_not() {
        let cpu = &devices()[0];
        let (mut src, mut cache) = (vec![1.0; 2 * 2], vec![0.0; 2 * 4]);
        let mut call = |starts: &mut [i32], lens: &mut [i32]| {
            let tensors =
                [f(&mut src, &[2, 2, 1, 1]), i(starts, &[2]), i(lens, &[2]), f(&mut cache, &[2, 4, 1, 1])];
            run(cpu, write, &tensors, &[])
        };
        let e = call(&mut [0, 3], &mut [2, 2]).unwrap_err().0;
        assert!(e.contains("row 1 holds positions 3 to 4, beyond a cache of 4"), "{e}");
        assert!(call(&mut [0, -1], &mut [2, 2]).is_err());
        assert!(call(&mut [i32::MAX, 0], &mut [2, 2]).is_err());
        let e = call(&mut [0, 0], &mut [3, 2]).unwrap_err().0;
        assert!(e.contains("row 0 has length 3"), "{e}");
        call(&mut [0, 400], &mut [2, 0]).unwrap();
    }

    #[test]
    fn copy_and_gather_move_rows_between_capacities() {
        for cpu in devices() {
            let (h, d) = (2, 3);
            let mut src: Vec<f32> = (0..4 * 5 * h * d).map(|v| v as f32).collect();
            let mut dst = vec![-1.0; 3 * 7 * h * d];
            let row = |r: usize, positions: usize| &src[r * 5 * h * d..][..positions * h * d];
            let mut want = dst.clone();
            for (i, r) in [3, 0, 3].into_iter().enumerate() {
                want[i * 7 * h * d..][..5 * h * d].copy_from_slice(row(r, 5));
            }
            want[7 * h * d..][..2 * h * d].copy_from_slice(row(2, 2));
            let mut rows = vec![3, 0, 3];
            let (from, to) = (f(&mut src, &[4, 5, h, d]), f(&mut dst, &[3, 7, h, d]));
            run(&cpu, gather, &[from, i(&mut rows, &[3]), to], &[]).unwrap();
            run(&cpu, copy, &[from, to], &[2.0, 1.0, 2.0]).unwrap();
            assert_eq!(dst, want);
            for attrs in
                [[4.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 0.0, 6.0], [0.5, 0.0, 1.0], [-1.0, 0.0, 1.0]]
            {
                assert!(run(&cpu, copy, &[from, to], &attrs).is_err());
            }
            let e = run(&cpu, gather, &[from, i(&mut [0, 4, 0], &[3]), to], &[]).unwrap_err().0;
            assert!(e.contains("rows[1] is 4; the cache has 4 rows"), "{e}");
        }
    }

    #[test]
    fn positions_advance_in_place() {
        let cpu = &devices()[0];
        let (mut starts, mut lens) = (vec![5, 0, 7], vec![1, 0, 3]);
        let mut keys = vec![9, 8, 5, 9, 8, 0, 9, 8, 7];
        run(cpu, add_positions, &[i(&mut starts, &[3]), i(&mut lens, &[3])], &[]).unwrap();
        run(cpu, add_positions, &[i(&mut keys, &[3, 3]), i(&mut lens, &[3])], &[]).unwrap();
        assert_eq!(starts, [6, 0, 10]);
        assert_eq!(keys, [9, 8, 6, 9, 8, 0, 9, 8, 10]);
    }
}
