//! Streams beside the device's own, on which small products of one operation run at the same time.

use super::driver::{Event, Stream, check};
use crate::error::Result;
use cudarc::driver::sys;
use std::cell::Cell;
use std::ptr::null_mut;

/// Products of one operation that run side by side at most.
pub const LANES: usize = 4;

/// What cuBLASLt may use for a product.
pub const WORKSPACE: usize = 32 << 20;

struct Lane {
    stream: sys::CUstream,
    workspace: u64,
    done: Event,
}

/// The device's own stream and some beside it. What is launched goes to the chosen one.
pub struct Lanes {
    lanes: Vec<Lane>,
    chosen: Cell<usize>,
    begun: Event,
    /// Whether a graph is being recorded: outside one, forking costs more than it gains.
    pub recording: Cell<bool>,
}

impl Lanes {
    pub fn open(own: &Stream) -> Result<Lanes> {
        let lane = |i: usize| -> Result<Lane> {
            let (mut stream, mut workspace) = (own.raw, 0);
            if i > 0 {
                stream = null_mut();
                let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
                check("making a stream", unsafe { sys::cuStreamCreate(&mut stream, flags) })?;
            }
            check("allocating cuBLASLt's workspace", unsafe {
                sys::cuMemAlloc_v2(&mut workspace, WORKSPACE)
            })?;
            Ok(Lane { stream, workspace, done: Event::untimed()? })
        };
        let lanes = (0..LANES).map(lane).collect::<Result<Vec<_>>>()?;
        Ok(Lanes { lanes, chosen: Cell::new(0), begun: Event::untimed()?, recording: Cell::new(false) })
    }

    /// The chosen stream, and the workspace of its products.
    pub fn chosen(&self) -> (sys::CUstream, u64) {
        let Lane { stream, workspace, .. } = self.lanes[self.chosen.get()];
        (stream, workspace)
    }

    /// Runs `body` for 0 to `count` on streams of their own, which begin after what was launched before and
    /// end before what is launched after. One after the other where no graph is being recorded.
    pub fn side_by_side(&self, count: usize, body: impl Fn(usize) -> Result<()>) -> Result<()> {
        if !self.recording.get() || count < 2 {
            return (0..count).try_for_each(body);
        }
        let used = count.min(LANES);
        let own = self.lanes[0].stream;
        self.begun.record_on(own)?;
        for lane in &self.lanes[1..used] {
            self.begun.hold(lane.stream)?;
        }
        let done = (0..count).try_for_each(|i| {
            self.chosen.set(i % LANES);
            body(i)
        });
        self.chosen.set(0);
        done?;
        for lane in &self.lanes[1..used] {
            lane.done.record_on(lane.stream)?;
            lane.done.hold(own)?;
        }
        Ok(())
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for (i, lane) in self.lanes.iter().enumerate() {
            unsafe {
                sys::cuMemFree_v2(lane.workspace);
                if i > 0 {
                    sys::cuStreamDestroy_v2(lane.stream);
                }
            }
        }
    }
}
