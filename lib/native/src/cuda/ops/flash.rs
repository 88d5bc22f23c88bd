//! Causal attention of many tokens, in tiles: queries in 64s, keys and values in 64s or 32s.

use super::train::sum_parts;
use crate::arguments;
use crate::cuda::Call;
use crate::cuda::launch::{Grid, Words};
use crate::error::Result;

/// Rows of a block, and its threads.
const ROWS: usize = 64;
const THREADS: u32 = 128;
/// Tokens of a row that are worth a tile.
const MANY: usize = 16;

/// Of `q [batch, length, heads, d]`, and of `k` and `v [batch, capacity, kv_heads, d]`.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub batch: usize,
    pub length: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub capacity: usize,
    pub d: usize,
}

/// What attention takes, by address. `since` has the first position that each token sees, or is 0 where
/// there are no documents.
pub struct Flash {
    pub sizes: Sizes,
    pub scale: f32,
    pub q: u64,
    pub k: u64,
    pub v: u64,
    pub starts: u64,
    pub lens: u64,
    pub since: u64,
}

impl Flash {
    /// Columns of a tile; none for heads without kernels.
    fn columns(&self) -> Option<usize> {
        match self.sizes.d {
            32 | 64 => Some(64),
            96 | 128 => Some(32),
            _ => None,
        }
    }

    /// Bytes of shared memory for some tiles of 64 rows, two of `columns` rows, and a tile of weights.
    fn shared(&self, tiles: usize, columns: usize) -> usize {
        4 * ((ROWS * tiles + 2 * columns) * (self.sizes.d + 4) + ROWS * (columns + 4))
    }

    /// Whether there are kernels for the heads, and blocks enough: one for 64 queries of a head goes over
    /// all of the context, where blocks for few tokens share it.
    pub fn forward_fits(&self, call: &Call) -> bool {
        let Sizes { batch, length, heads, .. } = self.sizes;
        let blocks = batch * heads * length.div_ceil(ROWS);
        self.columns().is_some() && length >= MANY && 4 * blocks >= call.cuda.properties.multiprocessors
    }

    /// Whether there are kernels for the heads, and shared memory enough.
    pub fn backward_fits(&self, call: &Call) -> bool {
        // The kernel of keys has some numbers of each query beside its tiles.
        let fits = |columns| self.shared(2, columns) + 12 * columns <= call.cuda.properties.block_shared;
        self.sizes.length >= MANY && self.columns().is_some_and(fits)
    }

    fn grid(&self, rows: usize, shared: usize) -> Grid {
        let blocks = ((self.sizes.batch * self.sizes.heads) as u32, rows.div_ceil(ROWS) as u32, 1);
        Grid { blocks, threads: THREADS, shared: shared as u32 }
    }

    fn shape(&self) -> [i64; 5] {
        let Sizes { length, heads, kv_heads, capacity, .. } = self.sizes;
        let [length, heads, kv_heads, capacity] = [length, heads, kv_heads, capacity].map(|n| n as i64);
        [length, heads, kv_heads, capacity, i64::from(self.scale.to_bits())]
    }

    /// `y [b, l, heads, d]`, or with `dy` what `backward` needs.
    fn run(&self, call: &Call, dy: u64, y: u64, (logs, dots): (u64, u64)) -> Result<()> {
        let columns = self.columns().expect("forward_fits or backward_fits said so");
        let Flash { sizes: Sizes { d, .. }, q, k, v, starts, lens, since, .. } = *self;
        let arguments = arguments![
            q,
            k,
            v,
            starts,
            lens,
            since,
            dy,
            y,
            logs,
            dots,
            Words(&self.shape()),
            call.cuda.faults()
        ];
        let grid = self.grid(self.sizes.length, self.shared(1, columns));
        call.launch("flash", &format!("flash_{d}"), grid, arguments)
    }

    pub fn forward(&self, call: &Call, y: u64) -> Result<()> {
        self.run(call, 0, y, (0, 0))
    }

    /// The gradients of q, k and v. Each query head's share of keys' and values' is summed in order.
    pub fn backward(&self, call: &Call, dy: u64, [dq, dk, dv]: [u64; 3]) -> Result<()> {
        let Sizes { batch, length, heads, kv_heads, capacity, d } = self.sizes;
        let Flash { q, k, v, starts, lens, since, .. } = *self;
        let columns = self.columns().expect("backward_fits said so");
        let rows = 4 * batch * heads * length;
        let (logs, dots) = (call.scratch(rows)?, call.scratch(rows)?);
        self.run(call, dy, 0, (logs.ptr as u64, dots.ptr as u64))?;

        let group = heads / kv_heads;
        let share = 4 * batch * capacity * heads * d;
        let shares = if group == 1 { None } else { Some((call.scratch(share)?, call.scratch(share)?)) };
        let (keys, values) = shares.as_ref().map_or((dk, dv), |(k, v)| (k.ptr as u64, v.ptr as u64));
        let (shape, faults) = (self.shape(), call.cuda.faults());
        let shared = self.shared(2, columns);
        let arguments = arguments![
            q,
            k,
            v,
            starts,
            lens,
            since,
            dy,
            logs.ptr,
            dots.ptr,
            keys,
            values,
            Words(&shape),
            faults
        ];
        let grid = self.grid(capacity, shared);
        call.launch("flash_backward", &format!("keys_gradient_{d}"), grid, arguments)?;
        if shares.is_some() {
            sum_parts(call, keys, dk, batch * capacity * kv_heads, group, d)?;
            sum_parts(call, values, dv, batch * capacity * kv_heads, group, d)?;
        }
        let arguments =
            arguments![q, k, v, starts, lens, since, dy, logs.ptr, dots.ptr, dq, Words(&shape), faults];
        let grid = self.grid(length, shared);
        call.launch("flash_backward", &format!("queries_gradient_{d}"), grid, arguments)
    }
}
