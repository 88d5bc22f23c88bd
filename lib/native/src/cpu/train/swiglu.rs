//! The derivative of SwiGLU's gate.

use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::mamba::operands::Floats;
use crate::cpu::mamba::vectors::{load_part, sigmoid, store_part};
use crate::cpu::model::rows::expect_shape;
use crate::error::Result;

/// Elements worth a thread's while.
const GRAIN: usize = 1 << 13;

/// `[dy [..], gate [..], up [..], dgate, dup]`: the gradients of silu(gate) * up. An output may be an
/// input.
pub fn swiglu_backward(call: &Call) -> Result<()> {
    let [dy, gate, up, dgate, dup] = call.args()?;
    for (name, t) in [("gate", gate), ("up", up), ("dgate", dgate), ("dup", dup)] {
        expect_shape(name, t, dy.shape())?;
    }
    let n = dy.len();
    let (dy, gate, up) = (Floats::of(dy)?, Floats::of(gate)?, Floats::of(up)?);
    let (dgate, dup) = (Floats::of(dgate)?, Floats::of(dup)?);
    let isa = call.cpu.isa;
    call.cpu.threads.ranges(n, GRAIN, |r| unsafe {
        let at = r.start;
        range(isa, dy.at(at), gate.at(at), up.at(at), dgate.at(at), dup.at(at), r.len());
    });
    Ok(())
}

by_isa!(fn range(
    dy: *const f32,
    gate: *const f32,
    up: *const f32,
    dgate: *mut f32,
    dup: *mut f32,
    n: usize,
) = range_body);

#[inline(always)]
unsafe fn range_body<V: Lanes>(
    dy: *const f32,
    gate: *const f32,
    up: *const f32,
    dgate: *mut f32,
    dup: *mut f32,
    n: usize,
) {
    unsafe {
        let one = V::splat(1.0);
        for i in (0..n).step_by(V::N) {
            let left = n - i;
            let (d, g): (V, V) = (load_part(dy.add(i), left), load_part(gate.add(i), left));
            let (u, s): (V, V) = (load_part(up.add(i), left), sigmoid(g));
            let slope = s.mul(g.mul(one.add(s.mul(V::splat(-1.0)))).add(one));
            store_part(d.mul(u).mul(slope), dgate.add(i), left);
            store_part(d.mul(g).mul(s), dup.add(i), left);
        }
    }
}
