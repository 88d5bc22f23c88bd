//! Tensors of a command some of which may be left out, and float32 memory that threads share.

use crate::cpu::Call;
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::threads::Threads;

/// Reads a call's tensors in order; attribute i says whether the i-th optional one is there.
pub struct Operands<'a> {
    call: &'a Call<'a>,
    tensor: usize,
    flag: usize,
}

impl<'a> Operands<'a> {
    pub fn of(call: &'a Call<'a>) -> Operands<'a> {
        Operands { call, tensor: 0, flag: 0 }
    }

    pub fn required(&mut self) -> Result<&'a Tensor> {
        let tensors = self.call.tensors;
        ensure!(self.tensor < tensors.len(), "more than the {} tensors given were expected", tensors.len());
        self.tensor += 1;
        Ok(&tensors[self.tensor - 1])
    }

    pub fn optional(&mut self) -> Result<Option<&'a Tensor>> {
        self.flag += 1;
        if self.call.attr(self.flag - 1)? == 0.0 { Ok(None) } else { self.required().map(Some) }
    }

    /// The attribute after the flags read so far.
    pub fn attr(&mut self) -> Result<f64> {
        self.flag += 1;
        self.call.attr(self.flag - 1)
    }

    pub fn end(self) -> Result<()> {
        let given = self.call.tensors.len();
        ensure!(self.tensor == given, "expected {} tensors, got {given}", self.tensor);
        Ok(())
    }
}

/// A float32 tensor by address: threads write disjoint parts, and a state may be updated in place.
#[derive(Clone, Copy)]
pub struct Floats(*mut f32);

unsafe impl Send for Floats {}
unsafe impl Sync for Floats {}

impl Floats {
    pub fn of(t: &Tensor) -> Result<Floats> {
        t.f32()?;
        Ok(Floats(t.ptr().cast()))
    }

    /// Over memory that outlives its use.
    pub fn over(memory: &mut [f32]) -> Floats {
        Floats(memory.as_mut_ptr())
    }

    pub fn maybe(t: Option<&Tensor>) -> Result<Option<Floats>> {
        t.map(Floats::of).transpose()
    }

    #[inline(always)]
    pub unsafe fn at(&self, i: usize) -> *mut f32 {
        unsafe { self.0.add(i) }
    }

    /// An address to prefetch; it may lie outside.
    #[inline(always)]
    pub fn near(&self, i: usize) -> *const f32 {
        self.0.wrapping_add(i)
    }

    #[inline(always)]
    pub unsafe fn get(&self, i: usize) -> f32 {
        unsafe { *self.0.add(i) }
    }

    #[inline(always)]
    pub unsafe fn slice(&self, i: usize, n: usize) -> &[f32] {
        unsafe { std::slice::from_raw_parts(self.0.add(i), n) }
    }

    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice_mut(&self, i: usize, n: usize) -> &mut [f32] {
        unsafe { std::slice::from_raw_parts_mut(self.0.add(i), n) }
    }
}

/// `out [..., n]` = sums over the second last axis of `parts [..., each, n]`, in order.
pub fn sum_parts(threads: &Threads, parts: Floats, out: &Tensor, each: usize) -> Result<()> {
    let n = out.dim(-1);
    let sums = Floats::of(out)?;
    threads.ranges(out.len() / n.max(1), (1 << 12) / n.max(1) + 1, |items| {
        for item in items {
            let to = unsafe { sums.slice_mut(item * n, n) };
            to.fill(0.0);
            for part in 0..each {
                let from = unsafe { parts.slice((item * each + part) * n, n) };
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
    });
    Ok(())
}
