//! Causal grouped-query attention (Ainslie et al. 2023) over a cache, for prefill and decode alike.
//!
//! The context is cut into blocks at fixed positions, each attended to by itself and merged in
//! order (`block`), so a query's output has the same bits whatever the batch, the number of new
//! tokens and the threads: cached decode equals the full forward exactly.

mod backward;
mod block;
mod cached;
mod tile;
mod weights;

use super::rows::{Span, dims, expect_shape, spans};
use crate::cpu::{Call, Isa};
use crate::ensure;
use crate::error::Result;
use crate::tensor::{Storage, Tensor};
pub use backward::causal_attention_backward;
use block::{BLOCK, Queries, Scratch, Sums, attend_block, merge, padded};
use cached::Cached;
use std::cell::RefCell;
use std::ops::Range;
use tile::Ahead;
pub use weights::attention_weights;

/// Queries that share one pass over the keys: enough to pay for transposing them.
const QUERIES: usize = 96;

/// `[q [b, l, h, d], k [b, capacity, hKv, d], v [b, capacity, hKv, d], starts [b], lens [b],
/// (resets i32 [b, l]), y [b, l, h, d]]`, attributes `[scale, hasResets?]`: token t of row r attends to
/// positions 0 to starts[r] + t with weights softmax(scale * q k), and from the last position with a
/// reset that is not 0 where there is one; query head i reads key-value head i / (h / hKv). Padding
/// gets 0. k and v are both float32 or both bfloat16, whose values are read as floats.
pub fn causal_attention(call: &Call) -> Result<()> {
    let has_resets = call.attrs.get(1).is_some_and(|&r| r != 0.0);
    let want = 6 + usize::from(has_resets);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let ([q, k, v, starts, lens], y) = (call.tensors.first_chunk().unwrap(), &call.tensors[want - 1]);
    let resets = has_resets.then(|| &call.tensors[5]);
    let [batch, length, heads, d] = dims("q", q)?;
    let [_, capacity, kv_heads, _] = dims("k", k)?;
    expect_shape("k", k, &[batch, capacity, kv_heads, d])?;
    expect_shape("v", v, k.shape())?;
    expect_shape("y", y, q.shape())?;
    ensure!(
        kv_heads > 0 && heads % kv_heads == 0,
        "{heads} query heads cannot share {kv_heads} key-value heads evenly"
    );
    let scale = call.attr(0)?;
    ensure!(scale.is_finite(), "scale should be a finite number, got {scale}");
    let spans = spans(starts, lens, batch, length, capacity, "a cache")?;
    q.f32()?;
    y.f32()?;
    let storage = cache_storage(k, v)?;
    let group = heads / kv_heads;
    let since = documents(resets, &spans, length)?;
    let shape = Shape {
        since: &since,
        q: q.ptr().cast(),
        k: k.ptr(),
        v: v.ptr(),
        storage,
        y: y.ptr().cast(),
        length,
        heads,
        kv_heads,
        group,
        capacity,
        d,
        scale: scale as f32,
        isa: call.cpu.isa,
    };
    for (row, span) in spans.iter().enumerate() {
        let pad = (length - span.len) * heads * d;
        unsafe { std::ptr::write_bytes(shape.output(row, span.len, 0), 0, pad) };
    }
    let threads = &call.cpu.threads;
    let many = 4 * threads.count();
    // A row's heads lie side by side in the cache: where rows are many, one thread takes them all.
    let mut tasks = shape.tasks(&spans, kv_heads);
    if tasks.len() < many {
        tasks = shape.tasks(&spans, 1);
    }
    if threads.count() > 1 && tasks.len() < many {
        let pieces = Pieces::new(&tasks, &shape);
        threads.run(pieces.list.len(), |i| pieces.attend(&shape, i));
        threads.run(tasks.len(), |i| pieces.gather(&shape, i));
    } else {
        threads.run(tasks.len(), |i| shape.attend(&tasks[i]));
    }
    Ok(())
}

/// How a cache's keys and values are stored: both float32 or both bfloat16.
pub fn cache_storage(k: &Tensor, v: &Tensor) -> Result<Storage> {
    ensure!(
        k.storage == v.storage && matches!(k.storage, Storage::F32 | Storage::BF16),
        "k and v should both be F32 or both BF16, got k {} and v {}",
        k.storage,
        v.storage
    );
    Ok(k.storage)
}

/// The first position that each token sees, `[b, l]`: the last reset up to it, else 0. Empty without
/// resets.
pub fn documents(resets: Option<&Tensor>, spans: &[Span], length: usize) -> Result<Vec<usize>> {
    let Some(resets) = resets else { return Ok(vec![]) };
    expect_shape("resets", resets, &[spans.len(), length])?;
    let resets = resets.i32()?;
    let mut since = vec![0; resets.len()];
    for (row, span) in spans.iter().enumerate() {
        let mut first = 0;
        for t in 0..length {
            if resets[row * length + t] != 0 {
                first = span.start + t;
            }
            since[row * length + t] = first;
        }
    }
    Ok(since)
}

