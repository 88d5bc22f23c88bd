//! The CUDA device: driver, NVRTC and cuBLASLt loaded at run time, one stream, the same operations by
//! the same names as the CPU. An operation without a kernel here runs on the CPU's and is counted.

mod blas;
mod compile;
mod driver;
mod fault;
mod graph;
mod lanes;
mod later;
pub mod launch;
mod ops;
mod space;
mod timer;

use crate::cpu::{Cpu, Kernel};
use crate::error::{Error, Result};
use crate::memory::{Handle, Memory, POOL};
use crate::tensor::{Storage, Tensor};
use crate::{ensure, fail};
pub use compile::compile_all;
pub use driver::Event;
use driver::{Function, Module, Properties, Stream, check};
use fault::Faults;
pub use graph::Graph;
pub use later::LaterRead;
use launch::{Arguments, Grid};
pub use space::DeviceSpace;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use timer::ProgramTimer;

/// One operation being run: tensors whose addresses are the device's, attributes, scratch memory.
pub struct Call<'a> {
    pub cuda: &'a Cuda,
    pub tensors: &'a [Tensor],
    pub attrs: &'a [f64],
    memory: RefCell<&'a mut Memory>,
    scratch: RefCell<&'a mut ScratchPlan>,
}

/// Where an operation's scratch memory lies, in the order in which it asks for it. A replay uses the
/// trace's addresses: what is free then is another matter.
#[derive(Default, Clone)]
pub struct ScratchPlan {
    addresses: Vec<usize>,
    /// How many of them this run has used; none while they are being chosen.
    used: Option<usize>,
}

impl ScratchPlan {
    /// The same addresses again.
    pub fn again(&mut self) {
        self.used = Some(0);
    }
}

/// Memory that lives until the operation ends; work queued after it may use it again.
pub struct Scratch<'a, 'b> {
    call: &'a Call<'b>,
    /// None where the trace chose the address.
    handle: Option<Handle>,
    pub ptr: *mut u8,
}

impl Drop for Scratch<'_, '_> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            let _ = self.call.memory.borrow_mut().free(handle);
        }
    }
}

impl<'a> Call<'a> {
    pub fn args<const N: usize>(&self) -> Result<&[Tensor; N]> {
        match self.tensors.try_into() {
            Ok(t) => Ok(t),
            Err(_) => Err(Error(format!("expected {N} tensors, got {}", self.tensors.len()))),
        }
    }

    pub fn attr(&self, i: usize) -> Result<f64> {
        ensure!(i < self.attrs.len(), "expected attribute {i}, got {}", self.attrs.len());
        Ok(self.attrs[i])
    }

    pub fn scratch(&self, bytes: usize) -> Result<Scratch<'_, 'a>> {
        let mut plan = self.scratch.borrow_mut();
        if let Some(used) = plan.used {
            ensure!(used < plan.addresses.len(), "a replay asks for more scratch memory than its trace did");
            plan.used = Some(used + 1);
            return Ok(Scratch { call: self, handle: None, ptr: plan.addresses[used] as *mut u8 });
        }
        let mut memory = self.memory.borrow_mut();
        let handle = memory.alloc(bytes)?;
        let (ptr, _) = memory.get(handle)?;
        plan.addresses.push(ptr as usize);
        Ok(Scratch { call: self, handle: Some(handle), ptr })
    }

    /// Whether the operation runs by itself, and neither for a capture nor for a replay.
    pub fn is_eager(&self) -> bool {
        self.scratch.borrow().used.is_none() && self.memory.borrow().capturing == POOL
    }

    pub fn launch(&self, file: &'static str, kernel: &str, grid: Grid, arguments: Arguments) -> Result<()> {
        self.cuda.launch(file, "", kernel, grid, arguments)
    }
}

/// What an operation is on this device.
pub type Run = fn(&Call) -> Result<()>;

