//! One kernel launch: its arguments by value, its grid.

/// An argument's bytes, in words of eight.
pub trait Argument {
    fn push(self, words: &mut Vec<u64>);
}

macro_rules! arguments {
    ($($T:ty: |$x:ident| $bits:expr;)*) => {
        $(impl Argument for $T {
            fn push(self, words: &mut Vec<u64>) {
                let $x = self;
                words.push($bits);
            }
        })*
    };
}

arguments! {
    u64: |x| x;
    i64: |x| x as u64;
    usize: |x| x as u64;
    i32: |x| u64::from(x as u32);
    u32: |x| u64::from(x);
    u8: |x| u64::from(x);
    f32: |x| u64::from(x.to_bits());
    *mut u8: |x| x as u64;
}

/// A struct of 64-bit integers, passed by value.
#[derive(Clone, Copy)]
pub struct Words<'a>(pub &'a [i64]);

impl Argument for Words<'_> {
    fn push(self, words: &mut Vec<u64>) {
        words.extend(self.0.iter().map(|&w| w as u64));
    }
}

/// Arguments in order; each begins at one of `starts`.
#[derive(Default)]
pub struct Arguments {
    pub words: Vec<u64>,
    pub starts: Vec<usize>,
}

impl Arguments {
    pub fn with(mut self, argument: impl Argument) -> Arguments {
        self.starts.push(self.words.len());
        argument.push(&mut self.words);
        self
    }
}

/// Collects arguments of several types.
#[macro_export]
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => {
        $crate::cuda::launch::Arguments::default()$(.with($argument))*
    };
}

/// Blocks, threads of a block, bytes of dynamic shared memory.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    pub blocks: (u32, u32, u32),
    pub threads: u32,
    pub shared: u32,
}

impl Grid {
    /// Threads for `n` elements, each in steps of the whole grid.
    pub fn over(n: usize) -> Grid {
        Grid::blocks(n.div_ceil(256).clamp(1, 1 << 16), 256)
    }

    pub fn blocks(blocks: usize, threads: u32) -> Grid {
        Grid { blocks: (blocks.min(i32::MAX as usize) as u32, 1, 1), threads, shared: 0 }
    }
}