struct Shape<'a> {
    /// The first position that each token sees; empty where all see all.
    since: &'a [usize],
    q: *const f32,
    k: *const u8,
    v: *const u8,
    /// Of keys and values.
    storage: Storage,
    y: *mut f32,
    length: usize,
    heads: usize,
    kv_heads: usize,
    group: usize,
    capacity: usize,
    d: usize,
    scale: f32,
    isa: Isa,
}

// Inputs are only read; tasks write disjoint tokens and heads of the output.
unsafe impl Sync for Shape<'_> {}

/// The queries of some consecutive tokens of one row to some of its key-value heads.
struct Task {
    row: usize,
    kv_heads: Range<usize>,
    token: usize,
    tokens: usize,
    /// Position of the first token.
    position: usize,
}

impl Task {
    fn blocks(&self) -> usize {
        (self.position + self.tokens).div_ceil(BLOCK)
    }
}

/// What a thread keeps from task to task.
#[derive(Default)]
struct Workspace {
    rows: Vec<*const f32>,
    visible: Vec<usize>,
    since: Vec<usize>,
    scratch: Scratch,
    block: Vec<f32>,
    merged: Vec<f32>,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl Shape<'_> {
    /// All work, the longest contexts first, in tasks of `width` key-value heads.
    fn tasks(&self, spans: &[Span], width: usize) -> Vec<Task> {
        let step = (QUERIES / self.group).max(1);
        let mut tasks = Vec::new();
        for (row, span) in spans.iter().enumerate() {
            for token in (0..span.len).step_by(step) {
                for head in (0..self.kv_heads).step_by(width) {
                    let kv_heads = head..(head + width).min(self.kv_heads);
                    let tokens = step.min(span.len - token);
                    tasks.push(Task { row, kv_heads, token, tokens, position: span.start + token });
                }
            }
        }
        tasks.sort_by_key(|task| std::cmp::Reverse(task.blocks()));
        tasks
    }

    unsafe fn output(&self, row: usize, token: usize, head: usize) -> *mut f32 {
        unsafe { self.y.add(((row * self.length + token) * self.heads + head) * self.d) }
    }

    /// The first position that a token sees.
    fn first_seen(&self, row: usize, token: usize) -> usize {
        if self.since.is_empty() { 0 } else { self.since[row * self.length + token] }
    }

    /// Floats of the sums of one head of a task.
    fn sums_len(&self, task: &Task) -> usize {
        task.tokens * self.group * (padded(self.d) + 2)
    }

    /// Attends a task to `blocks`; `each` gets the sums of every block and head.
    fn attend_blocks(
        &self,
        task: &Task,
        blocks: Range<usize>,
        workspace: &mut Workspace,
        mut each: impl FnMut(usize, usize, &Sums),
    ) {
        let Workspace { rows, visible, since, scratch, block, .. } = workspace;
        let n = task.tokens * self.group;
        rows.clear();
        for kv_head in task.kv_heads.clone() {
            for t in 0..task.tokens {
                let token = task.row * self.length + task.token + t;
                let head = token * self.heads + kv_head * self.group;
                rows.extend((head..head + self.group).map(|head| unsafe { self.q.add(head * self.d) }));
            }
        }
        visible.clear();
        visible.extend((0..n).map(|i| task.position + i / self.group + 1));
        since.clear();
        since.extend((0..n).map(|i| self.first_seen(task.row, task.token + i / self.group)));
        block.resize(self.sums_len(task), 0.0);
        let mut sums = Sums::over(block, n);
        for index in blocks {
            for (i, kv_head) in task.kv_heads.clone().enumerate() {
                let head = (task.row * self.capacity * self.kv_heads + kv_head) * self.d;
                let queries = unsafe {
                    Queries {
                        rows: &rows[i * n..][..n],
                        visible,
                        since,
                        keys: self.cached(self.k, head),
                        values: self.cached(self.v, head),
                        next_keys: self.after(self.k, task, index, i),
                        next_values: self.after(self.v, task, index, i),
                        d: self.d,
                        scale: self.scale,
                    }
                };
                unsafe { attend_block(self.isa, &queries, index, scratch, &mut sums) };
                each(index, i, &sums);
            }
        }
    }

    /// The rows of a head that begin at an element.
    unsafe fn cached(&self, cache: *const u8, element: usize) -> Cached {
        Cached {
            at: unsafe { cache.add(self.storage.row_bytes(element)) },
            stride: self.kv_heads * self.d,
            is_bf16: self.storage == Storage::BF16,
        }
    }

    /// What to ask for while head `i` of a task attends to a block: of the task's next block the head's
    /// own rows or, where the task has all heads, a part without gaps, so that all of it is asked for in
    /// the order of its addresses.
    fn after(&self, cache: *const u8, task: &Task, block: usize, i: usize) -> Ahead {
        let first = (block + 1) * BLOCK;
        let count = (task.position + task.tokens).saturating_sub(first).min(BLOCK);
        let base = (task.row * self.capacity + first) * self.kv_heads;
        let whole = task.kv_heads.len() == self.kv_heads;
        let from = if whole { base + i * count } else { base + task.kv_heads.start + i };
        let width = self.storage.row_bytes(self.d);
        let stride = if whole { width } else { self.kv_heads * width };
        Ahead { at: cache.wrapping_add(from * width), count, stride, width }
    }

