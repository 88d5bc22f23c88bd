//! How long captured programs keep the device busy, by events around every launch.

use super::driver::{Event, Stream};
use crate::error::Result;
use std::collections::VecDeque;

#[derive(Default)]
pub struct ProgramTimer {
    idle: Vec<(Event, Event)>,
    running: VecDeque<(Event, Event)>,
    millis: f64,
}

impl ProgramTimer {
    /// Times what `launch` gives the stream.
    pub fn around(&mut self, stream: &Stream, launch: impl FnOnce() -> Result<()>) -> Result<()> {
        self.millis()?;
        let (start, end) = match self.idle.pop() {
            Some(pair) => pair,
            None => (Event::new()?, Event::new()?),
        };
        start.record(stream)?;
        launch()?;
        end.record(stream)?;
        self.running.push_back((start, end));
        Ok(())
    }

    /// Milliseconds of the launches that have ended.
    pub fn millis(&mut self) -> Result<f64> {
        while let Some((start, end)) = self.running.front() {
            if !end.is_past()? {
                break;
            }
            self.millis += end.millis_since(start)?;
            self.idle.extend(self.running.pop_front());
        }
        Ok(self.millis)
    }
}
