//! Which tokens top-k, top-p and min-p keep, found by selection: sorting stops where the mass is
//! reached.

use super::Params;

/// The kept tokens, ascending; `weights` are the tempered ones, the largest 1, `total` their sum.
pub fn truncated(logits: &[f32], weights: &[f32], mut total: f64, params: &Params) -> Vec<u32> {
    let weight = |rank: u64| f64::from(weights[token(rank) as usize]);
    let mut kept: Vec<u64>;
    if params.top_k < logits.len() {
        kept = logits.iter().enumerate().map(|(id, &x)| rank(id, x)).collect();
        kept.select_nth_unstable(params.top_k - 1);
        kept.truncate(params.top_k);
        // The sum runs in one order, whatever selection left.
        kept.sort_unstable();
        total = kept.iter().map(|&rank| weight(rank)).sum();
        kept.retain(|&rank| weight(rank) >= f64::from(params.min_p));
    } else {
        // Tokens lighter than (1 - p) total / v sum to less than what top-p may leave out; half of
        // that allows for rounding.
        let spare = 0.5 * (1.0 - f64::from(params.top_p)) * total / logits.len() as f64;
        let least = params.min_p.max(spare as f32);
        let heavy = weights.iter().zip(logits).enumerate().filter(|(_, (w, _))| **w >= least);
        kept = heavy.map(|(id, (_, &x))| rank(id, x)).collect();
    }
    if params.top_p < 1.0 {
        let n = nucleus(&mut kept, f64::from(params.top_p) * total, weight);
        kept.truncate(n);
    }
    let mut ids: Vec<u32> = kept.into_iter().map(token).collect();
    ids.sort_unstable();
    ids
}

/// A number that is the smaller the likelier a token is; of equal logits, the lower the id.
fn rank(id: usize, logit: f32) -> u64 {
    // Adding zero makes one of the two zeros.
    let bits = (logit + 0.0).to_bits();
    let rising = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(!rising) << 32 | id as u64
}

fn token(rank: u64) -> u32 {
    rank as u32
}

/// Sorts the likeliest to the front until their sum reaches `mass`; returns how many that takes.
fn nucleus(ranks: &mut [u64], mass: f64, weight: impl Fn(u64) -> f64) -> usize {
    let mut sum = 0.0;
    let (mut from, mut step) = (0, 64);
    while from < ranks.len() {
        let rest = &mut ranks[from..];
        let n = step.min(rest.len());
        if n < rest.len() {
            rest.select_nth_unstable(n - 1);
        }
        rest[..n].sort_unstable();
        for (i, &rank) in rest[..n].iter().enumerate() {
            sum += weight(rank);
            if sum >= mass {
                return from + i + 1;
            }
        }
        from += n;
        step *= 4;
    }
    ranks.len()
}
