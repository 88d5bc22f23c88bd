//! `[x, y]`, attribute `[n]`: each run of n elements becomes exp(x - max) / sum.

use super::elements::{Elements, GRAIN, Loop, vectorised};
use crate::cpu::{Call, math};
use crate::ensure;
use crate::error::Result;

struct RowLoop<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Loop for RowLoop<'_> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        const LANES: usize = 16;
        let larger = |a: f32, x: f32| if x > a || x.is_nan() { x } else { a };
        let (whole, rest) = self.x.as_chunks::<LANES>();
        let mut lanes = [f32::NEG_INFINITY; LANES];
        for x in whole {
            for i in 0..LANES {
                lanes[i] = larger(lanes[i], x[i]);
            }
        }
        let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, x| larger(a, *x));
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = math::exp(*x - max);
        }
        let (whole, rest) = self.y.as_chunks::<LANES>();
        let mut lanes = [0f64; LANES];
        for y in whole {
            for i in 0..LANES {
                lanes[i] += f64::from(y[i]);
            }
        }
        let sum = lanes.iter().sum::<f64>() + rest.iter().map(|y| f64::from(*y)).sum::<f64>();
        let scale = (1.0 / sum) as f32;
        for y in self.y {
            *y *= scale;
        }
    }
}

pub fn softmax(call: &Call) -> Result<()> {
    let [x, y] = call.args()?;
    let n = call.attr(0)? as usize;
    let (x, y) = (Elements::<f32>::of(x)?, Elements::<f32>::of(y)?);
    ensure!(
        n > 0 && x.len() == y.len() && x.len().is_multiple_of(n),
        "x has {} elements and y {}, in rows of {n}",
        x.len(),
        y.len()
    );
    call.cpu.threads.ranges(x.len() / n, (GRAIN / 4 / n).max(1), |rows| {
        for row in rows {
            let r = row * n..(row + 1) * n;
            let (x, y) = unsafe { (x.part(r.clone()), y.part_mut(r)) };
            vectorised(call.cpu.isa, RowLoop { x, y });
        }
    });
    Ok(())
}
