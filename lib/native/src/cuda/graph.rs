//! A captured program as one CUDA graph: its launches recorded once, replayed by one call.

use super::Cuda;
use super::driver::check;
use crate::error::Result;
use cudarc::driver::sys;
use std::ptr::null_mut;

pub struct Graph(sys::CUgraphExec);

unsafe impl Send for Graph {}

impl Graph {
    /// Records what `body` launches.
    pub fn record(cuda: &Cuda, body: impl FnOnce() -> Result<()>) -> Result<Graph> {
        let stream = cuda.stream.raw;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        let mut graph = null_mut();
        check("beginning a capture", unsafe { sys::cuStreamBeginCapture_v2(stream, mode) })?;
        cuda.lanes.recording.set(true);
        let done = body();
        cuda.lanes.recording.set(false);
        let ended = check("ending a capture", unsafe { sys::cuStreamEndCapture(stream, &mut graph) });
        let mut exec = null_mut();
        let made = done.and(ended).and_then(|()| {
            check("making a graph", unsafe { sys::cuGraphInstantiateWithFlags(&mut exec, graph, 0) })
        });
        if !graph.is_null() {
            unsafe { sys::cuGraphDestroy(graph) };
        }
        made?;
        Ok(Graph(exec))
    }

    pub fn launch(&self, cuda: &Cuda) -> Result<()> {
        cuda.timer.borrow_mut().around(&cuda.stream, || {
            check("replaying a graph", unsafe { sys::cuGraphLaunch(self.0, cuda.stream.raw) })
        })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        unsafe { sys::cuGraphExecDestroy(self.0) };
    }
}
