//! What JavaScript sees. Every entry turns errors and panics into JavaScript exceptions.

use crate::command::WORDS;
use crate::cpu::KERNELS;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memory::Handle;
use crate::tensor::Storage;
use napi::bindgen_prelude::{ArrayBuffer, Env, Float64Array, Uint8Array};
use napi_derive::napi;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);

struct Commands(UnsafeCell<[f64; WORDS]>);
// Written by the one JavaScript thread that then calls `exec`.
unsafe impl Sync for Commands {}
static COMMANDS: Commands = Commands(UnsafeCell::new([0.0; WORDS]));

fn with<T>(body: impl FnOnce(&mut Engine) -> Result<T>) -> napi::Result<T> {
    let mut guard = ENGINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let engine =
        guard.as_mut().ok_or_else(|| napi::Error::from_reason("the native engine is not initialised"))?;
    let body = AssertUnwindSafe(|| {
        if let Some(cuda) = &engine.cuda {
            cuda.enter()?;
        }
        body(engine)
    });
    match catch_unwind(body) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error(message))) => Err(napi::Error::from_reason(message)),
        Err(panic) => {
            let what = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()))
                .unwrap_or_default();
            Err(napi::Error::from_reason(format!("the native engine panicked: {what}")))
        }
    }
}

#[napi(object)]
pub struct EngineInfo {
    /// `cpu` or `cuda`.
    pub device: String,
    /// The device's own name, where it is not the processor.
    pub device_name: Option<String>,
    pub threads: u32,
    pub isa: String,
    pub limit_bytes: f64,
}

#[napi(object)]
pub struct MemoryInfo {
    pub live_buffers: f64,
    pub live_bytes: f64,
    pub idle_bytes: f64,
    pub program_bytes: f64,
    pub mapped_bytes: f64,
    pub peak_bytes: f64,
    pub limit_bytes: f64,
    pub programs: f64,
    pub ops: f64,
    pub busy_nanos: f64,
    /// Milliseconds that captured programs kept a CUDA device busy; 0 on the processor.
    pub program_millis: f64,
}

/// Starts the engine on `cpu` or `cuda`, or gives a running one another number of threads or another
/// limit. A limit of 0 is the device's own choice.
#[napi]
pub fn init(threads: u32, limit_bytes: f64, device: String, ordinal: i32) -> napi::Result<EngineInfo> {
    {
        let mut guard = ENGINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match guard.as_mut() {
            Some(engine) => {
                if (device == "cuda") != engine.cuda.is_some() {
                    return Err(napi::Error::from_reason(format!(
                        "the engine runs on another device than {device}; one process has one device"
                    )));
                }
                if engine.cpu.threads.count() != threads as usize {
                    engine.cpu.threads = crate::threads::Threads::new(threads as usize);
                }
                if limit_bytes > 0.0 {
                    engine.memory.stats.limit_bytes = limit_bytes as usize;
                }
            }
            None if device == "cuda" => {
                let made = Engine::on_cuda(threads as usize, limit_bytes as usize, ordinal);
                *guard = Some(made.map_err(|e| napi::Error::from_reason(e.0))?);
            }
            None => *guard = Some(Engine::new(threads as usize, limit_bytes as usize)),
        }
    }
    with(|e| {
        let name = e.cuda.as_ref().map(|c| c.properties.name.clone());
        Ok(EngineInfo {
            device: if name.is_some() { "cuda" } else { "cpu" }.to_string(),
            device_name: name,
            threads: e.cpu.threads.count() as u32,
            isa: e.cpu.isa.name().to_string(),
            limit_bytes: e.memory.stats.limit_bytes as f64,
        })
    })
}

#[napi(object)]
pub struct Fallback {
    pub op: String,
    pub count: f64,
}

/// Operations that had no kernel on the device and ran on the processor.
#[napi]
pub fn fallbacks() -> napi::Result<Vec<Fallback>> {
    with(|e| {
        let Some(cuda) = &e.cuda else { return Ok(vec![]) };
        let counts = cuda.fallbacks.borrow();
        let mut all: Vec<Fallback> =
            counts.iter().map(|(op, &n)| Fallback { op: (*op).to_string(), count: n as f64 }).collect();
        all.sort_by(|a, b| a.op.cmp(&b.op));
        Ok(all)
    })
}

/// Compiles every CUDA kernel for an architecture such as `sm_90`, the products for these weight
/// formats (all if none are named); needs NVRTC, not a GPU. Returns what was compiled.
#[napi]
pub fn compile_kernels(architecture: String, formats: Option<Vec<String>>) -> napi::Result<Vec<String>> {
    crate::cuda::compile_all(&architecture, formats.as_deref()).map_err(|e| napi::Error::from_reason(e.0))
}

/// Waits for everything that was asked of the device.
#[napi]
pub fn synchronize() -> napi::Result<()> {
    with(|e| e.synchronize())
}

/// The best instruction set of this processor, without starting the engine.
#[napi]
pub fn detect_isa() -> String {
    crate::cpu::Isa::best().name().to_string()
}

/// Names of the native operations; an operation's code is its place in this list.
#[napi]
pub fn op_names() -> Vec<String> {
    KERNELS.iter().map(|k| k.name.to_string()).collect()
}

/// Names of the storage types; a type's code is its place in this list.
#[napi]
pub fn storage_names() -> Vec<String> {
    Storage::NAMES.iter().map(|s| (*s).to_string()).collect()
}

/// The shared words that `exec` reads. The same memory at every call.
#[napi]
pub fn command_buffer() -> Float64Array {
    unsafe { Float64Array::with_external_data(COMMANDS.0.get().cast(), WORDS, |_, _| {}) }
}

