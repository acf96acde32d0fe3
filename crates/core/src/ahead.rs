//! Looking ahead: what is to be read is asked for some steps before it is.

/// How many objects are known before the first of them is looked at, so that it is in the cache by
/// then.
const AHEAD: usize = 16;

/// A queue of at most 16 items, for a loop that starts to fetch what an item is about when it puts it
/// in, and looks at it when it comes out (Cher, Hosking and Vitek, ASPLOS 2004).
#[derive(Debug)]
pub struct Ahead<T> {
    items: [Option<T>; AHEAD],
    /// Where the oldest is, modulo the length.
    oldest: usize,
    len: usize,
}

impl<T: Copy> Default for Ahead<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> Ahead<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            items: [None; AHEAD],
            oldest: 0,
            len: 0,
        }
    }

    /// Whether nothing comes out when an item is put in.
    #[must_use]
    #[inline(always)]
    pub const fn has_room(&self) -> bool {
        self.len < AHEAD
    }

    /// Puts an item in; takes the oldest out where there were 16.
    #[inline(always)]
    pub fn push(&mut self, item: T) -> Option<T> {
        let end = self.oldest.wrapping_add(self.len) % AHEAD;
        let place = self.items.get_mut(end)?;
        if self.len < AHEAD {
            *place = Some(item);
            self.len += 1;
            return None;
        }
        self.oldest = self.oldest.wrapping_add(1);
        place.replace(item)
    }

    /// Takes the oldest out.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let item = self.items.get(self.oldest % AHEAD).copied().flatten();
        self.oldest = self.oldest.wrapping_add(1);
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn what_goes_in_comes_out_in_order_at_most_sixteen_later() {
        let (mut ahead, mut model) = (Ahead::new(), VecDeque::new());
        for item in 0..1000_u32 {
            model.push_back(item);
            let over = (model.len() > AHEAD).then(|| model.pop_front()).flatten();
            assert_eq!(ahead.push(item), over);
            if item % 7 == 0 {
                assert_eq!(ahead.pop(), model.pop_front());
            }
            if item % 97 == 0 {
                while let Some(item) = model.pop_front() {
                    assert_eq!(ahead.pop(), Some(item));
                }
                assert_eq!(ahead.pop(), None);
            }
        }
    }
}
