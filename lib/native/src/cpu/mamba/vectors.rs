//! Vectors at the edges of memory, and functions of one number on all lanes.

use crate::cpu::lanes::Lanes;

/// Lanes of the widest vector.
pub const WIDEST: usize = 16;

/// The first `count` lanes from memory, 0 in the others.
#[inline(always)]
pub unsafe fn load_part<V: Lanes>(p: *const f32, count: usize) -> V {
    unsafe {
        if count >= V::N {
            return V::load(p);
        }
        let mut lanes = [0.0; WIDEST];
        for (i, lane) in lanes[..count].iter_mut().enumerate() {
            *lane = *p.add(i);
        }
        V::load(lanes.as_ptr())
    }
}

/// The first `count` lanes to memory.
#[inline(always)]
pub unsafe fn store_part<V: Lanes>(v: V, p: *mut f32, count: usize) {
    unsafe {
        if count >= V::N {
            return v.store(p);
        }
        let mut lanes = [0.0; WIDEST];
        v.store(lanes.as_mut_ptr());
        for (i, lane) in lanes[..count].iter().enumerate() {
            *p.add(i) = *lane;
        }
    }
}

/// A branch-free function of every lane: the loop has a vector's length and becomes vector code.
#[inline(always)]
pub unsafe fn map<V: Lanes>(v: V, f: impl Fn(f32) -> f32) -> V {
    let mut lanes = [0.0; WIDEST];
    unsafe {
        v.store(lanes.as_mut_ptr());
        for lane in &mut lanes[..V::N] {
            *lane = f(*lane);
        }
        V::load(lanes.as_ptr())
    }
}

/// 1 / (1 + e^-x), within 3e-6 of itself down to x = -20.
#[inline(always)]
pub unsafe fn sigmoid<V: Lanes>(x: V) -> V {
    unsafe {
        let one = V::splat(1.0);
        one.div(x.mul(V::splat(-std::f32::consts::LOG2_E)).exp2().add(one))
    }
}

/// x * sigmoid(x).
#[inline(always)]
pub unsafe fn silu<V: Lanes>(x: V) -> V {
    unsafe {
        let one = V::splat(1.0);
        x.div(x.mul(V::splat(-std::f32::consts::LOG2_E)).exp2().add(one))
    }
}

/// The derivative of silu.
#[inline(always)]
pub unsafe fn silu_slope<V: Lanes>(x: V) -> V {
    unsafe {
        let (one, s) = (V::splat(1.0), sigmoid(x));
        s.mul(x.mul(one.add(s.mul(V::splat(-1.0)))).add(one))
    }
}
