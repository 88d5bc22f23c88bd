//! Cross-entropy of labels under logits, with its gradient.

use super::rows::{LossRows, log_sum};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::math::exp;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::ensure;
use crate::error::Result;

/// `[logits [n, v], labels i32 [n], weights [n], losses [n], (dlogits [n, v])]`, attribute
/// `[hasGradient]`: losses_i = weights_i (log sum exp logits_i - logits_i[labels_i]), and the gradient
/// of their sum. A row of weight 0 is not read: its loss and gradient are 0. dlogits may be logits.
pub fn cross_entropy(call: &Call) -> Result<()> {
    let has_gradient = call.attr(0)? != 0.0;
    let want = 4 + usize::from(has_gradient);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (logits, labels) = (&call.tensors[0], &call.tensors[1]);
    let [n, v] = dims("logits", logits)?;
    expect_shape("labels", labels, &[n])?;
    let labels = labels.i32()?;
    let rows = LossRows::new(logits, &call.tensors[2], &call.tensors[3], call.tensors.get(4), n, v)?;
    for (i, &label) in labels.iter().enumerate() {
        ensure!(
            unsafe { rows.weights.get(i) } == 0.0 || usize::try_from(label).is_ok_and(|l| l < v),
            "label {label} of row {i} is out of range: there are {v} classes"
        );
    }
    let isa = call.cpu.isa;
    call.cpu.threads.run(n, |i| {
        let label = labels[i] as usize;
        unsafe {
            rows.each(i, |x, weight, to| loss_row(isa, x, v, label, weight, to));
        }
    });
    Ok(())
}

by_isa!(fn loss_row(x: *const f32, v: usize, label: usize, weight: f32, to: *mut f32) -> f32 = row_body);

#[inline(always)]
unsafe fn row_body<V: Lanes>(x: *const f32, v: usize, label: usize, weight: f32, to: *mut f32) -> f32 {
    unsafe {
        let row = std::slice::from_raw_parts(x, v);
        let (max, log) = log_sum(row, 1.0);
        let own = (*x.add(label) - max) - log;
        if !to.is_null() {
            for i in 0..v {
                *to.add(i) = weight * exp((*x.add(i) - max) - log);
            }
            *to.add(label) -= weight;
        }
        -own
    }
}
