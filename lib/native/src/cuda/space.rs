//! Device memory for the engine's pool.

use crate::memory::Space;
use cudarc::driver::sys;

/// Blocks of device memory; the pool above keeps and reuses them in the stream's order.
pub struct DeviceSpace;

impl Space for DeviceSpace {
    fn alloc(&self, bytes: usize) -> Option<*mut u8> {
        let mut at = 0;
        let status = unsafe { sys::cuMemAlloc_v2(&mut at, bytes) };
        (status == sys::CUresult::CUDA_SUCCESS).then_some(at as *mut u8)
    }

    unsafe fn free(&self, ptr: *mut u8, _bytes: usize) {
        // Waits for the work that may still use it.
        unsafe { sys::cuMemFree_v2(ptr as u64) };
    }

    fn on_host(&self) -> bool {
        false
    }
}
