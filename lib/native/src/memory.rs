//! Buffers: a pool of blocks of host or device memory under a byte limit, memory-mapped files, and
//! views into both.
//!
//! A handle is a slot and a generation, so a freed buffer is an error and never another's bytes.
//! During capture, blocks come from and return to the program's own lists (see `program`): the
//! reuse seen while tracing is then the program's static memory plan.

use crate::error::{Error, Result};
use crate::{ensure, fail};
use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;

pub type Handle = u64;
pub type Owner = u32;

/// Blocks that belong to no captured program.
pub const POOL: Owner = 0;

const ALIGN: usize = 64;
const HUGE: usize = 2 << 20;
const SLOT_BITS: u32 = 24;

/// Where blocks come from.
pub trait Space: Send {
    /// Memory of `bytes`, aligned for every kernel; none where the system refuses.
    fn alloc(&self, bytes: usize) -> Option<*mut u8>;
    /// Gives back what `alloc` gave.
    ///
    /// # Safety
    /// The memory must be this space's, of that size, and of no more use.
    unsafe fn free(&self, ptr: *mut u8, bytes: usize);
    /// Whether the processor can read the memory.
    fn on_host(&self) -> bool;
}

/// The processor's own memory.
pub struct Host;

impl Host {
    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, if bytes >= HUGE { HUGE } else { ALIGN }).ok()
    }
}

