//! The engine: one memory, one device, the programs captured so far.

use crate::command::Command;
use crate::cpu::{Cpu, KERNELS, Kernel};
use crate::error::{Error, Result};
use crate::memory::{Handle, Memory, Owner, POOL, Stats};
use crate::program::{Program, Step};
use crate::tensor::{Storage, Tensor};
use crate::{ensure, fail};
use std::collections::HashMap;
use std::time::Instant;

pub struct Engine {
    pub memory: Memory,
    pub cpu: Cpu,
    programs: HashMap<Owner, Program>,
    recording: Option<Program>,
    next_owner: Owner,
    /// Nanoseconds spent in kernels, and how many ran: what is left of a step is JavaScript.
    pub busy_nanos: u64,
    pub ops: u64,
}

impl Engine {
    pub fn new(threads: usize, limit_bytes: usize) -> Engine {
        Engine {
            memory: Memory::new(limit_bytes),
            cpu: Cpu::new(threads),
            programs: HashMap::new(),
            recording: None,
            next_owner: POOL + 1,
            busy_nanos: 0,
            ops: 0,
        }
    }

    /// Runs one encoded command, and records it while capturing.
    pub fn exec(&mut self, words: &[f64]) -> Result<()> {
        let command = Command::decode(words, &self.memory)?;
        let Some(&kernel) = KERNELS.get(command.op) else {
            fail!("there is no native operation {}", command.op);
        };
        let start = Instant::now();
        run(&self.cpu, kernel, &command.tensors, &command.attrs)?;
        self.busy_nanos += start.elapsed().as_nanos() as u64;
        self.ops += 1;
        if let Some(program) = &mut self.recording {
            for h in command.handles {
                if self.memory.owner(h)? != program.owner && !program.externals.contains(&h) {
                    program.externals.push(h);
                }
            }
            program.steps.push(Step::Run { kernel, tensors: command.tensors, attrs: command.attrs });
        }
        Ok(())
    }

    pub fn write(&mut self, handle: Handle, offset: usize, bytes: &[u8]) -> Result<()> {
        ensure!(!self.memory.is_mapped(handle)?, "a mapped file is read-only");
        let (ptr, size) = self.memory.get(handle)?;
        ensure!(
            offset.checked_add(bytes.len()).is_some_and(|end| end <= size),
            "a write of {} bytes at {offset} lies outside the buffer of {size} bytes",
            bytes.len()
        );
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

    pub fn read(&self, handle: Handle, offset: usize, target: &mut [u8]) -> Result<()> {
        ensure!(
            self.recording.is_none(),
            "a captured function cannot read values: its tensors have none until the program runs"
        );
        let (ptr, size) = self.memory.get(handle)?;
        ensure!(
            offset.checked_add(target.len()).is_some_and(|end| end <= size),
            "a read of {} bytes at {offset} lies outside the buffer of {size} bytes",
            target.len()
        );
        target.copy_from_slice(unsafe { std::slice::from_raw_parts(ptr.add(offset), target.len()) });
        Ok(())
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
            self.memory.dissolve(program.owner);
        }
    }

    pub fn capturing(&self) -> bool {
        self.recording.is_some()
    }

    pub fn replay(&mut self, id: Owner) -> Result<()> {
        ensure!(self.recording.is_none(), "a captured function cannot be replayed inside another capture");
        let Some(program) = self.programs.get(&id) else { fail!("the captured program was disposed") };
        if program.externals.iter().any(|&h| !self.memory.is_live(h)) {
            fail!("a captured program uses a tensor that was disposed since; capture it again");
        }
        let start = Instant::now();
        for step in &program.steps {
            match step {
                Step::Run { kernel, tensors, attrs } => run(&self.cpu, kernel, tensors, attrs)?,
                Step::Write { target, bytes } => target.u8_mut()?.copy_from_slice(bytes),
            }
        }
        self.busy_nanos += start.elapsed().as_nanos() as u64;
        self.ops += program.steps.len() as u64;
        Ok(())
    }

    pub fn program_free(&mut self, id: Owner) {
        if self.programs.remove(&id).is_some() {
            self.memory.dissolve(id);
        }
    }

    pub fn stats(&self) -> Stats {
        Stats { program_bytes: self.memory.program_bytes(), ..self.memory.stats }
    }

    pub fn programs(&self) -> usize {
        self.programs.len()
    }
}

fn run(cpu: &Cpu, kernel: &Kernel, tensors: &[Tensor], attrs: &[f64]) -> Result<()> {
    (kernel.run)(&crate::cpu::Call { cpu, tensors, attrs })
        .map_err(|e| Error(format!("{}: {}", kernel.name, e.0)))
}
