//! How large the programs are, and the inputs they share: every contestant is given the same.

use std::ops::Deref;

/// How much each program does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// `gcbench`: depth of the tree that lives throughout.
    pub(crate) gcbench_depth: u32,
    /// `gcbench`: numbers in the array that lives throughout.
    pub(crate) gcbench_array: u32,
    /// `binary-trees`: depth of the tree that lives throughout.
    pub(crate) trees_depth: u32,
    /// `list`: nodes after each round.
    pub(crate) list_nodes: u32,
    /// `list`: rounds.
    pub(crate) list_rounds: u32,
    /// `strings`: words added.
    pub(crate) words: u32,
    /// `strings`: different words.
    pub(crate) distinct: u32,
}

impl Size {
    /// About half a second a contestant and program.
    pub(crate) const FULL: Self = Self {
        gcbench_depth: 16,
        gcbench_array: 500_000,
        trees_depth: 16,
        list_nodes: 100_000,
        list_rounds: 30,
        words: 1_000_000,
        distinct: 100_000,
    };
    /// To see that everything works.
    pub(crate) const QUICK: Self = Self {
        gcbench_depth: 6,
        gcbench_array: 2_000,
        trees_depth: 6,
        list_nodes: 500,
        list_rounds: 3,
        words: 3_000,
        distinct: 500,
    };
}

/// The depths at which trees are made, and how many at each, so that each depth has as many nodes.
pub(crate) fn tree_counts(max_depth: u32) -> impl Iterator<Item = (u32, u32)> {
    (4..=max_depth)
        .step_by(2)
        .map(move |depth| (depth, 1 << (max_depth - depth + 4)))
}

/// Numbers that look random, the same in every run.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(end)).expect("less than `end`")
    }
}

/// Adds a number to a checksum that depends on the order.
pub(crate) const fn mix(sum: u64, value: u64) -> u64 {
    (sum ^ value)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
}

/// A word: 4 to 14 letters.
#[derive(Debug)]
pub(crate) struct Word {
    letters: [u8; 14],
    len: usize,
}

impl Word {
    /// The word with this number.
    pub(crate) fn new(number: u32) -> Self {
        let mut bits = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let len = 4 + usize::try_from(bits >> 40).unwrap_or(0) % 11;
        // The number's own digits first, so that hardly any two are alike.
        let mut rest = number;
        let letters = std::array::from_fn(|_| {
            let digit = if rest > 0 {
                let digit = rest % 26;
                rest /= 26;
                u64::from(digit)
            } else {
                bits = bits.rotate_left(7).wrapping_mul(31);
                bits % 26
            };
            b'a' + u8::try_from(digit).unwrap_or(0)
        });
        Self { letters, len }
    }
}

impl Deref for Word {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.letters.get(..self.len).unwrap_or_default()
    }
}

/// The hash that every table goes by (FNV-1a).
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Buckets that a table starts with.
pub(crate) const FIRST_BUCKETS: u32 = 16;
