//! Per-thread working memory that outlives a call, aligned to cache lines.

use std::cell::RefCell;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Beyond this a thread gives its scratch back after use.
const KEEP_LINES: usize = (8 << 20) / 64;

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `floats` numbers of unspecified content; calls may nest.
pub fn with_scratch<T>(floats: usize, body: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut lines = SCRATCH.with(|s| s.borrow_mut().pop()).unwrap_or_default();
    let need = floats.div_ceil(16);
    if lines.len() < need {
        lines.resize(need, Line([0.0; 16]));
    }
    let value = body(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), floats) });
    if lines.len() <= KEEP_LINES {
        SCRATCH.with(|s| s.borrow_mut().push(lines));
    }
    value
}