    fn attend(&self, task: &Task) {
        WORKSPACE.with_borrow_mut(|workspace| {
            let (n, len) = (task.tokens * self.group, self.sums_len(task));
            let mut merged = std::mem::take(&mut workspace.merged);
            merged.resize(len * task.kv_heads.len(), 0.0);
            let mut heads: Vec<Sums> = merged.chunks_exact_mut(len).map(|head| Sums::over(head, n)).collect();
            heads.iter_mut().for_each(Sums::clear);
            // Blocks before all of the documents would add nothing.
            let first = self.first_seen(task.row, task.token) / BLOCK;
            self.attend_blocks(task, first..task.blocks(), workspace, |_, head, block| unsafe {
                merge(self.isa, &mut heads[head], block, self.d);
            });
            for (kv_head, sums) in task.kv_heads.clone().zip(&heads) {
                self.finish(task, kv_head, sums);
            }
            workspace.merged = merged;
        });
    }

    /// Divides by the sums of exponentials and writes the outputs.
    fn finish(&self, task: &Task, kv_head: usize, all: &Sums) {
        let wide = padded(self.d);
        for (i, values) in all.values.chunks_exact(wide).enumerate() {
            let (t, head) = (i / self.group, kv_head * self.group + i % self.group);
            let y = unsafe {
                std::slice::from_raw_parts_mut(self.output(task.row, task.token + t, head), self.d)
            };
            let scale = 1.0 / all.total[i];
            for (y, v) in y.iter_mut().zip(values) {
                *y = v * scale;
            }
        }
    }
}

impl<'a> Sums<'a> {
    /// Lays the sums of `n` queries over one run of floats.
    fn over(floats: &'a mut [f32], n: usize) -> Sums<'a> {
        let (max, rest) = floats.split_at_mut(n);
        let (total, values) = rest.split_at_mut(n);
        Sums { max, total, values }
    }

    fn clear(&mut self) {
        self.max.fill(f32::NEG_INFINITY);
        self.total.fill(0.0);
        self.values.fill(0.0);
    }
}

/// Too few tasks of one head each for the threads: each is cut along its context, every block's sums are kept, and
/// a second pass merges them in the one order.
struct Pieces<'a> {
    tasks: &'a [Task],
    list: Vec<(usize, Range<usize>)>,
    /// Where each task's blocks begin in `sums`.
    offsets: Vec<usize>,
    sums: Vec<f32>,
}

impl<'a> Pieces<'a> {
    /// Blocks of a piece: a few microseconds of work.
    const LENGTH: usize = 2;

    fn new(tasks: &'a [Task], shape: &Shape) -> Pieces<'a> {
        let mut list = Vec::new();
        let mut offsets = Vec::new();
        let mut floats = 0;
        for (i, task) in tasks.iter().enumerate() {
            let blocks = task.blocks();
            offsets.push(floats);
            floats += blocks * shape.sums_len(task);
            for from in (0..blocks).step_by(Self::LENGTH) {
                list.push((i, from..(from + Self::LENGTH).min(blocks)));
            }
        }
        Pieces { tasks, list, offsets, sums: vec![0.0; floats] }
    }

    /// The sums of one block of a task.
    #[allow(clippy::mut_from_ref)]
    unsafe fn block(&self, shape: &Shape, task: usize, block: usize) -> &mut [f32] {
        let len = shape.sums_len(&self.tasks[task]);
        let at = self.offsets[task] + block * len;
        unsafe { std::slice::from_raw_parts_mut(self.sums.as_ptr().add(at).cast_mut(), len) }
    }

    fn attend(&self, shape: &Shape, piece: usize) {
        let (task, blocks) = &self.list[piece];
        WORKSPACE.with_borrow_mut(|workspace| {
            shape.attend_blocks(&self.tasks[*task], blocks.clone(), workspace, |index, _, sums| {
                let kept = unsafe { self.block(shape, *task, index) };
                let kept = Sums::over(kept, sums.max.len());
                kept.max.copy_from_slice(sums.max);
                kept.total.copy_from_slice(sums.total);
                kept.values.copy_from_slice(sums.values);
            });
        });
    }

    fn gather(&self, shape: &Shape, task: usize) {
        let n = self.tasks[task].tokens * shape.group;
        let mut merged = vec![0.0; shape.sums_len(&self.tasks[task])];
        let mut all = Sums::over(&mut merged, n);
        all.clear();
        for block in 0..self.tasks[task].blocks() {
            let block = Sums::over(unsafe { self.block(shape, task, block) }, n);
            unsafe { merge(shape.isa, &mut all, &block, shape.d) };
        }
        shape.finish(&self.tasks[task], self.tasks[task].kv_heads.start, &all);
    }
}

#[cfg(test)]
mod tests;
