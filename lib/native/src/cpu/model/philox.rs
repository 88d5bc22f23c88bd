//! Philox4x32-10 (Salmon et al. 2011): random numbers as a pure function of a counter and a key.

/// Four random words of a counter under a key.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xd251_1f53;
        let b = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

/// A uniform number of the open interval (0, 1): the first 52 random bits and a half.
pub fn uniform(counter: [u32; 4], key: [u32; 2]) -> f64 {
    let words = philox(counter, key);
    let bits = (u64::from(words[0]) << 32 | u64::from(words[1])) >> 12;
    (bits as f64 + 0.5) / (1u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with Random123 (kat_vectors, philox4x32 10).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn uniform_is_open_at_both_ends_and_centred() {
        let n = 100_000;
        let mean = (0..n)
            .map(|i| {
                let u = uniform([i, 0, 0, 0], [7, 7]);
                assert!(u > 0.0 && u < 1.0);
                u
            })
            .sum::<f64>()
            / f64::from(n);
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
    }
}
