//! Reads that do not wait: a copy into page-locked memory in the stream's order, and an event behind it.

use super::driver::{Event, PageLocked};
use super::{Cuda, fault};
use crate::error::Result;

pub struct LaterRead {
    memory: PageLocked,
    bytes: usize,
    done: Event,
}

impl LaterRead {
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Cuda {
    /// Queues a read: it gives what is there when the stream comes to it, whatever is queued behind.
    pub fn read_begin(&self, from: *const u8, bytes: usize) -> Result<LaterRead> {
        let room = bytes + fault::BYTES;
        let mut idle = self.idle_reads.borrow_mut();
        let mut read = match idle.iter().position(|r| r.memory.bytes().len() >= room) {
            Some(at) => idle.swap_remove(at),
            None => LaterRead { memory: PageLocked::new(room)?, bytes, done: Event::new()? },
        };
        read.bytes = bytes;
        read.memory.fill(&self.stream, 0, from, bytes)?;
        // What kernels reported up to here travels with the values.
        read.memory.fill(&self.stream, bytes, self.faults.at, fault::BYTES)?;
        read.done.record(&self.stream)?;
        Ok(read)
    }

    /// Waits for a read's own place in the stream and no longer.
    pub fn read_end(&self, read: LaterRead, target: &mut [u8]) -> Result<()> {
        read.done.wait()?;
        let (values, rest) = read.memory.bytes().split_at(read.bytes);
        target.copy_from_slice(values);
        let reported = self.faults.judge(&self.stream, &rest[..fault::BYTES]);
        self.read_drop(read);
        reported
    }

    /// Gives a read up. Its memory may be used again at once: the next copy into it comes later in the stream.
    pub fn read_drop(&self, read: LaterRead) {
        self.idle_reads.borrow_mut().push(read);
    }
}
