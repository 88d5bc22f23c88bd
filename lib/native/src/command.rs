//! The wire between JavaScript and the engine: one operation as a flat run of numbers.
//!
//! `[op, tensors, (handle, byteOffset, storage, rank, dims...)*, attrs, attr...]`
//!
//! Which tensors are read and which are written is the kernel's own convention, stated where the
//! kernel is.

use crate::error::Result;
use crate::memory::{Handle, Memory};
use crate::tensor::{MAX_RANK, Storage, Tensor};
use crate::{ensure, fail};

/// Words of the shared command buffer; a concat of a thousand tensors fits.
pub const WORDS: usize = 1 << 16;

pub struct Command {
    pub op: usize,
    pub handles: Vec<Handle>,
    pub tensors: Vec<Tensor>,
    pub attrs: Vec<f64>,
}

struct Reader<'a> {
    words: &'a [f64],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<f64> {
        match self.words.get(self.at) {
            Some(w) => {
                self.at += 1;
                Ok(*w)
            }
            None => fail!("a command ends after {} words", self.words.len()),
        }
    }

    fn count(&mut self) -> Result<usize> {
        let n = self.next()?;
        ensure!(n >= 0.0 && n.fract() == 0.0 && n < 9.0e15, "a command holds {n} where a count belongs");
        Ok(n as usize)
    }
}

impl Command {
    /// Decodes and checks that every tensor lies inside its live buffer.
    pub fn decode(words: &[f64], memory: &Memory) -> Result<Command> {
        let mut r = Reader { words, at: 0 };
        let op = r.count()?;
        let n = r.count()?;
        ensure!(n <= words.len(), "a command names {n} tensors");
        let mut handles = Vec::with_capacity(n);
        let mut tensors = Vec::with_capacity(n);
        for i in 0..n {
            let handle = r.count()? as Handle;
            let offset = r.count()?;
            let storage = Storage::from_code(r.next()?)?;
            let rank = r.count()?;
            ensure!(rank <= MAX_RANK, "tensor {i} has rank {rank}; the engine takes up to {MAX_RANK}");
            let mut dims = [0; MAX_RANK];
            for d in &mut dims[..rank] {
                *d = r.count()?;
            }
            let (ptr, size) =
                memory.get(handle).map_err(|e| crate::error::Error(format!("tensor {i}: {e}")))?;
            let bytes = Tensor::bytes(storage, &dims[..rank])?;
            ensure!(
                offset.checked_add(bytes).is_some_and(|end| end <= size),
                "tensor {i} ({storage} {:?}, {bytes} bytes at {offset}) lies outside its buffer of {size} bytes",
                &dims[..rank]
            );
            let ptr = unsafe { ptr.add(offset) };
            ensure!(
                !matches!(storage, Storage::F32 | Storage::I32) || (ptr as usize).is_multiple_of(4),
                "tensor {i} ({storage}) starts at an unaligned offset {offset}"
            );
            handles.push(handle);
            tensors.push(unsafe { Tensor::new(ptr, storage, &dims[..rank]) });
        }
        let n = r.count()?;
        ensure!(n <= words.len(), "a command names {n} attributes");
        let attrs = (0..n).map(|_| r.next()).collect::<Result<Vec<f64>>>()?;
        Ok(Command { op, handles, tensors, attrs })
    }
}
