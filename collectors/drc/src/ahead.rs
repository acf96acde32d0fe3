//! Looking ahead: what is to be read is asked for some steps before it is.

/// How many objects are known before the first of them is looked at, so that it is in the cache by
/// then.
const AHEAD: usize = 16;

/// A queue of fixed length: what goes in comes out so many items later.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    items: [Option<T>; AHEAD],
    next: usize,
}

impl<T: Copy> Ahead<T> {
    pub(crate) const fn new() -> Self {
        Self {
            items: [None; AHEAD],
            next: 0,
        }
    }

    /// Puts an item in and takes the oldest out; with `None`, the queue runs empty in time.
    #[inline(always)]
    pub(crate) fn pass(&mut self, item: Option<T>) -> Option<T> {
        let place = self.items.get_mut(self.next % AHEAD)?;
        self.next = self.next.wrapping_add(1);
        std::mem::replace(place, item)
    }

    /// Takes the oldest out.
    pub(crate) fn pop(&mut self) -> Option<T> {
        (0..AHEAD).find_map(|_| self.pass(None))
    }
}