pub struct Cuda {
    pub properties: Properties,
    stream: Stream,
    blas: RefCell<blas::Blas>,
    lanes: lanes::Lanes,
    modules: RefCell<HashMap<(&'static str, &'static str), Module>>,
    functions: RefCell<HashMap<(&'static str, &'static str, String), Function>>,
    faults: Faults,
    /// Reads whose memory may be used again.
    idle_reads: RefCell<Vec<LaterRead>>,
    timer: RefCell<ProgramTimer>,
    /// In the order of the CPU's kernels.
    runs: Vec<Option<Run>>,
    /// Operations that ran on the CPU's kernels, by name.
    pub fallbacks: RefCell<HashMap<&'static str, u64>>,
    /// Whether float32 products may round their factors to TF32.
    pub tf32: bool,
}

// Behind the engine's lock.
unsafe impl Send for Cuda {}

impl Cuda {
    /// Opens a device.
    ///
    /// # Errors
    /// Where the driver, NVRTC, cuBLASLt or the device is not there: which, and what would help.
    pub fn open(ordinal: i32) -> Result<Cuda> {
        let properties = Properties::of(ordinal)?;
        ensure!(
            properties.capability.0 >= 8,
            "{} has compute capability {}.{}; 8.0 or newer is needed",
            properties.name,
            properties.capability.0,
            properties.capability.1
        );
        let stream = Stream::open(ordinal)?;
        let blas = blas::Blas::open()?;
        let lanes = lanes::Lanes::open(&stream)?;
        let faults = Faults::new(&stream)?;
        let named: HashMap<&str, Run> = ops::table().into_iter().collect();
        Ok(Cuda {
            properties,
            stream,
            blas: RefCell::new(blas),
            lanes,
            modules: RefCell::default(),
            functions: RefCell::default(),
            faults,
            idle_reads: RefCell::default(),
            timer: RefCell::default(),
            runs: crate::cpu::KERNELS.iter().map(|k| named.get(k.name).copied()).collect(),
            fallbacks: RefCell::default(),
            tf32: std::env::var("MAMBALAB_TF32").is_ok_and(|v| v == "1"),
        })
    }

    /// Runs products that do not depend on each other, at the same time where a graph is being recorded.
    pub fn side_by_side(&self, count: usize, body: impl Fn(usize) -> Result<()>) -> Result<()> {
        self.lanes.side_by_side(count, body)
    }

    /// Bytes that are free on the device.
    pub fn free_bytes(&self) -> Result<usize> {
        self.stream.enter()?;
        let (mut free, mut total) = (0, 0);
        check("asking for free memory", unsafe {
            cudarc::driver::sys::cuMemGetInfo_v2(&mut free, &mut total)
        })?;
        Ok(free)
    }

    /// A moment in the order of the device's work.
    pub fn event(&self) -> Result<Event> {
        let event = Event::new()?;
        event.record(&self.stream)?;
        Ok(event)
    }

    /// Makes the device the calling thread's.
    pub fn enter(&self) -> Result<()> {
        self.stream.enter()
    }

    pub fn has(&self, op: usize) -> bool {
        self.runs.get(op).is_some_and(Option::is_some)
    }

    /// Runs an operation here, or on the CPU where it has no kernel here.
    pub fn run(
        &self,
        (cpu, memory): (&Cpu, &mut Memory),
        (op, kernel): (usize, &Kernel),
        (tensors, attrs): (&[Tensor], &[f64]),
        scratch: &mut ScratchPlan,
    ) -> Result<()> {
        match self.runs[op] {
            Some(run) => {
                let (memory, scratch) = (RefCell::new(memory), RefCell::new(scratch));
                run(&Call { cuda: self, tensors, attrs, memory, scratch })
            }
            None => self.fall_back(cpu, kernel, tensors, attrs),
        }
    }