#[napi]
pub fn exec(words: u32) -> napi::Result<()> {
    let all: &[f64; WORDS] = unsafe { &*COMMANDS.0.get() };
    with(|e| e.exec(&all[..(words as usize).min(WORDS)]))
}

#[napi]
pub fn alloc(bytes: f64) -> napi::Result<f64> {
    with(|e| e.memory.alloc(bytes as usize).map(|h| h as f64))
}

#[napi]
pub fn free(handle: f64) -> napi::Result<()> {
    with(|e| e.memory.free(handle as Handle))
}

#[napi]
pub fn write(handle: f64, offset: f64, bytes: Uint8Array) -> napi::Result<()> {
    with(|e| e.write(handle as Handle, offset as usize, &bytes))
}

#[napi]
pub fn read(handle: f64, offset: f64, mut target: Uint8Array) -> napi::Result<()> {
    // The caller's own array: filling it is the point.
    let target = unsafe { target.as_mut() };
    with(|e| e.read(handle as Handle, offset as usize, target))
}

/// Begins a read that does not wait; `read_end` gives its bytes.
#[napi]
pub fn read_begin(handle: f64, offset: f64, bytes: f64) -> napi::Result<u32> {
    with(|e| e.read_begin(handle as Handle, offset as usize, bytes as usize))
}

#[napi]
pub fn read_end(read: u32, mut target: Uint8Array) -> napi::Result<()> {
    // The caller's own array: filling it is the point.
    let target = unsafe { target.as_mut() };
    with(|e| e.read_end(read, target))
}

#[napi]
pub fn read_drop(read: u32) -> napi::Result<()> {
    with(|e| {
        e.read_drop(read);
        Ok(())
    })
}

#[napi(object)]
pub struct MappedFile {
    pub handle: f64,
    pub bytes: f64,
}

#[napi]
pub fn map_file(path: String) -> napi::Result<MappedFile> {
    with(|e| {
        let (handle, bytes) = e.map(&path)?;
        Ok(MappedFile { handle: handle as f64, bytes: bytes as f64 })
    })
}

/// An ArrayBuffer over the buffer's own memory. The block is not given back to the system while
/// JavaScript holds it, but its contents follow the pool.
#[napi]
pub fn view<'env>(env: &'env Env, handle: f64) -> napi::Result<ArrayBuffer<'env>> {
    let (ptr, size, slot) = with(|e| {
        if e.capturing() {
            crate::fail!(
                "a captured function cannot read values: its tensors have none until the program runs"
            );
        }
        if !e.memory.on_host() {
            crate::fail!("a buffer on the device has no view; read it");
        }
        if e.memory.is_mapped(handle as Handle)? {
            crate::fail!("a mapped file has no view; read it");
        }
        let slot = e.memory.export(handle as Handle)?;
        let (ptr, size) = e.memory.get(handle as Handle)?;
        Ok((ptr, size, slot))
    })?;
    unsafe {
        ArrayBuffer::from_external(env, ptr, size, slot, |_, slot| {
            let _ = with(|e| {
                e.memory.unexport(slot);
                Ok(())
            });
        })
    }
}

#[napi]
pub fn memory() -> napi::Result<MemoryInfo> {
    with(|e| {
        let s = e.stats();
        Ok(MemoryInfo {
            live_buffers: s.live_buffers as f64,
            live_bytes: s.live_bytes as f64,
            idle_bytes: s.idle_bytes as f64,
            program_bytes: s.program_bytes as f64,
            mapped_bytes: s.mapped_bytes as f64,
            peak_bytes: s.peak_bytes as f64,
            limit_bytes: s.limit_bytes as f64,
            programs: e.programs() as f64,
            ops: e.ops as f64,
            busy_nanos: e.busy_nanos as f64,
            program_millis: e.cuda.as_ref().map_or(Ok(0.0), |c| c.program_millis())?,
        })
    })
}

/// All calls of one operation with tensors of the same shapes.
#[napi(object)]
pub struct ProfiledOp {
    pub op: String,
    pub shapes: String,
    pub calls: f64,
    pub ms: f64,
}

/// Starts timing operations.
#[napi]
pub fn profile_begin() -> napi::Result<()> {
    with(|e| e.profile_begin())
}

/// What ran since, longest first.
#[napi]
pub fn profile_end() -> napi::Result<Vec<ProfiledOp>> {
    with(|e| {
        let lines = e.profile_end()?;
        let made = |l: crate::profile::Line| ProfiledOp {
            op: l.op.to_string(),
            shapes: l.shapes,
            calls: l.calls as f64,
            ms: l.ms,
        };
        Ok(lines.into_iter().map(made).collect())
    })
}

/// Gives idle blocks back to the system.
#[napi]
pub fn trim() -> napi::Result<()> {
    with(|e| {
        e.memory.trim();
        Ok(())
    })
}

#[napi]
pub fn capture_begin() -> napi::Result<()> {
    with(|e| e.capture_begin())
}

#[napi]
pub fn capture_end() -> napi::Result<u32> {
    with(|e| e.capture_end())
}

#[napi]
pub fn capture_abort() -> napi::Result<()> {
    with(|e| {
        e.capture_abort();
        Ok(())
    })
}

/// Whether a capture is under way.
#[napi]
pub fn capturing() -> napi::Result<bool> {
    with(|e| Ok(e.capturing()))
}

#[napi]
pub fn replay(program: u32) -> napi::Result<()> {
    with(|e| e.replay(program))
}

#[napi]
pub fn program_free(program: u32) -> napi::Result<()> {
    with(|e| {
        e.program_free(program);
        Ok(())
    })
}
