//! Tensors as kernels see them: a checked pointer, a storage type and a row-major shape.

use crate::error::Result;
use crate::{ensure, fail};
use std::fmt;

pub const MAX_RANK: usize = 8;

/// How the bytes of a buffer are to be read. Quantised types are GGUF's blocks along the last axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Storage {
    F32 = 0,
    I32 = 1,
    /// One byte an element: tfjs' `bool`.
    U8 = 2,
    BF16 = 3,
    F16 = 4,
    Q8_0 = 5,
    Q4_0 = 6,
    Q4_1 = 7,
    Q4K = 8,
    Q6K = 9,
}

impl Storage {
    pub const NAMES: [&'static str; 10] =
        ["F32", "I32", "U8", "BF16", "F16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"];

    pub fn from_code(code: f64) -> Result<Storage> {
        use Storage::*;
        const ALL: [Storage; 10] = [F32, I32, U8, BF16, F16, Q8_0, Q4_0, Q4_1, Q4K, Q6K];
        match ALL.get(code as usize) {
            Some(s) if code >= 0.0 => Ok(*s),
            _ => fail!("unknown storage code {code}"),
        }
    }

    /// (elements, bytes) of the smallest addressable unit.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Storage::F32 | Storage::I32 => (1, 4),
            Storage::U8 => (1, 1),
            Storage::BF16 | Storage::F16 => (1, 2),
            Storage::Q8_0 => (32, 34),
            Storage::Q4_0 => (32, 18),
            Storage::Q4_1 => (32, 20),
            Storage::Q4K => (256, 144),
            Storage::Q6K => (256, 210),
        }
    }

    pub const fn is_quantized(self) -> bool {
        self.block().0 > 1
    }

    /// Bytes of one row of `n` elements; `n` is a multiple of the block.
    pub const fn row_bytes(self, n: usize) -> usize {
        let (elements, bytes) = self.block();
        n / elements * bytes
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Storage::NAMES[*self as usize])
    }
}

/// A view of a live buffer, valid while the command that holds it runs.
#[derive(Clone, Copy)]
pub struct Tensor {
    ptr: *mut u8,
    pub storage: Storage,
    rank: usize,
    dims: [usize; MAX_RANK],
}

// Kernels hand disjoint parts of a tensor to the pool's threads; the engine runs one command at a time.
unsafe impl Send for Tensor {}
unsafe impl Sync for Tensor {}

impl Tensor {
    /// # Safety
    /// `ptr` must address `Tensor::bytes(storage, dims)` live bytes, aligned for the storage.
    pub unsafe fn new(ptr: *mut u8, storage: Storage, shape: &[usize]) -> Tensor {
        let mut dims = [1; MAX_RANK];
        dims[..shape.len()].copy_from_slice(shape);
        Tensor { ptr, storage, rank: shape.len(), dims }
    }

    /// Bytes that a tensor of this storage and shape occupies.
    pub fn bytes(storage: Storage, shape: &[usize]) -> Result<usize> {
        let (elements, bytes) = storage.block();
        let last = shape.last().copied().unwrap_or(1);
        ensure!(
            last % elements == 0,
            "a {storage} tensor needs a last axis divisible by {elements}, got shape {shape:?}"
        );
        let mut units = 1usize;
        for (axis, &d) in shape.iter().enumerate() {
            let d = if axis + 1 == shape.len() { d / elements } else { d };
            units = match units.checked_mul(d) {
                Some(u) => u,
                None => fail!("shape {shape:?} overflows"),
            };
        }
        match units.checked_mul(bytes) {
            Some(n) => Ok(n),
            None => fail!("shape {shape:?} overflows"),
        }
    }

    pub fn shape(&self) -> &[usize] {
        &self.dims[..self.rank]
    }

    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The size of axis `i`; negative counts from the end.
    pub fn dim(&self, i: isize) -> usize {
        let i = if i < 0 { self.rank as isize + i } else { i };
        self.dims[..self.rank][i as usize]
    }

    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn ptr(&self) -> *mut u8 {
        self.ptr
    }

    fn typed<T>(&self, want: Storage) -> Result<*mut T> {
        ensure!(self.storage == want, "expected a {want} tensor, got {} {:?}", self.storage, self.shape());
        Ok(self.ptr.cast())
    }

    pub fn f32(&self) -> Result<&[f32]> {
        let p = self.typed::<f32>(Storage::F32)?;
        Ok(unsafe { std::slice::from_raw_parts(p, self.len()) })
    }

    /// The caller writes each element from one thread only; inputs may alias an output only where
    /// the kernel says so.
    #[allow(clippy::mut_from_ref)]
    pub fn f32_mut(&self) -> Result<&mut [f32]> {
        let p = self.typed::<f32>(Storage::F32)?;
        Ok(unsafe { std::slice::from_raw_parts_mut(p, self.len()) })
    }

    pub fn i32(&self) -> Result<&[i32]> {
        let p = self.typed::<i32>(Storage::I32)?;
        Ok(unsafe { std::slice::from_raw_parts(p, self.len()) })
    }

    #[allow(clippy::mut_from_ref)]
    pub fn i32_mut(&self) -> Result<&mut [i32]> {
        let p = self.typed::<i32>(Storage::I32)?;
        Ok(unsafe { std::slice::from_raw_parts_mut(p, self.len()) })
    }

    pub fn u8(&self) -> Result<&[u8]> {
        let p = self.typed::<u8>(Storage::U8)?;
        Ok(unsafe { std::slice::from_raw_parts(p, self.len()) })
    }

    #[allow(clippy::mut_from_ref)]
    pub fn u8_mut(&self) -> Result<&mut [u8]> {
        let p = self.typed::<u8>(Storage::U8)?;
        Ok(unsafe { std::slice::from_raw_parts_mut(p, self.len()) })
    }

    /// The raw bytes, whatever the storage.
    pub fn raw(&self) -> &[u8] {
        let n = Tensor::bytes(self.storage, self.shape()).unwrap_or(0);
        unsafe { std::slice::from_raw_parts(self.ptr, n) }
    }

    #[allow(clippy::mut_from_ref)]
    pub fn raw_mut(&self) -> &mut [u8] {
        let n = Tensor::bytes(self.storage, self.shape()).unwrap_or(0);
        unsafe { std::slice::from_raw_parts_mut(self.ptr, n) }
    }
}
