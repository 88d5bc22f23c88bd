//! Plain copies between buffers, whatever the storage.

use super::{Call, Kernel};
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;

pub static KERNELS: &[Kernel] =
    &[Kernel { name: "copy", run: copy }, Kernel { name: "copyRows", run: copy_rows }];

/// `[from, to]`: the same storage and number of elements.
fn copy(call: &Call) -> Result<()> {
    let [from, to] = call.args()?;
    ensure!(
        from.storage == to.storage && from.len() == to.len(),
        "cannot copy {} {:?} to {} {:?}",
        from.storage,
        from.shape(),
        to.storage,
        to.shape()
    );
    to.raw_mut().copy_from_slice(from.raw());
    Ok(())
}

/// One pair of tensors of `copyRows`: where rows begin, how far they lie apart, and the bytes to copy.
#[derive(Debug)]
pub struct RowPair {
    pub from: *mut u8,
    pub to: *mut u8,
    pub from_step: usize,
    pub to_step: usize,
    pub bytes: usize,
}

/// What `copyRows` is asked for, checked: every row of the list goes over in every pair.
#[derive(Debug)]
pub struct RowCopies {
    pub rows: Vec<(usize, usize)>,
    pub pairs: Vec<RowPair>,
}

impl RowCopies {
    /// Tensors `[from, to]*`; attributes `[n, from row * n, to row * n, elements a pair]`.
    pub fn read(tensors: &[Tensor], attrs: &[f64]) -> Result<RowCopies> {
        ensure!(tensors.len().is_multiple_of(2), "expected pairs of tensors, got {}", tensors.len());
        ensure!(
            attrs.iter().all(|a| *a >= 0.0 && a.fract() == 0.0),
            "rows and counts should be whole numbers"
        );
        let (tensors, _) = tensors.as_chunks::<2>();
        let n = attrs.first().map_or(0, |&n| n as usize);
        ensure!(
            attrs.len() == 1 + 2 * n + tensors.len(),
            "expected {n} rows, as many places and {} counts, got {} attributes",
            tensors.len(),
            attrs.len()
        );
        let (from, to) = (&attrs[1..][..n], &attrs[1 + n..][..n]);
        let rows = from.iter().zip(to).map(|(&f, &t)| (f as usize, t as usize)).collect::<Vec<_>>();
        let mut written: Vec<usize> = rows.iter().map(|&(_, to)| to).collect();
        written.sort_unstable();
        ensure!(written.windows(2).all(|w| w[0] < w[1]), "a row is written twice");
        let mut pairs = Vec::with_capacity(tensors.len());
        for ([from, to], &elements) in tensors.iter().zip(&attrs[1 + 2 * n..]) {
            let elements = elements as usize;
            ensure!(
                from.storage == to.storage
                    && !from.storage.is_quantized()
                    && from.rank() > 0
                    && to.rank() > 0,
                "cannot copy rows of {} {:?} to {} {:?}",
                from.storage,
                from.shape(),
                to.storage,
                to.shape()
            );
            let width = |t: &Tensor| t.shape()[1..].iter().product::<usize>();
            for (name, t, used) in [
                ("from", from, rows.iter().map(|&(from, _)| from).max()),
                ("to", to, rows.iter().map(|&(_, to)| to).max()),
            ] {
                ensure!(
                    elements <= width(t) && used.is_none_or(|row| row < t.dim(0)),
                    "{elements} elements of rows up to {} do not lie in the tensor {name} of shape {:?}",
                    used.unwrap_or(0),
                    t.shape()
                );
            }
            ensure!(
                from.ptr() != to.ptr() || rows.iter().all(|(from, _)| written.binary_search(from).is_err()),
                "a row that is read is written too"
            );
            let bytes = |n: usize| from.storage.row_bytes(n);
            pairs.push(RowPair {
                from: from.ptr(),
                to: to.ptr(),
                from_step: bytes(width(from)),
                to_step: bytes(width(to)),
                bytes: bytes(elements),
            });
        }
        Ok(RowCopies { rows, pairs })
    }
}

/// Copies the first elements of rows over those of others, for many pairs of tensors at once.
///
/// Tensors `[from, to]*`, each pair of one storage and any shape with rows first; a pair may be one
/// tensor twice, its rows read and its rows written being others. Attributes as `RowCopies::read`.
fn copy_rows(call: &Call) -> Result<()> {
    let RowCopies { rows, pairs } = RowCopies::read(call.tensors, call.attrs)?;
    for pair in &pairs {
        for &(from, to) in &rows {
            unsafe {
                std::ptr::copy_nonoverlapping(
                    pair.from.add(from * pair.from_step),
                    pair.to.add(to * pair.to_step),
                    pair.bytes,
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::copy_rows;
    use crate::cpu::model::testing::{devices, f, i, run};

    #[test]
    fn rows_go_over_in_every_pair() {
        let cpu = &devices()[0];
        let (mut small, mut large) = (vec![1.0, 2.0, 3.0, 4.0], vec![0.0; 12]);
        let mut ids = vec![7, 8, 9];
        let tensors =
            [f(&mut small, &[2, 2]), f(&mut large, &[3, 2, 2]), i(&mut ids, &[3]), i(&mut ids, &[3])];
        // Row 1 goes to rows 0 and 2: two numbers of the floats, one of the ids.
        run(cpu, copy_rows, &tensors, &[2.0, 1.0, 1.0, 0.0, 2.0, 2.0, 1.0]).unwrap();
        assert_eq!(large, [3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
        assert_eq!(ids, [8, 8, 8]);
    }

    #[test]
    fn wrong_rows_are_errors() {
        let cpu = &devices()[0];
        let (mut x, mut y) = (vec![0.0; 4], vec![0.0; 4]);
        let two = [f(&mut x, &[2, 2]), f(&mut y, &[2, 2])];
        let call = |attrs: &[f64], want: &str| {
            let e = run(cpu, copy_rows, &two, attrs).unwrap_err().0;
            assert!(e.contains(want), "{e}");
        };
        call(&[1.0, 2.0, 0.0, 1.0], "rows up to 2 do not lie in the tensor from of shape [2, 2]");
        call(&[1.0, 0.0, 2.0, 1.0], "rows up to 2 do not lie in the tensor to of shape [2, 2]");
        call(&[1.0, 0.0, 0.0, 3.0], "3 elements");
        call(&[2.0, 0.0, 0.0, 1.0, 1.0, 1.0], "a row is written twice");
        call(&[1.0, 0.0, 1.0], "counts, got 3 attributes");
        call(&[1.0, 0.5, 1.0, 1.0], "whole numbers");
        let one = [two[0], two[0]];
        let e = run(cpu, copy_rows, &one, &[2.0, 0.0, 1.0, 1.0, 0.0, 1.0]).unwrap_err().0;
        assert!(e.contains("a row that is read is written too"), "{e}");
    }
}
