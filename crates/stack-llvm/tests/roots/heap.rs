//! Two semispaces for the fixture's objects: every collection moves every object, and what an old
//! pointer leads to is no object any more.
//!
//! An object is a word of its references' places, which pointers do not see, a word with the number
//! of words that follow, and those. Fields hold addresses, a reference is an offset in bytes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Words of a semispace.
const SPACE_WORDS: usize = 1 << 14;
/// Set in the first word of an object that has moved; the rest is its reference.
const FORWARDED: u64 = 1 << 63;
/// What is left in fromspace.
const POISON: u64 = 0xdead_beef_dead_beef;

pub(crate) struct Heap {
    /// Atomic, for compiled code writes here too. The first two words are nobody's.
    words: Box<[AtomicU64]>,
    /// The word where the next object goes, and the space it goes to.
    cursor: usize,
    space: usize,
    pub(crate) collections: usize,
}

impl Heap {
    pub(crate) fn new() -> Self {
        let words = std::iter::repeat_with(|| AtomicU64::new(POISON));
        let words = words.take(2 + 2 * SPACE_WORDS).collect::<Box<_>>();
        words.as_ptr().expose_provenance();
        Self {
            words,
            cursor: 2,
            space: 0,
            collections: 0,
        }
    }

    /// The address that references are relative to.
    pub(crate) fn base(&self) -> u64 {
        self.words.as_ptr().addr() as u64
    }

    fn word(&self, reference: u32, index: usize) -> &AtomicU64 {
        &self.words[reference as usize / 8 + index]
    }

    pub(crate) fn address(&self, reference: u32) -> u64 {
        match reference {
            0 => 0,
            reference => self.base() + u64::from(reference),
        }
    }

    /// The object at an address, which must be one.
    pub(crate) fn reference(&self, address: u64) -> u32 {
        if address == 0 {
            return 0;
        }
        let offset = address.checked_sub(self.base()).expect("it is in the heap");
        assert!(offset.is_multiple_of(8), "{offset:#x} is no object");
        let space = 2 + self.space * SPACE_WORDS;
        let word = usize::try_from(offset / 8).unwrap();
        assert!(
            space < word && word < self.cursor,
            "{offset:#x} is no live object"
        );
        u32::try_from(offset).unwrap()
    }

    /// Bytes of the object that pointers into it may have to pass, and the address behind it.
    pub(crate) fn bytes(&self, reference: u32) -> u64 {
        8 * (1 + self.word(reference, 0).load(Relaxed))
    }

    /// A new object of zeros, with a bit in `references` for each word that is one.
    pub(crate) fn allocate(&mut self, words: u64, references: u64) -> u32 {
        let object = self.cursor + 1;
        let end = object + 1 + usize::try_from(words).unwrap();
        assert!(
            end <= 2 + (self.space + 1) * SPACE_WORDS,
            "the heap is full"
        );
        self.words[self.cursor].store(references, Relaxed);
        self.words[object].store(words, Relaxed);
        for word in &self.words[object + 1..end] {
            word.store(0, Relaxed);
        }
        self.cursor = end;
        u32::try_from(object * 8).unwrap()
    }

    /// A new object with these words, none of which is a reference.
    pub(crate) fn array(&mut self, values: &[u64]) -> u64 {
        let array = self.allocate(values.len() as u64, 0);
        for (value, index) in values.iter().zip(1..) {
            self.word(array, index).store(*value, Relaxed);
        }
        self.address(array)
    }

    /// Makes the other space tospace. Then [`Self::forward`] the roots, and [`Self::finish`].
    pub(crate) fn flip(&mut self) -> usize {
        self.space = 1 - self.space;
        let end = std::mem::replace(&mut self.cursor, 2 + self.space * SPACE_WORDS);
        self.collections += 1;
        end
    }

    /// As [`Self::forward`], of the object at an address.
    pub(crate) fn forward_address(&mut self, address: u64) -> u64 {
        let reference = u32::try_from(address - self.base()).unwrap();
        let moved = self.forward(reference);
        self.address(moved)
    }

    /// Where an object of fromspace is now.
    pub(crate) fn forward(&mut self, reference: u32) -> u32 {
        let from = reference as usize / 8 - 1;
        let first = self.words[from].load(Relaxed);
        if first & FORWARDED != 0 {
            return u32::try_from(first & !FORWARDED).unwrap();
        }
        let words = self.words[from + 1].load(Relaxed);
        let to = self.allocate(words, first);
        for index in 1..=usize::try_from(words).unwrap() {
            let word = self.word(reference, index).load(Relaxed);
            self.word(to, index).store(word, Relaxed);
        }
        self.words[from].store(FORWARDED | u64::from(to), Relaxed);
        to
    }

    /// Moves what the moved objects refer to, and poisons fromspace, which ended at `from_end`.
    pub(crate) fn finish(&mut self, from_end: usize) {
        let mut next = 2 + self.space * SPACE_WORDS;
        while next < self.cursor {
            let references = self.words[next].load(Relaxed);
            let words = self.words[next + 1].load(Relaxed);
            for index in (0..words.min(63)).filter(|index| references >> index & 1 != 0) {
                let field = next + 2 + usize::try_from(index).unwrap();
                let address = self.words[field].load(Relaxed);
                if address != 0 {
                    let moved = self.forward_address(address);
                    self.words[field].store(moved, Relaxed);
                }
            }
            next += 2 + usize::try_from(words).unwrap();
        }
        for word in &self.words[2 + (1 - self.space) * SPACE_WORDS..from_end] {
            word.store(POISON, Relaxed);
        }
    }
}
