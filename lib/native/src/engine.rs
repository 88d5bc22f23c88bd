//! The engine: one memory, one device, the programs captured so far.

use crate::command::Command;
use crate::cpu::{Cpu, KERNELS};
use crate::cuda::{Cuda, DeviceSpace, Graph, LaterRead, ScratchPlan};
use crate::error::{Error, Result};
use crate::memory::{Handle, Memory, Owner, POOL, Stats};
use crate::profile::{Line, Profile};
use crate::program::{Program, Step};
use crate::tensor::{Storage, Tensor};
use crate::{ensure, fail};
use std::collections::HashMap;
use std::time::Instant;

/// A read that was begun.
enum PendingRead {
    /// On the processor everything has run when it is asked for.
    Done(Vec<u8>),
    Later(LaterRead),
}

pub struct Engine {
    pub memory: Memory,
    pub cpu: Cpu,
    /// The device that holds the buffers, where it is not the processor.
    pub cuda: Option<Cuda>,
    programs: HashMap<Owner, Program>,
    recording: Option<Program>,
    next_owner: Owner,
    /// What ran since a profile began, where one is under way.
    profile: Option<Profile>,
    reads: HashMap<u32, PendingRead>,
    next_read: u32,
    /// Nanoseconds spent in kernels, and how many ran: what is left of a step is JavaScript.
    pub busy_nanos: u64,
    pub ops: u64,
}

impl Engine {
    pub fn new(threads: usize, limit_bytes: usize) -> Engine {
        Engine::over(Memory::new(limit_bytes), threads, None)
    }

    /// An engine whose buffers lie on a CUDA device; 0 bytes is most of what is free there.
    pub fn on_cuda(threads: usize, limit_bytes: usize, ordinal: i32) -> Result<Engine> {
        let cuda = Cuda::open(ordinal)?;
        let limit = if limit_bytes == 0 { cuda.free_bytes()? / 20 * 19 } else { limit_bytes };
        Ok(Engine::over(Memory::over(Box::new(DeviceSpace), limit), threads, Some(cuda)))
    }

    fn over(memory: Memory, threads: usize, cuda: Option<Cuda>) -> Engine {
        Engine {
            memory,
            cpu: Cpu::new(threads),
            cuda,
            programs: HashMap::new(),
            recording: None,
            next_owner: POOL + 1,
            profile: None,
            reads: HashMap::new(),
            next_read: 0,
            busy_nanos: 0,
            ops: 0,
        }
    }

    /// Runs one encoded command, and records it while capturing.
    pub fn exec(&mut self, words: &[f64]) -> Result<()> {
        let command = Command::decode(words, &self.memory)?;
        ensure!(command.op < KERNELS.len(), "there is no native operation {}", command.op);
        let start = Instant::now();
        let mut scratch = ScratchPlan::default();
        self.run(command.op, &command.tensors, &command.attrs, &mut scratch)?;
        self.busy_nanos += start.elapsed().as_nanos() as u64;
        self.ops += 1;
        if let Some(program) = &mut self.recording {
            for h in command.handles {
                if self.memory.owner(h)? != program.owner && !program.externals.contains(&h) {
                    program.externals.push(h);
                }
            }
            let Command { op, tensors, attrs, .. } = command;
            scratch.again();
            program.steps.push(Step::Run { op, tensors, attrs, scratch });
        }
        Ok(())
    }

    fn run(&mut self, op: usize, tensors: &[Tensor], attrs: &[f64], scratch: &mut ScratchPlan) -> Result<()> {
        let Engine { memory, cpu, cuda, profile, .. } = self;
        run((cpu, cuda.as_ref(), profile), memory, op, (tensors, attrs), scratch)
    }

    pub fn write(&mut self, handle: Handle, offset: usize, bytes: &[u8]) -> Result<()> {
        ensure!(!self.memory.is_mapped(handle)?, "a mapped file is read-only");
        let (ptr, size) = self.memory.get(handle)?;
        ensure!(
            offset.checked_add(bytes.len()).is_some_and(|end| end <= size),
            "a write of {} bytes at {offset} lies outside the buffer of {size} bytes",
            bytes.len()
        );
        if self.cuda.is_some() {
            return self.write_to_device(handle, unsafe { ptr.add(offset) }, bytes);
        }
        let target = unsafe { std::slice::from_raw_parts_mut(ptr.add(offset), bytes.len()) };
        target.copy_from_slice(bytes);
        if let Some(program) = &mut self.recording
            && self.memory.owner(handle)? == program.owner
        {
            let target = unsafe { Tensor::new(ptr.add(offset), Storage::U8, &[bytes.len()]) };
            program.steps.push(Step::Write { target, bytes: bytes.to_vec() });
        }
        Ok(())
    }

