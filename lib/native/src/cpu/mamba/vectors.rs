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

/// `N` vectors, `stride` numbers apart. A loop and no closure: one that is not inlined is compiled without
/// its caller's instructions.
#[inline(always)]
pub unsafe fn load_all<V: Lanes, const N: usize>(from: *const f32, stride: usize) -> [V; N] {
    unsafe {
        let mut all = [V::splat(0.0); N];
        for (i, v) in all.iter_mut().enumerate() {
            *v = V::load(from.add(i * stride));
        }
        all
    }
}

/// `N` vectors to where `load_all` takes them from.
#[inline(always)]
pub unsafe fn store_all<V: Lanes, const N: usize>(all: [V; N], to: *mut f32, stride: usize) {
    for (i, v) in all.into_iter().enumerate() {
        unsafe { v.store(to.add(i * stride)) };
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

/// ln(1 + e^x), within 1e-6 of itself down to x = -20; infinity and NaN as they are.
#[inline(always)]
pub unsafe fn softplus<V: Lanes>(x: V) -> V {
    unsafe {
        // ln(1 + e) = 2 atanh(e / (2 + e)) by its series, for e in [0, 1].
        let e = x.abs().mul(V::splat(-std::f32::consts::LOG2_E)).exp2();
        let z = e.div(e.add(V::splat(2.0)));
        let s = z.mul(z);
        let mut p = V::splat(1.0 / 15.0);
        for c in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
            p = p.mul_add(s, V::splat(1.0 / c));
        }
        let z = z.add(z);
        x.positive().add(z.mul_add(s.mul(p), z))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Isa;
    use crate::cpu::lanes::by_isa;

    by_isa!(fn softplus_all(x: &mut [f32]) = softplus_body);

    unsafe fn softplus_body<V: Lanes>(x: &mut [f32]) {
        for x in x.chunks_exact_mut(V::N) {
            unsafe { softplus(V::load(x.as_ptr())).store(x.as_mut_ptr()) };
        }
    }

    #[test]
    fn softplus_of_every_instruction_set_is_accurate_and_right_at_its_ends() {
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            if isa > Isa::best() {
                continue;
            }
            let x: Vec<f32> = (0..16_384).map(|i| -20.0 + i as f32 * 0.00713).collect();
            let mut y = x.clone();
            unsafe { softplus_all(isa, &mut y) };
            for (x, y) in x.iter().zip(y) {
                let want = f64::from(*x).exp().ln_1p();
                assert!((f64::from(y) - want).abs() <= 1.5e-6 * want, "{isa:?}: at {x}: {y}, not {want}");
            }
            let mut ends = [0.0; 16];
            ends[..3].copy_from_slice(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
            unsafe { softplus_all(isa, &mut ends) };
            assert_eq!(ends[0], f32::INFINITY, "{isa:?}");
            // As exp2 is: 0 or too small to matter.
            assert!((0.0..1e-37).contains(&ends[1]), "{isa:?}: {}", ends[1]);
            assert!(ends[2].is_nan(), "{isa:?}");
        }
    }
}
