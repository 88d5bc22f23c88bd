//! Kullback-Leibler divergences of two distributions given by logits, with their gradients.

use super::rows::{LossRows, log_sum, sum};
use crate::cpu::Call;
use crate::cpu::lanes::{Lanes, by_isa};
use crate::cpu::linear::scratch::with_scratch;
use crate::cpu::mamba::operands::Floats;
use crate::cpu::math::exp;
use crate::cpu::model::rows::{dims, expect_shape};
use crate::error::Result;
use crate::{ensure, fail};

/// `[student [n, v], teacher [n, v], weights [n], losses [n], (dstudent [n, v])]`, attributes
/// `[hasGradient, reverse, temperature]`: for p = softmax(student / temperature) and q of the teacher
/// likewise, losses_i = weights_i sum_v p (log p - log q) where reverse is 1, else
/// weights_i sum_v q (log q - log p), and the gradient of their sum by the student's logits. Classes
/// of probability 0 add nothing. A row of weight 0 is not read. dstudent may be student.
pub fn divergence(call: &Call) -> Result<()> {
    let has_gradient = call.attr(0)? != 0.0;
    let reverse = match call.attr(1)? {
        0.0 => false,
        1.0 => true,
        other => fail!("reverse should be 0 or 1, got {other}"),
    };
    let temperature = call.attr(2)?;
    ensure!(
        temperature > 0.0 && temperature.is_finite(),
        "temperature should be positive, got {temperature}"
    );
    let want = 4 + usize::from(has_gradient);
    ensure!(call.tensors.len() == want, "expected {want} tensors, got {}", call.tensors.len());
    let (student, teacher) = (&call.tensors[0], &call.tensors[1]);
    let [n, v] = dims("student", student)?;
    expect_shape("teacher", teacher, &[n, v])?;
    let rows = LossRows::new(student, &call.tensors[2], &call.tensors[3], call.tensors.get(4), n, v)?;
    let teacher = Floats::of(teacher)?;
    let scale = 1.0 / temperature as f32;
    let isa = call.cpu.isa;
    call.cpu.threads.run(n, |i| unsafe {
        rows.each(i, |x, weight, to| {
            let q = teacher.at(i * v);
            with_scratch(v, |terms| loss_row(isa, x, q, terms, reverse, scale, weight, to))
        });
    });
    Ok(())
}

by_isa!(fn loss_row(
    x: *const f32,
    q: *const f32,
    terms: &mut [f32],
    reverse: bool,
    scale: f32,
    weight: f32,
    to: *mut f32,
) -> f32 = row_body);

#[inline(always)]
unsafe fn row_body<V: Lanes>(
    x: *const f32,
    q: *const f32,
    terms: &mut [f32],
    reverse: bool,
    scale: f32,
    weight: f32,
    to: *mut f32,
) -> f32 {
    unsafe {
        let v = terms.len();
        let (x, q) = (std::slice::from_raw_parts(x, v), std::slice::from_raw_parts(q, v));
        let (max_x, log_x) = log_sum(x, scale);
        let (max_q, log_q) = log_sum(q, scale);
        let own = |x: f32| (x - max_x) * scale - log_x;
        let other = |q: f32| (q - max_q) * scale - log_q;
        for ((term, &x), &q) in terms.iter_mut().zip(x).zip(q) {
            let (a, b) = if reverse { (own(x), other(q)) } else { (other(q), own(x)) };
            let p = exp(a);
            *term = if p == 0.0 { 0.0 } else { p * (a - b) };
        }
        let total = sum(terms);
        if !to.is_null() {
            let factor = weight * scale;
            let loss = total;
            for i in 0..v {
                // Before the write: the gradient may replace the logits.
                let p = exp(own(x[i]));
                let slope = if reverse { terms[i] - p * loss } else { p - exp(other(q[i])) };
                *to.add(i) = factor * slope;
            }
        }
        total
    }
}
