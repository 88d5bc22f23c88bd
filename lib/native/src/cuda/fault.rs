//! Wrong values that only the device sees: the first one is kept, and the next synchronisation turns
//! it into an error.

use super::driver::{Stream, check};
use crate::error::{Error, Result};
use cudarc::driver::sys;

/// `struct Fault` of `common.cuh`.
pub const BYTES: usize = 16;

pub struct Faults {
    pub at: *mut u8,
}

impl Faults {
    pub fn new(stream: &Stream) -> Result<Faults> {
        let mut at = 0;
        check("allocating", unsafe { sys::cuMemAlloc_v2(&mut at, BYTES) })?;
        let at = at as *mut u8;
        stream.zero(at, BYTES)?;
        Ok(Faults { at })
    }

    pub fn check(&self, stream: &Stream) -> Result<()> {
        let mut bytes = [0u8; BYTES];
        stream.to_host(&mut bytes, self.at)?;
        self.judge(stream, &bytes)
    }

    /// Turns what was read there into an error, and clears it on the device.
    pub fn judge(&self, stream: &Stream, bytes: &[u8]) -> Result<()> {
        let word = |i: usize| {
            i32::from_ne_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
        };
        let (code, at, value, limit) = (word(0), word(1), word(2), word(3));
        if code == 0 {
            return Ok(());
        }
        stream.zero(self.at, BYTES)?;
        Err(Error(match code {
            1 => {
                format!("embedding: id {value} at position {at} is out of range: the table has {limit} rows")
            }
            2 => format!("GatherV2: the index value {value} is not in [0, {limit}]"),
            3 => format!("row {at} has length {value}; the batch holds {limit} new tokens a row"),
            4 => format!("row {at} holds positions up to {value}, beyond the {limit} there are"),
            5 if limit == 1 => format!("sampleTokens: row {at}: the logit of token {value} is inf"),
            5 => format!("sampleTokens: row {at}: the logit of token {value} is NaN"),
            6 => format!("sampleTokens: row {at}: every logit is minus infinity"),
            7 => format!(
                "sampleTokens: row {at}: temperature should be 0 or more, top-p above 0 and at most 1, min-p from 0 to 1, top-k a whole number"
            ),
            8 => format!("cacheGather: rows[{at}] is {value}; the cache has {limit} rows"),
            9 => format!("label {value} of row {at} is out of range: there are {limit} classes"),
            10 => format!(
                "convert: x at element {at} is {}, which cannot be quantised",
                f32::from_bits(value as u32)
            ),
            11 => format!("class {value} of row {at} is out of range: there are {limit} classes"),
            _ => format!("a kernel reported fault {code} ({at}, {value}, {limit})"),
        }))
    }
}