    /// Copies the tensors to the host, runs the CPU's kernel, copies them back.
    fn fall_back(&self, cpu: &Cpu, kernel: &Kernel, tensors: &[Tensor], attrs: &[f64]) -> Result<()> {
        *self.fallbacks.borrow_mut().entry(kernel.name).or_default() += 1;
        // Tensors that share memory must still share it.
        let mut copies: Vec<(usize, Vec<u64>)> = vec![];
        for t in tensors {
            let bytes = Tensor::bytes(t.storage, t.shape())?;
            let at = t.ptr() as usize;
            if !copies.iter().any(|(from, copy)| *from == at && copy.len() * 8 >= bytes) {
                let mut copy = vec![0u64; bytes.div_ceil(8)];
                self.stream.to_host(&mut words_mut(&mut copy)[..bytes], t.ptr())?;
                copies.push((at, copy));
            }
        }
        let local: Vec<Tensor> = tensors
            .iter()
            .map(|t| {
                let bytes = Tensor::bytes(t.storage, t.shape()).unwrap_or(0);
                let copy =
                    copies.iter_mut().find(|(from, c)| *from == t.ptr() as usize && c.len() * 8 >= bytes);
                let ptr = copy.expect("copied above").1.as_mut_ptr().cast();
                unsafe { Tensor::new(ptr, t.storage, t.shape()) }
            })
            .collect();
        (kernel.run)(&crate::cpu::Call { cpu, tensors: &local, attrs })?;
        for (t, copy) in tensors.iter().zip(&local) {
            self.stream.to_device(t.ptr(), copy.raw())?;
        }
        self.stream.synchronize()
    }

    fn function(&self, file: &'static str, format: &'static str, kernel: &str) -> Result<Function> {
        let key = (file, format, kernel.to_string());
        if let Some(function) = self.functions.borrow().get(&key) {
            return Ok(*function);
        }
        let mut modules = self.modules.borrow_mut();
        let module = match modules.entry((file, format)) {
            Entry::Occupied(loaded) => loaded.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Module::load(&compile::image(file, format, &self.properties.architecture())?)?)
            }
        };
        let function = module.function(kernel)?;
        self.functions.borrow_mut().insert(key, function);
        Ok(function)
    }

    fn launch(
        &self,
        file: &'static str,
        format: &'static str,
        kernel: &str,
        grid: Grid,
        arguments: Arguments,
    ) -> Result<()> {
        let function = self.function(file, format, kernel)?;
        let mut pointers: Vec<*mut c_void> =
            arguments.starts.iter().map(|&at| arguments.words[at..].as_ptr().cast_mut().cast()).collect();
        let (x, y, z) = grid.blocks;
        // More than that a kernel has to ask for.
        if grid.shared > 48 * 1024 {
            use cudarc::driver::sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            check(&format!("giving {kernel} {} bytes of shared memory", grid.shared), unsafe {
                cudarc::driver::sys::cuFuncSetAttribute(
                    function.0,
                    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    grid.shared as i32,
                )
            })?;
        }
        check(&format!("launching {kernel}"), unsafe {
            cudarc::driver::sys::cuLaunchKernel(
                function.0,
                x,
                y,
                z,
                grid.threads,
                1,
                1,
                grid.shared,
                self.stream.raw,
                pointers.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        })
    }

    /// Milliseconds that captured programs have kept the device busy.
    pub fn program_millis(&self) -> Result<f64> {
        self.timer.borrow_mut().millis()
    }

    /// Where kernels report wrong values.
    pub fn faults(&self) -> u64 {
        self.faults.at as u64
    }

    /// Waits, and turns what a kernel reported into an error.
    pub fn synchronize(&self) -> Result<()> {
        self.faults.check(&self.stream)
    }

    pub fn write(&self, to: *mut u8, bytes: &[u8]) -> Result<()> {
        self.stream.to_device(to, bytes)
    }

    pub fn read(&self, target: &mut [u8], from: *const u8) -> Result<()> {
        self.stream.to_host(target, from)?;
        self.faults.check(&self.stream)
    }

    pub fn copy(&self, to: *mut u8, from: *const u8, bytes: usize) -> Result<()> {
        self.stream.copy(to, from, bytes)
    }
}

fn words_mut(words: &mut [u64]) -> &mut [u8] {
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 8) }
}

/// The address of a tensor of this storage.
fn address(name: &str, t: &Tensor, want: Storage) -> Result<u64> {
    if t.storage != want {
        fail!("{name} should be {want}, got {} {:?}", t.storage, t.shape());
    }
    Ok(t.ptr() as u64)
}
