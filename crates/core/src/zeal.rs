//! Zeal: testing a collector, and the code compiled for it, harder than any program would.

/// How hard to test at run time. The default tests nothing and costs nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Zeal {
    /// Collect at every this-many-th allocation; zero for never. The allocation limit is held at
    /// the cursor, so that in-line allocation always takes the slow path. Structs that compiled code
    /// allocates at once count as one.
    pub collect_every: u32,
    /// Overwrite the dead, so that a stale reference finds nothing it could mistake for an object.
    pub poison: bool,
    /// Check the whole heap after each collection.
    pub verify: bool,
}

impl Zeal {
    /// The byte dead space is filled with. Four of them are an even number that is no multiple of
    /// eight: a poisoned word is neither an `i31` nor an object's offset.
    pub const POISON: u8 = 0xf6;

    /// No zeal.
    pub const OFF: Self = Self {
        collect_every: 0,
        poison: false,
        verify: false,
    };

    /// Collects at every `n`-th allocation, poisons and verifies; off for zero.
    #[must_use]
    pub const fn every(n: u32) -> Self {
        Self {
            collect_every: n,
            poison: n > 0,
            verify: n > 0,
        }
    }

    /// Whether every allocation takes the slow path.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.collect_every > 0
    }
}
