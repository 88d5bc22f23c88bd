//! Stored weights and the matrices that kernels read and write, as checked views of tensors.

use crate::ensure;
use crate::error::Result;
use crate::tensor::{Storage, Tensor};

/// A weight of `rows` outputs by `cols` inputs in any storage.
#[derive(Clone, Copy)]
pub struct Weight {
    ptr: *const u8,
    pub storage: Storage,
    pub rows: usize,
    pub cols: usize,
    row_bytes: usize,
}

// Read-only memory that outlives the command.
unsafe impl Send for Weight {}
unsafe impl Sync for Weight {}

impl Weight {
    /// The last axis holds the inputs; the axes before it are the outputs.
    pub fn of(name: &str, t: &Tensor) -> Result<Weight> {
        ensure!(
            !matches!(t.storage, Storage::I32 | Storage::U8),
            "{name} is {}; weights are F32, BF16, F16, Q8_0, Q4_0, Q4_1, Q4_K or Q6_K",
            t.storage
        );
        ensure!(t.rank() == 2, "{name} must be a matrix [outputs, inputs], got {:?}", t.shape());
        Ok(Weight::new(t.ptr(), t.storage, t.dim(0), t.dim(1)))
    }

    pub fn new(ptr: *const u8, storage: Storage, rows: usize, cols: usize) -> Weight {
        Weight { ptr, storage, rows, cols, row_bytes: storage.row_bytes(cols) }
    }

    /// The address of a row; `i` is below `rows`.
    #[inline(always)]
    pub fn row(&self, i: usize) -> *const u8 {
        debug_assert!(i < self.rows);
        unsafe { self.ptr.add(i * self.row_bytes) }
    }
}

/// A float32 matrix that several threads fill, each its own part.
#[derive(Clone, Copy)]
pub struct Out {
    pub ptr: *mut f32,
    pub ld: usize,
}

unsafe impl Send for Out {}
unsafe impl Sync for Out {}

impl Out {
    /// # Safety
    /// Element (`row`, `col`) must be inside.
    #[inline(always)]
    pub unsafe fn at(&self, row: usize, col: usize) -> *mut f32 {
        self.ptr.wrapping_add(row * self.ld + col)
    }

    /// # Safety
    /// The run must be inside, and no other thread may touch it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn run(&self, row: usize, col: usize, len: usize) -> &mut [f32] {
        unsafe { std::slice::from_raw_parts_mut(self.at(row, col), len) }
    }
}

/// `x [.., k]` as (rows, columns).
pub fn matrix(name: &str, t: &Tensor) -> Result<(usize, usize)> {
    ensure!(t.rank() >= 1, "{name} must have at least one axis, got a scalar");
    let cols = t.dim(-1);
    Ok((t.shape()[..t.rank() - 1].iter().product(), cols))
}
