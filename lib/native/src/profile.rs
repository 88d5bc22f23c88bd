//! Where time goes: what each operation took, by the device's own clock where it has one.

use crate::cpu::KERNELS;
use crate::cuda::{Cuda, Event};
use crate::error::Result;
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::time::Instant;

enum Mark {
    Host(Instant),
    Device(Event),
}

impl Mark {
    fn now(cuda: Option<&Cuda>) -> Result<Mark> {
        Ok(match cuda {
            Some(cuda) => Mark::Device(cuda.event()?),
            None => Mark::Host(Instant::now()),
        })
    }

    fn milliseconds_until(&self, end: &Mark) -> Result<f64> {
        match (self, end) {
            (Mark::Host(start), Mark::Host(end)) => Ok(end.duration_since(*start).as_secs_f64() * 1e3),
            (Mark::Device(start), Mark::Device(end)) => end.millis_since(start),
            _ => crate::fail!("a profile began on one device and ended on another"),
        }
    }
}

/// All calls of one operation with tensors of the same shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub op: &'static str,
    pub shapes: String,
    pub calls: u64,
    pub ms: f64,
}

/// Operations since a profile began.
#[derive(Default)]
pub struct Profile {
    runs: Vec<(usize, String, Mark, Mark)>,
}

impl Profile {
    /// Runs an operation between two marks.
    pub fn around(
        &mut self,
        cuda: Option<&Cuda>,
        (op, tensors): (usize, &[Tensor]),
        body: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let start = Mark::now(cuda)?;
        body()?;
        let shapes: Vec<String> = tensors.iter().map(|t| format!("{} {:?}", t.storage, t.shape())).collect();
        self.runs.push((op, shapes.join(", "), start, Mark::now(cuda)?));
        Ok(())
    }

    /// The sums, longest first; the device must have ended its work.
    pub fn lines(self) -> Result<Vec<Line>> {
        let mut sums: HashMap<(usize, String), (u64, f64)> = HashMap::new();
        for (op, shapes, start, end) in self.runs {
            let sum = sums.entry((op, shapes)).or_default();
            sum.0 += 1;
            sum.1 += start.milliseconds_until(&end)?;
        }
        let mut lines: Vec<Line> = sums
            .into_iter()
            .map(|((op, shapes), (calls, ms))| Line { op: KERNELS[op].name, shapes, calls, ms })
            .collect();
        lines.sort_by(|a, b| b.ms.total_cmp(&a.ms).then_with(|| a.op.cmp(b.op)));
        Ok(lines)
    }
}
