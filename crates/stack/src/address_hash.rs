//! Hash tables by address.

use std::hash::{BuildHasherDefault, Hasher};

/// How tables by address hash.
pub(crate) type AddressHasher = BuildHasherDefault<FoldedProduct>;

/// Hashes one address by a multiplication: return addresses are no attacker's choice worth a
/// slower hash, and the product's two halves are folded because the table uses both ends.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct FoldedProduct(u64);

impl Hasher for FoldedProduct {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(usize::from(byte));
        }
    }

    fn write_usize(&mut self, value: usize) {
        let product = u128::from(self.0 ^ value as u64) * 0x9e37_79b9_7f4a_7c15;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "folding is meant to drop bits"
        )]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded;
    }
}
