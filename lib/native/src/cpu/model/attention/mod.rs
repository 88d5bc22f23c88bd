//! Causal grouped-query attention (Ainslie et al. 2023) over a cache, for prefill and decode alike.
//!
//! The context is cut into blocks at fixed positions, each attended to by itself and merged in
//! order (`block`), so a query's output has the same bits whatever the batch, the number of new
//! tokens and the threads: cached decode equals the full forward exactly.

mod block;
mod tile;

use super::rows::{Span, dims, expect_shape, spans};
use crate::cpu::{Call, Isa};
use crate::ensure;
use crate::error::Result;
use block::{BLOCK, Queries, Scratch, Sums, attend_block, merge, padded};
use std::cell::RefCell;
use tile::Matrix;

/// Queries that share one pass over the keys: enough to pay for transposing them.
const QUERIES: usize = 96;

/// `[q [b, l, h, d], k [b, capacity, hKv, d], v [b, capacity, hKv, d], starts [b], lens [b],
/// y [b, l, h, d]]`, attribute scale: token t of row r attends to positions 0 to starts[r] + t with
/// weights softmax(scale * q k); query head i reads key-value head i / (h / hKv). Padding gets 0.
pub fn causal_attention(call: &Call) -> Result<()> {
    let [q, k, v, starts, lens, y] = call.args()?;
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
    for t in [q, k, v, y] {
        t.f32()?;
    }
    let group = heads / kv_heads;
    let shape = Shape {
        q: q.ptr().cast(),
        k: k.ptr().cast(),
        v: v.ptr().cast(),
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
    let tasks = shape.tasks(&spans);
    let threads = &call.cpu.threads;
    if threads.count() > 1 && tasks.len() < 4 * threads.count() {
        let pieces = Pieces::new(&tasks, &shape);
        threads.run(pieces.list.len(), |i| pieces.attend(&shape, i));
        threads.run(tasks.len(), |i| pieces.gather(&shape, i));
    } else {
        threads.run(tasks.len(), |i| shape.attend(&tasks[i]));
    }
    Ok(())
}

struct Shape {
    q: *const f32,
    k: *mut f32,
    v: *mut f32,
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
unsafe impl Sync for Shape {}

/// The queries of some consecutive tokens of one row that share one key-value head.
struct Task {
    row: usize,
    kv_head: usize,
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
    scratch: Scratch,
    block: Vec<f32>,
    merged: Vec<f32>,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl Shape {
    /// All work, the longest contexts first.
    fn tasks(&self, spans: &[Span]) -> Vec<Task> {
        let step = (QUERIES / self.group).max(1);
        let mut tasks = Vec::new();
        for (row, span) in spans.iter().enumerate() {
            for token in (0..span.len).step_by(step) {
                for kv_head in 0..self.kv_heads {
                    let tokens = step.min(span.len - token);
                    tasks.push(Task { row, kv_head, token, tokens, position: span.start + token });
                }
            }
        }
        tasks.sort_by_key(|task| std::cmp::Reverse(task.blocks()));
        tasks
    }

    unsafe fn output(&self, row: usize, token: usize, head: usize) -> *mut f32 {
        unsafe { self.y.add(((row * self.length + token) * self.heads + head) * self.d) }
    }

    /// Floats of the sums of a task.
    fn sums_len(&self, task: &Task) -> usize {
        task.tokens * self.group * (padded(self.d) + 2)
    }

    /// Attends a task to `blocks`; `each` gets the sums of every block, which it may merge.
    fn attend_blocks(
        &self,
        task: &Task,
        blocks: std::ops::Range<usize>,
        workspace: &mut Workspace,
        mut each: impl FnMut(usize, &mut Sums),
    ) {
        let Workspace { rows, visible, scratch, block, .. } = workspace;
        rows.clear();
        visible.clear();
        for t in 0..task.tokens {
            for i in 0..self.group {
                let token = task.row * self.length + task.token + t;
                let head = task.kv_head * self.group + i;
                rows.push(unsafe { self.q.add((token * self.heads + head) * self.d) });
                visible.push(task.position + t + 1);
            }
        }
        let stride = self.kv_heads * self.d;
        let head = (task.row * self.capacity * self.kv_heads + task.kv_head) * self.d;
        let queries = unsafe {
            Queries {
                rows,
                visible,
                keys: Matrix { at: self.k.add(head), stride },
                values: Matrix { at: self.v.add(head), stride },
                d: self.d,
                scale: self.scale,
            }
        };
        block.resize(self.sums_len(task), 0.0);
        let mut sums = Sums::over(block, rows.len());
        for index in blocks {
            unsafe { attend_block(self.isa, &queries, index, scratch, &mut sums) };
            each(index, &mut sums);
        }
    }

    fn attend(&self, task: &Task) {
        WORKSPACE.with_borrow_mut(|workspace| {
            let mut merged = std::mem::take(&mut workspace.merged);
            merged.clear();
            merged.resize(self.sums_len(task), 0.0);
            let mut all = Sums::over(&mut merged, task.tokens * self.group);
            all.clear();
            self.attend_blocks(task, 0..task.blocks(), workspace, |_, block| unsafe {
                merge(self.isa, &mut all, block, self.d);
            });
            self.finish(task, &all);
            workspace.merged = merged;
        });
    }

    /// Divides by the sums of exponentials and writes the outputs.
    fn finish(&self, task: &Task, all: &Sums) {
        let wide = padded(self.d);
        for (i, values) in all.values.chunks_exact(wide).enumerate() {
            let (t, head) = (i / self.group, task.kv_head * self.group + i % self.group);
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

/// Too few tasks for the threads: each is cut along its context, every block's sums are kept, and
/// a second pass merges them in the one order.
struct Pieces<'a> {
    tasks: &'a [Task],
    list: Vec<(usize, std::ops::Range<usize>)>,
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
            shape.attend_blocks(&self.tasks[*task], blocks.clone(), workspace, |index, sums| {
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
        shape.finish(&self.tasks[task], &all);
    }
}

#[cfg(test)]
mod tests;