    fn write_to_device(&mut self, handle: Handle, target: *mut u8, bytes: &[u8]) -> Result<()> {
        let Some(cuda) = &self.cuda else { return Ok(()) };
        cuda.write(target, bytes)?;
        if let Some(program) = &mut self.recording
            && self.memory.owner(handle)? == program.owner
        {
            // Not of the program's blocks: steps before this one would overwrite it at a replay.
            self.memory.capturing = POOL;
            let constant = self.memory.alloc(bytes.len().max(1));
            self.memory.capturing = program.owner;
            let constant = constant?;
            let (from, _) = self.memory.get(constant)?;
            cuda.write(from, bytes)?;
            program.constants.push(constant);
            program.steps.push(Step::Copy { target, from, bytes: bytes.len() });
        }
        Ok(())
    }

    pub fn read(&self, handle: Handle, offset: usize, target: &mut [u8]) -> Result<()> {
        let from = self.readable(handle, offset, target.len())?;
        match &self.cuda {
            Some(cuda) => cuda.read(target, from)?,
            None => target.copy_from_slice(unsafe { std::slice::from_raw_parts(from, target.len()) }),
        }
        Ok(())
    }

    /// Begins a read of what is there once all that was asked for before has run; what is asked for
    /// afterwards does not change it. Ends with `read_end` or `read_drop`.
    pub fn read_begin(&mut self, handle: Handle, offset: usize, bytes: usize) -> Result<u32> {
        let from = self.readable(handle, offset, bytes)?;
        let read = match &self.cuda {
            Some(cuda) => PendingRead::Later(cuda.read_begin(from, bytes)?),
            None => PendingRead::Done(unsafe { std::slice::from_raw_parts(from, bytes) }.to_vec()),
        };
        let id = self.next_read;
        self.next_read = id.wrapping_add(1);
        self.reads.insert(id, read);
        Ok(id)
    }

    /// Waits for a read, and for nothing that was asked for after it.
    pub fn read_end(&mut self, id: u32, target: &mut [u8]) -> Result<()> {
        let Some(read) = self.reads.remove(&id) else { fail!("there is no read {id}, or it has ended") };
        let fits = |bytes: usize| -> Result<()> {
            ensure!(bytes == target.len(), "a read of {bytes} bytes cannot end in {}", target.len());
            Ok(())
        };
        match (read, &self.cuda) {
            (PendingRead::Done(values), _) => {
                fits(values.len())?;
                target.copy_from_slice(&values);
                Ok(())
            }
            (PendingRead::Later(read), Some(cuda)) => {
                fits(read.bytes())?;
                cuda.read_end(read, target)
            }
            (PendingRead::Later(_), None) => fail!("the device of read {id} is gone"),
        }
    }

    /// Gives a read up; one that has ended already is none.
    pub fn read_drop(&mut self, id: u32) {
        if let (Some(PendingRead::Later(read)), Some(cuda)) = (self.reads.remove(&id), &self.cuda) {
            cuda.read_drop(read);
        }
    }

    fn readable(&self, handle: Handle, offset: usize, bytes: usize) -> Result<*const u8> {
        ensure!(
            self.recording.is_none(),
            "a captured function cannot read values: its tensors have none until the program runs"
        );
        let (ptr, size) = self.memory.get(handle)?;
        ensure!(
            offset.checked_add(bytes).is_some_and(|end| end <= size),
            "a read of {bytes} bytes at {offset} lies outside the buffer of {size} bytes"
        );
        Ok(unsafe { ptr.add(offset) })
    }

    /// Maps a file, read-only; on a device, its bytes are copied there.
    pub fn map(&mut self, path: &str) -> Result<(Handle, usize)> {
        let Some(cuda) = &self.cuda else { return self.memory.map(path) };
        let mut files = Memory::new(usize::MAX);
        let (file, size) = files.map(path)?;
        let handle = self.memory.alloc(size.max(1))?;
        let (from, _) = files.get(file)?;
        let (to, _) = self.memory.get(handle)?;
        cuda.write(to, unsafe { std::slice::from_raw_parts(from, size) })?;
        cuda.synchronize()?;
        Ok((handle, size))
    }

    /// Waits for everything that was asked of the device.
    pub fn synchronize(&self) -> Result<()> {
        self.cuda.as_ref().map_or(Ok(()), Cuda::synchronize)
    }

    pub fn capture_begin(&mut self) -> Result<()> {
        ensure!(self.recording.is_none(), "captures do not nest");
        let owner = self.next_owner;
        self.next_owner += 1;
        self.recording = Some(Program { owner, ..Program::default() });
        self.memory.capturing = owner;
        Ok(())
    }