impl Space for Host {
    fn alloc(&self, bytes: usize) -> Option<*mut u8> {
        let ptr = unsafe { alloc(Host::layout(bytes)?) };
        if ptr.is_null() {
            return None;
        }
        #[cfg(target_os = "linux")]
        if bytes >= HUGE {
            unsafe { libc::madvise(ptr.cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Some(ptr)
    }

    unsafe fn free(&self, ptr: *mut u8, bytes: usize) {
        if let Some(layout) = Host::layout(bytes) {
            unsafe { dealloc(ptr, layout) };
        }
    }

    fn on_host(&self) -> bool {
        true
    }
}

enum Source {
    Owned,
    Mapped(#[allow(dead_code)] memmap2::Mmap),
    /// The slot is free for reuse: its memory went back to the system.
    Gone,
}

struct Block {
    ptr: *mut u8,
    size: usize,
    asked: usize,
    generation: u32,
    live: bool,
    owner: Owner,
    /// ArrayBuffers over it that JavaScript may still hold.
    exported: u32,
    source: Source,
}

// The pointers are to memory that the block owns.
unsafe impl Send for Block {}

#[derive(Debug, Default, Clone, Copy)]
pub struct Stats {
    pub live_buffers: usize,
    pub live_bytes: usize,
    pub idle_bytes: usize,
    pub program_bytes: usize,
    pub mapped_bytes: usize,
    pub peak_bytes: usize,
    pub limit_bytes: usize,
}

pub struct Memory {
    space: Box<dyn Space>,
    blocks: Vec<Block>,
    vacant: Vec<usize>,
    idle: BTreeMap<(Owner, usize), Vec<usize>>,
    pub capturing: Owner,
    pub stats: Stats,
}

impl Memory {
    pub fn new(limit_bytes: usize) -> Memory {
        Memory::over(Box::new(Host), limit_bytes)
    }

    pub fn over(space: Box<dyn Space>, limit_bytes: usize) -> Memory {
        Memory {
            space,
            blocks: Vec::new(),
            vacant: Vec::new(),
            idle: BTreeMap::new(),
            capturing: POOL,
            stats: Stats { limit_bytes, ..Stats::default() },
        }
    }

    /// Rounds up to one of four sizes per power of two, so that near sizes share blocks.
    fn class(bytes: usize) -> usize {
        let bytes = bytes.max(ALIGN);
        if bytes <= 1024 {
            return bytes.next_multiple_of(ALIGN);
        }
        bytes.next_multiple_of(bytes.next_power_of_two() / 8)
    }

    pub fn alloc(&mut self, bytes: usize) -> Result<Handle> {
        ensure!(bytes < 1 << 46, "cannot allocate {bytes} bytes");
        let size = Memory::class(bytes);
        let owner = self.capturing;
        if let Some(list) = self.idle.get_mut(&(owner, size))
            && let Some(slot) = list.pop()
        {
            self.stats.idle_bytes -= size;
            return Ok(self.activate(slot, bytes));
        }
        if self.held() + size > self.stats.limit_bytes {
            self.trim();
        }
        if self.held() + size > self.stats.limit_bytes {
            return Err(self.out_of_memory(bytes, "over the limit"));
        }
        let ptr = match self.space.alloc(size) {
            Some(ptr) => ptr,
            None => {
                self.trim();
                match self.space.alloc(size) {
                    Some(ptr) => ptr,
                    None => return Err(self.out_of_memory(bytes, "refused by the system")),
                }
            }
        };
        let slot = self.new_slot(Block {
            ptr,
            size,
            asked: 0,
            generation: 0,
            live: false,
            owner,
            exported: 0,
            source: Source::Owned,
        });
        Ok(self.activate(slot, bytes))
    }

    /// Maps a whole file, read-only.
    pub fn map(&mut self, path: &str) -> Result<(Handle, usize)> {
        let file = std::fs::File::open(path).map_err(|e| Error(format!("{path}: {e}")))?;
        // The mapping is private and read-only; a file cut short by another process is the one risk left.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error(format!("{path}: {e}")))?;
        let size = map.len();
        let slot = self.new_slot(Block {
            ptr: map.as_ptr().cast_mut(),
            size,
            asked: size,
            generation: 0,
            live: true,
            owner: POOL,
            exported: 0,
            source: Source::Mapped(map),
        });
        self.stats.live_buffers += 1;
        self.stats.mapped_bytes += size;
        Ok((self.handle(slot), size))
    }

    pub fn free(&mut self, handle: Handle) -> Result<()> {
        let slot = self.slot(handle)?;
        let block = &mut self.blocks[slot];
        block.live = false;
        block.generation = block.generation.wrapping_add(1);
        self.stats.live_buffers -= 1;
        if let Source::Mapped(_) = block.source {
            self.stats.mapped_bytes -= block.size;
            self.release(slot);
            return Ok(());
        }
        let (size, owner) = (block.size, block.owner);
        self.stats.live_bytes -= size;
        // A block of a finished program stays in its plan; only while tracing may it be reused.
        if owner == self.capturing {
            self.idle.entry((owner, size)).or_default().push(slot);
            self.stats.idle_bytes += size;
            let spare = self.stats.idle_bytes;
            if owner == POOL && spare > (256 << 20) && spare > self.stats.live_bytes {
                self.trim();
            }
        } else if owner == POOL {
            self.idle.entry((POOL, size)).or_default().push(slot);
            self.stats.idle_bytes += size;
        } else {
            self.stats.idle_bytes += size;
        }
        Ok(())
    }

    /// The address and size of a live buffer.
    pub fn get(&self, handle: Handle) -> Result<(*mut u8, usize)> {
        let b = &self.blocks[self.slot(handle)?];
        Ok((b.ptr, b.size))
    }

    pub fn is_live(&self, handle: Handle) -> bool {
        self.slot(handle).is_ok()
    }

    /// Whether the processor can read the buffers.
    pub fn on_host(&self) -> bool {
        self.space.on_host()
    }

    pub fn is_mapped(&self, handle: Handle) -> Result<bool> {
        Ok(matches!(self.blocks[self.slot(handle)?].source, Source::Mapped(_)))
    }

    pub fn owner(&self, handle: Handle) -> Result<Owner> {
        Ok(self.blocks[self.slot(handle)?].owner)
    }

    /// Counts one more ArrayBuffer over a buffer; returns its stable slot.
    pub fn export(&mut self, handle: Handle) -> Result<usize> {
        let slot = self.slot(handle)?;
        self.blocks[slot].exported += 1;
        Ok(slot)
    }

    /// One of the slot's ArrayBuffers was collected.
    pub fn unexport(&mut self, slot: usize) {
        if let Some(b) = self.blocks.get_mut(slot) {
            b.exported = b.exported.saturating_sub(1);
        }
    }

    /// Hands a program's blocks to the pool. Live ones return to it when they are freed.
    pub fn dissolve(&mut self, owner: Owner) {
        let keys: Vec<_> = self.idle.range((owner, 0)..=(owner, usize::MAX)).map(|(k, _)| *k).collect();
        for key in keys {
            self.idle.remove(&key);
        }
        for slot in 0..self.blocks.len() {
            let b = &mut self.blocks[slot];
            if b.owner == owner && matches!(b.source, Source::Owned) {
                b.owner = POOL;
                if !b.live {
                    let size = b.size;
                    self.idle.entry((POOL, size)).or_default().push(slot);
                }
            }
        }
    }

    /// Gives idle pool blocks back to the system.
    pub fn trim(&mut self) {
        let keys: Vec<_> = self.idle.range((POOL, 0)..=(POOL, usize::MAX)).map(|(k, _)| *k).collect();
        for key in keys {
            let list = self.idle.remove(&key).unwrap_or_default();
            let (keep, give): (Vec<_>, Vec<_>) = list.into_iter().partition(|&s| self.blocks[s].exported > 0);
            self.stats.idle_bytes -= key.1 * give.len();
            if !keep.is_empty() {
                self.idle.insert(key, keep);
            }
            for slot in give {
                self.release(slot);
            }
        }
    }

    pub fn program_bytes(&self) -> usize {
        self.blocks.iter().filter(|b| b.owner != POOL).map(|b| b.size).sum()
    }

    fn held(&self) -> usize {
        self.stats.live_bytes + self.stats.idle_bytes
    }

    fn handle(&self, slot: usize) -> Handle {
        u64::from(self.blocks[slot].generation & 0xfff_ffff) << SLOT_BITS | slot as u64
    }

    fn slot(&self, handle: Handle) -> Result<usize> {
        let slot = (handle & ((1 << SLOT_BITS) - 1)) as usize;
        let generation = (handle >> SLOT_BITS) as u32;
        match self.blocks.get(slot) {
            Some(b) if b.live && b.generation & 0xfff_ffff == generation => Ok(slot),
            _ => fail!("the buffer was disposed"),
        }
    }

    fn new_slot(&mut self, block: Block) -> usize {
        match self.vacant.pop() {
            Some(slot) => {
                let generation = self.blocks[slot].generation;
                self.blocks[slot] = Block { generation, ..block };
                slot
            }
            None => {
                self.blocks.push(block);
                self.blocks.len() - 1
            }
        }
    }

    fn activate(&mut self, slot: usize, asked: usize) -> Handle {
        let block = &mut self.blocks[slot];
        block.live = true;
        block.asked = asked;
        self.stats.live_buffers += 1;
        self.stats.live_bytes += block.size;
        self.stats.peak_bytes = self.stats.peak_bytes.max(self.stats.live_bytes);
        self.handle(slot)
    }

    fn release(&mut self, slot: usize) {
        let block = &mut self.blocks[slot];
        if let Source::Owned = std::mem::replace(&mut block.source, Source::Gone) {
            unsafe { self.space.free(block.ptr, block.size) };
        }
        block.ptr = std::ptr::null_mut();
        block.size = 0;
        self.vacant.push(slot);
    }

    fn out_of_memory(&self, bytes: usize, why: &str) -> Error {
        let mut live: Vec<_> =
            self.blocks.iter().filter(|b| b.live && b.asked > 0).map(|b| b.asked).collect();
        live.sort_unstable_by(|a, b| b.cmp(a));
        live.truncate(3);
        Error(format!(
            "out of memory: {bytes} bytes asked, {why}; in use {} bytes in {} buffers (largest {live:?}), idle in the pool {}, limit {} (MAMBALAB_MEMORY sets it)",
            self.stats.live_bytes, self.stats.live_buffers, self.stats.idle_bytes, self.stats.limit_bytes
        ))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for slot in 0..self.blocks.len() {
            if matches!(self.blocks[slot].source, Source::Owned) {
                self.release(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_block_is_reused_and_its_old_handle_is_dead() {
        let mut m = Memory::new(1 << 20);
        let a = m.alloc(1000).unwrap();
        let p = m.get(a).unwrap().0;
        m.free(a).unwrap();
        assert!(m.free(a).is_err());
        let b = m.alloc(1010).unwrap();
        assert_eq!(m.get(b).unwrap().0, p);
        assert!(m.get(a).is_err());
        assert_ne!(a, b);
    }

    #[test]
    fn the_limit_is_an_error_that_names_the_size_and_the_pool_goes_on() {
        let mut m = Memory::new(1 << 20);
        let a = m.alloc(900_000).unwrap();
        let e = m.alloc(500_000).unwrap_err().0;
        assert!(e.contains("500000 bytes asked") && e.contains("900000"), "{e}");
        m.free(a).unwrap();
        let b = m.alloc(500_000).unwrap();
        m.free(b).unwrap();
        assert_eq!(m.stats.live_bytes, 0);
    }

    #[test]
    fn captured_blocks_stay_with_their_program_until_it_dissolves() {
        let mut m = Memory::new(1 << 24);
        m.capturing = 7;
        let a = m.alloc(4096).unwrap();
        let p = m.get(a).unwrap().0;
        m.free(a).unwrap();
        let b = m.alloc(4096).unwrap();
        assert_eq!(m.get(b).unwrap().0, p, "reuse inside the trace");
        m.capturing = POOL;
        m.free(b).unwrap();
        let c = m.alloc(4096).unwrap();
        assert_ne!(m.get(c).unwrap().0, p, "the pool must not take a program's block");
        m.dissolve(7);
        let d = m.alloc(4096).unwrap();
        assert_eq!(m.get(d).unwrap().0, p);
        assert_eq!(m.program_bytes(), 0);
    }

    #[test]
    fn a_mapped_file_reads_as_bytes() {
        let path = std::env::temp_dir().join(format!("mambalab-map-{}", std::process::id()));
        std::fs::write(&path, b"hello").unwrap();
        let mut m = Memory::new(1 << 20);
        let (h, n) = m.map(path.to_str().unwrap()).unwrap();
        assert_eq!(n, 5);
        assert_eq!(unsafe { std::slice::from_raw_parts(m.get(h).unwrap().0, n) }, b"hello");
        m.free(h).unwrap();
        assert_eq!(m.stats.mapped_bytes, 0);
        assert!(m.map("/no/such/file").unwrap_err().0.contains("/no/such/file"));
        std::fs::remove_file(path).unwrap();
    }
}
