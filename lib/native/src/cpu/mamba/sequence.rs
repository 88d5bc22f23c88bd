//! Lengths of rows and starts of documents.

use crate::cpu::model::rows::expect_shape;
use crate::ensure;
use crate::error::Result;
use crate::tensor::Tensor;

/// Which tokens of a `[batch, length]` are real, and where documents start.
pub struct Sequence<'a> {
    lens: Option<&'a [i32]>,
    resets: Option<&'a [i32]>,
    length: usize,
}

impl<'a> Sequence<'a> {
    pub fn new(
        lens: Option<&'a Tensor>,
        resets: Option<&'a Tensor>,
        batch: usize,
        length: usize,
    ) -> Result<Sequence<'a>> {
        if let Some(t) = lens {
            expect_shape("lens", t, &[batch])?;
            for (row, &len) in t.i32()?.iter().enumerate() {
                ensure!(
                    len >= 0 && len as usize <= length,
                    "row {row} has length {len}; the sequence holds {length} tokens"
                );
            }
        }
        if let Some(t) = resets {
            expect_shape("resets", t, &[batch, length])?;
        }
        Ok(Sequence {
            lens: lens.map(Tensor::i32).transpose()?,
            resets: resets.map(Tensor::i32).transpose()?,
            length,
        })
    }

    /// Every token is real, and no document starts but those that the rows begin with.
    pub fn is_plain(&self) -> bool {
        let whole = |lens: &[i32]| lens.iter().all(|&len| len as usize == self.length);
        self.resets.is_none() && self.lens.is_none_or(whole)
    }

    /// Real tokens of a row.
    pub fn len(&self, row: usize) -> usize {
        self.lens.map_or(self.length, |lens| lens[row] as usize)
    }

    /// Whether a document starts at a token.
    #[inline(always)]
    pub fn starts(&self, row: usize, t: usize) -> bool {
        self.resets.is_some_and(|resets| resets[row * self.length + t] != 0)
    }

    /// The runs of at most `most` tokens of a row, cut where documents start: first token, number,
    /// and whether a document starts there.
    pub fn runs(&self, row: usize, most: usize) -> impl Iterator<Item = (usize, usize, bool)> + '_ {
        let len = self.len(row);
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= len {
                return None;
            }
            let start = at;
            at += 1;
            while at < len && at - start < most && !self.starts(row, at) {
                at += 1;
            }
            Some((start, at - start, self.starts(row, start)))
        })
    }
}