    pub fn capture_end(&mut self) -> Result<Owner> {
        let Some(program) = self.recording.take() else { fail!("no capture is under way") };
        self.memory.capturing = POOL;
        let owner = program.owner;
        self.programs.insert(owner, program);
        Ok(owner)
    }

    /// Drops what was recorded, after an error while tracing.
    pub fn capture_abort(&mut self) {
        if let Some(program) = self.recording.take() {
            self.memory.capturing = POOL;
            for handle in program.constants {
                let _ = self.memory.free(handle);
            }
            self.memory.dissolve(program.owner);
        }
    }

    pub fn capturing(&self) -> bool {
        self.recording.is_some()
    }

    pub fn replay(&mut self, id: Owner) -> Result<()> {
        ensure!(self.recording.is_none(), "a captured function cannot be replayed inside another capture");
        let Some(mut program) = self.programs.remove(&id) else { fail!("the captured program was disposed") };
        let start = Instant::now();
        let done = self.replay_program(&mut program);
        self.busy_nanos += start.elapsed().as_nanos() as u64;
        self.ops += program.steps.len() as u64;
        self.programs.insert(id, program);
        done
    }

    fn replay_program(&mut self, program: &mut Program) -> Result<()> {
        if program.externals.iter().any(|&h| !self.memory.is_live(h)) {
            fail!("a captured program uses a tensor that was disposed since; capture it again");
        }
        if let (Some(cuda), Some(graph), None) = (&self.cuda, &program.graph, &self.profile) {
            return graph.launch(cuda);
        }
        self.replay_steps(program)
    }

    fn replay_steps(&mut self, program: &mut Program) -> Result<()> {
        let Engine { memory, cpu, cuda, profile, .. } = self;
        let cuda = cuda.as_ref();
        let profiling = profile.is_some();
        let steps = &program.steps;
        let mut all = || {
            for step in steps {
                match step {
                    Step::Run { op, tensors, attrs, scratch } => {
                        let mut scratch = scratch.clone();
                        run((cpu, cuda, profile), memory, *op, (tensors, attrs), &mut scratch)?;
                    }
                    Step::Write { target, bytes } => target.u8_mut()?.copy_from_slice(bytes),
                    Step::Copy { target, from, bytes } => {
                        cuda.map_or(Ok(()), |cuda| cuda.copy(*target, *from, *bytes))?;
                    }
                }
            }
            Ok(())
        };
        let Some(device) = cuda else { return all() };
        let runs = |step: &Step| !matches!(step, Step::Run { op, .. } if !device.has(*op));
        // A graph is one launch, in which operations have no times of their own.
        if profiling || !steps.iter().all(runs) {
            return all();
        }
        let graph = Graph::record(device, all)?;
        graph.launch(device)?;
        program.graph = Some(graph);
        Ok(())
    }

    pub fn program_free(&mut self, id: Owner) {
        if let Some(program) = self.programs.remove(&id) {
            for handle in program.constants {
                let _ = self.memory.free(handle);
            }
            self.memory.dissolve(id);
        }
    }

    /// Starts timing operations, those of replayed programs too.
    pub fn profile_begin(&mut self) -> Result<()> {
        ensure!(self.profile.is_none(), "profiles do not nest");
        self.profile = Some(Profile::default());
        Ok(())
    }

    /// What ran since; waits for the device.
    pub fn profile_end(&mut self) -> Result<Vec<Line>> {
        let Some(profile) = self.profile.take() else { fail!("no profile is under way") };
        self.synchronize()?;
        profile.lines()
    }

    pub fn stats(&self) -> Stats {
        Stats { program_bytes: self.memory.program_bytes(), ..self.memory.stats }
    }

    pub fn programs(&self) -> usize {
        self.programs.len()
    }
}

fn run(
    (cpu, cuda, profile): (&Cpu, Option<&Cuda>, &mut Option<Profile>),
    memory: &mut Memory,
    op: usize,
    (tensors, attrs): (&[Tensor], &[f64]),
    scratch: &mut ScratchPlan,
) -> Result<()> {
    let kernel = KERNELS[op];
    let mut body = || match cuda {
        Some(cuda) => cuda.run((cpu, memory), (op, kernel), (tensors, attrs), scratch),
        None => (kernel.run)(&crate::cpu::Call { cpu, tensors, attrs }),
    };
    match profile {
        Some(profile) => profile.around(cuda, (op, tensors), body),
        None => body(),
    }
    .map_err(|e| Error(format!("{}: {}", kernel.name, e.0)))
}
