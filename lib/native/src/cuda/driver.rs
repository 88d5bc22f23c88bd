//! The driver's calls that the device makes, with errors as sentences.

use crate::error::{Error, Result};
use cudarc::driver::sys;
use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;

/// Turns a driver status into an error that says what was being done.
pub fn check(what: &str, status: sys::CUresult) -> Result<()> {
    if status == sys::CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let mut text = std::ptr::null();
    let known = unsafe { sys::cuGetErrorString(status, &mut text) } == sys::CUresult::CUDA_SUCCESS;
    let text = if known && !text.is_null() {
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    } else {
        format!("{status:?}")
    };
    Err(Error(format!("CUDA: {what}: {text}")))
}

/// What a machine has.
#[derive(Debug, Clone)]
pub struct Properties {
    pub name: String,
    pub ordinal: i32,
    pub capability: (i32, i32),
    pub multiprocessors: usize,
    /// Bytes of shared memory that a block may ask for.
    pub block_shared: usize,
    pub total_bytes: usize,
    pub driver: i32,
}

impl Properties {
    pub fn of(ordinal: i32) -> Result<Properties> {
        if !unsafe { sys::is_culib_present() } {
            return Err(Error("no CUDA driver was found (libcuda.so)".into()));
        }
        unsafe {
            check("starting the driver", sys::cuInit(0))?;
            let (mut count, mut driver) = (0, 0);
            check("counting devices", sys::cuDeviceGetCount(&mut count))?;
            check("reading the driver's version", sys::cuDriverGetVersion(&mut driver))?;
            crate::ensure!(ordinal < count, "there is no CUDA device {ordinal}: the machine has {count}");
            let mut device = 0;
            check("opening the device", sys::cuDeviceGet(&mut device, ordinal))?;
            let mut name = [0; 128];
            check("reading the device's name", sys::cuDeviceGetName(name.as_mut_ptr(), 128, device))?;
            let mut total_bytes = 0;
            check("reading the device's memory", sys::cuDeviceTotalMem_v2(&mut total_bytes, device))?;
            use sys::CUdevice_attribute_enum as A;
            let get = |a: A| {
                let mut value = 0;
                check("reading the device", sys::cuDeviceGetAttribute(&mut value, a, device)).map(|()| value)
            };
            Ok(Properties {
                name: CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned(),
                ordinal,
                capability: (
                    get(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
                    get(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
                ),
                multiprocessors: get(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as usize,
                block_shared: get(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as usize,
                total_bytes,
                driver,
            })
        }
    }

    /// The architecture that NVRTC compiles for: `sm_90`.
    pub fn architecture(&self) -> String {
        format!("sm_{}{}", self.capability.0, self.capability.1)
    }
}

/// A context and the one stream on which everything runs in order.
pub struct Stream {
    pub raw: sys::CUstream,
    context: sys::CUcontext,
    device: i32,
}

// The engine's lock gives one thread at a time the stream.
unsafe impl Send for Stream {}
unsafe impl Sync for Stream {}

impl Stream {
    pub fn open(ordinal: i32) -> Result<Stream> {
        unsafe {
            let (mut context, mut raw) = (null_mut(), null_mut());
            check("opening a context", sys::cuDevicePrimaryCtxRetain(&mut context, ordinal))?;
            check("entering the context", sys::cuCtxSetCurrent(context))?;
            let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
            check("making a stream", sys::cuStreamCreate(&mut raw, flags))?;
            Ok(Stream { raw, context, device: ordinal })
        }
    }

    /// Makes the context the calling thread's.
    pub fn enter(&self) -> Result<()> {
        check("entering the context", unsafe { sys::cuCtxSetCurrent(self.context) })
    }

    pub fn synchronize(&self) -> Result<()> {
        check("waiting for the device", unsafe { sys::cuStreamSynchronize(self.raw) })
    }

    pub fn to_device(&self, to: *mut u8, from: &[u8]) -> Result<()> {
        check("copying to the device", unsafe {
            sys::cuMemcpyHtoDAsync_v2(to as u64, from.as_ptr().cast(), from.len(), self.raw)
        })
    }

    pub fn to_host(&self, to: &mut [u8], from: *const u8) -> Result<()> {
        check("copying from the device", unsafe {
            sys::cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast::<c_void>(), from as u64, to.len(), self.raw)
        })?;
        self.synchronize()
    }

    pub fn copy(&self, to: *mut u8, from: *const u8, bytes: usize) -> Result<()> {
        check("copying on the device", unsafe {
            sys::cuMemcpyDtoDAsync_v2(to as u64, from as u64, bytes, self.raw)
        })
    }

    pub fn zero(&self, to: *mut u8, bytes: usize) -> Result<()> {
        check("clearing memory", unsafe { sys::cuMemsetD8Async(to as u64, 0, bytes, self.raw) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        unsafe {
            sys::cuStreamDestroy_v2(self.raw);
            sys::cuDevicePrimaryCtxRelease_v2(self.device);
        }
    }
}

/// A moment in the order of a stream's work.
pub struct Event(sys::CUevent);

unsafe impl Send for Event {}

impl Event {
    pub fn new() -> Result<Event> {
        let mut raw = null_mut();
        check("making an event", unsafe { sys::cuEventCreate(&mut raw, 0) })?;
        Ok(Event(raw))
    }

    /// One that only orders work.
    pub fn untimed() -> Result<Event> {
        let mut raw = null_mut();
        let flags = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        check("making an event", unsafe { sys::cuEventCreate(&mut raw, flags) })?;
        Ok(Event(raw))
    }

    /// Puts it behind everything that the stream was given so far.
    pub fn record(&self, stream: &Stream) -> Result<()> {
        self.record_on(stream.raw)
    }

    pub(super) fn record_on(&self, stream: sys::CUstream) -> Result<()> {
        check("recording an event", unsafe { sys::cuEventRecord(self.0, stream) })
    }

    /// Has a stream's later work wait for it.
    pub(super) fn hold(&self, stream: sys::CUstream) -> Result<()> {
        check("ordering streams", unsafe { sys::cuStreamWaitEvent(stream, self.0, 0) })
    }

    /// Waits until the stream has come there.
    pub fn wait(&self) -> Result<()> {
        check("waiting for the device", unsafe { sys::cuEventSynchronize(self.0) })
    }

    /// Whether the stream has come there.
    pub fn is_past(&self) -> Result<bool> {
        match unsafe { sys::cuEventQuery(self.0) } {
            sys::CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            status => check("asking for an event", status).map(|()| true),
        }
    }

    /// Milliseconds since another event; the stream is past both.
    pub fn millis_since(&self, start: &Event) -> Result<f64> {
        let mut millis = 0.0;
        check("timing the device", unsafe { sys::cuEventElapsedTime_v2(&mut millis, start.0, self.0) })?;
        Ok(f64::from(millis))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        unsafe { sys::cuEventDestroy_v2(self.0) };
    }
}

/// Host memory that the device writes to without the host's help.
pub struct PageLocked {
    at: *mut u8,
    bytes: usize,
}

unsafe impl Send for PageLocked {}

impl PageLocked {
    pub fn new(bytes: usize) -> Result<PageLocked> {
        let mut at = null_mut();
        check("allocating page-locked memory", unsafe { sys::cuMemAllocHost_v2(&mut at, bytes) })?;
        Ok(PageLocked { at: at.cast(), bytes })
    }

    pub fn bytes(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.at, self.bytes) }
    }

    /// Queues a copy from the device; the bytes are there when an event behind it is past.
    pub fn fill(&self, stream: &Stream, offset: usize, from: *const u8, bytes: usize) -> Result<()> {
        assert!(offset + bytes <= self.bytes, "a copy past the end of page-locked memory");
        check("copying from the device", unsafe {
            let to = self.at.add(offset).cast::<c_void>();
            sys::cuMemcpyDtoHAsync_v2(to, from as u64, bytes, stream.raw)
        })
    }
}

impl Drop for PageLocked {
    fn drop(&mut self) {
        unsafe { sys::cuMemFreeHost(self.at.cast()) };
    }
}

/// Loaded machine code.
pub struct Module(sys::CUmodule);

unsafe impl Send for Module {}
unsafe impl Sync for Module {}

/// A kernel of a module.
#[derive(Clone, Copy)]
pub struct Function(pub sys::CUfunction);

unsafe impl Send for Function {}
unsafe impl Sync for Function {}

impl Module {
    pub fn load(image: &[u8]) -> Result<Module> {
        let mut module = null_mut();
        check("loading compiled kernels", unsafe {
            sys::cuModuleLoadData(&mut module, image.as_ptr().cast())
        })?;
        Ok(Module(module))
    }

    pub fn function(&self, name: &str) -> Result<Function> {
        let mut function = null_mut();
        let c_name = CString::new(name).map_err(|e| Error(e.to_string()))?;
        check(&format!("finding the kernel {name}"), unsafe {
            sys::cuModuleGetFunction(&mut function, self.0, c_name.as_ptr())
        })?;
        Ok(Function(function))
    }
}
