//! Transposes between a state as it is stored and as the scans hold it.

use crate::cpu::lanes::Lanes;

/// `to[j * to_stride + i] = from[i * from_stride + j]` for `rows` by `cols`.
///
/// # Safety
/// Both must be inside their memory and not overlap.
#[inline(always)]
pub unsafe fn transpose<V: Lanes>(
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
    rows: usize,
    cols: usize,
) {
    let (whole_rows, whole_cols) = (rows & !7, cols & !7);
    unsafe {
        for i in (0..whole_rows).step_by(8) {
            // The next eight rows: what a stream of states is read from.
            for j in (0..8 * cols).step_by(16) {
                V::prefetch(from.wrapping_add((i + 8) * from_stride + j));
            }
            for j in (0..whole_cols).step_by(8) {
                V::transpose8(
                    from.add(i * from_stride + j),
                    from_stride,
                    to.add(j * to_stride + i),
                    to_stride,
                );
            }
            for j in whole_cols..cols {
                for i in i..i + 8 {
                    *to.add(j * to_stride + i) = *from.add(i * from_stride + j);
                }
            }
        }
        for i in whole_rows..rows {
            for j in 0..cols {
                *to.add(j * to_stride + i) = *from.add(i * from_stride + j);
            }
        }
    }
}
