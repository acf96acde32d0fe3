//! The box of a host value: any value the guest cannot look into, counted, in one word.
//!
//! Morally an `Arc<dyn Any + Send + Sync>`, but thin. One allocation holds the value, at its start
//! whatever its alignment, and behind it a footer: the count, then the fat pointer back to the
//! value. A box is the address of its footer, so `Option<HostValue>` is a word, too, and what the
//! value is stays out of the pointer. Whether a value has references for collectors to see is known to
//! the type behind the fat pointer: it is one of two wrappers that add nothing to the value.
//!
//! Cloning and dropping cost an atomic addition each; a value drops once, with its last box.

use crate::{HeapCell, TraceHost};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::any::Any;
use std::cmp::Ordering as Order;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// What a value is to its box.
type Opaque = dyn Any + Send + Sync;

/// A value as it lies in the box.
trait Boxed: Send + Sync {
    fn opaque(&self) -> &Opaque;
    fn opaque_mut(&mut self) -> &mut Opaque;
    /// The value's cells, if its type has any.
    fn traced(&self) -> Option<&dyn TraceHost>;
}

/// A value without references.
#[repr(transparent)]
struct Plain<T>(T);

/// A value with references.
#[repr(transparent)]
struct Traced<T>(T);

impl<T: Any + Send + Sync> Boxed for Plain<T> {
    fn opaque(&self) -> &Opaque {
        &self.0
    }

    fn opaque_mut(&mut self) -> &mut Opaque {
        &mut self.0
    }

    fn traced(&self) -> Option<&dyn TraceHost> {
        None
    }
}

impl<T: TraceHost> Boxed for Traced<T> {
    fn opaque(&self) -> &Opaque {
        &self.0
    }

    fn opaque_mut(&mut self) -> &mut Opaque {
        &mut self.0
    }

    fn traced(&self) -> Option<&dyn TraceHost> {
        Some(&self.0)
    }
}

/// What lies behind the value.
#[repr(C)]
struct Footer {
    count: AtomicUsize,
    /// The value, at the start of the allocation.
    value: NonNull<dyn Boxed>,
}

const _: () = {
    assert!(memoffset::offset_of!(Footer, count) == 0);
    assert!(memoffset::offset_of!(Footer, value) == size_of::<usize>());
    assert!(size_of::<HostValue>() == size_of::<*const u8>());
    assert!(size_of::<Option<HostValue>>() == size_of::<*const u8>());
};

/// A count of a host value: cloning makes another, the last one drops the value.
///
/// Boxes are equal if they are boxes of one value, whatever the value is; they hash and order by
/// its address.
///
/// ```
/// use windrow_core::HostValue;
///
/// let name = HostValue::new("windrow".to_owned());
/// let other = name.clone();
/// assert_eq!(name, other);
/// assert_eq!(other.downcast_ref::<String>().map(String::len), Some(7));
/// ```
#[repr(transparent)]
pub struct HostValue(NonNull<Footer>);

// SAFETY: the value is `Send + Sync`, and the count is atomic, as in an `Arc`.
unsafe impl Send for HostValue {}
// SAFETY: as above.
unsafe impl Sync for HostValue {}

/// Where a value of a layout and its footer go, and how far the footer is from the value.
///
/// # Panics
/// For a value as large as the address space.
fn layout(value: Layout) -> (Layout, usize) {
    let (layout, footer) = value
        .extend(Layout::new::<Footer>())
        .expect("a value leaves room for its footer");
    (layout.pad_to_align(), footer)
}

/// Memory to give back unless it is kept.
struct Allocation {
    start: NonNull<u8>,
    layout: Layout,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: `start` was allocated with this layout, and whoever made this gave the memory up.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

impl HostValue {
    /// Boxes a value.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self::new_with(|| value)
    }

    /// Boxes a value that holds references into heaps, for collections to see.
    ///
    /// They do while an `externref` object that stands for the value is alive, in each isolate by
    /// itself; see [`HeapCell`].
    #[must_use]
    pub fn new_traced<T: TraceHost>(value: T) -> Self {
        Self::new_boxed(|| Traced(value))
    }

    /// Boxes what `make` returns, which runs once the memory is there.
    ///
    /// # Panics
    /// Passes on a panic of `make`; the memory is given back.
    pub fn new_with<T: Any + Send + Sync>(make: impl FnOnce() -> T) -> Self {
        Self::new_boxed(|| Plain(make()))
    }

    fn new_boxed<B: Boxed + 'static>(make: impl FnOnce() -> B) -> Self {
        let (layout, footer_offset) = layout(Layout::new::<B>());
        // SAFETY: the layout has the footer's size at least, so it is not empty.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        let allocation = Allocation { start, layout };
        let value = start.cast::<B>();
        // SAFETY: the memory is as large and as aligned as the layout says, which has room for the
        // value at its start and for the footer at its offset; nobody else knows of it.
        let footer = unsafe {
            value.write(make());
            let footer = start.add(footer_offset).cast::<Footer>();
            footer.write(Footer {
                count: AtomicUsize::new(1),
                value,
            });
            footer
        };
        std::mem::forget(allocation);
        Self(footer)
    }

    fn footer(&self) -> &Footer {
        // SAFETY: the footer lives as long as any box of it, and is not written but for the count.
        unsafe { self.0.as_ref() }
    }

    /// Whether the value is a `T`.
    #[must_use]
    pub fn is<T: Any>(&self) -> bool {
        (**self).is::<T>()
    }

    /// The value, if it is a `T`.
    #[must_use]
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        (**self).downcast_ref()
    }

    /// The value, if this is its only box.
    pub fn get_mut(&mut self) -> Option<&mut Opaque> {
        if self.footer().count.load(Ordering::Acquire) != 1 {
            return None;
        }
        // SAFETY: there is one box, which is borrowed exclusively; the load of the count saw what
        // the other boxes did before they went.
        Some(unsafe { &mut *self.footer().value.as_ptr() }.opaque_mut())
    }

    /// The value, if it is a `T` and this is its only box.
    pub fn downcast_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.get_mut()?.downcast_mut()
    }

    /// How many boxes there are. Others may come and go meanwhile.
    #[must_use]
    pub fn count(&self) -> usize {
        self.footer().count.load(Ordering::Relaxed)
    }

    fn traced(&self) -> Option<&dyn TraceHost> {
        // SAFETY: as for `deref`.
        unsafe { self.footer().value.as_ref() }.traced()
    }

    /// Whether the value was boxed by [`Self::new_traced`].
    #[must_use]
    pub fn is_traced(&self) -> bool {
        self.traced().is_some()
    }

    /// Calls `visitor` with every cell the value shows: none, unless it was boxed by
    /// [`Self::new_traced`].
    pub fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
        if let Some(value) = self.traced() {
            value.trace(visitor);
        }
    }

    /// What tells this value from others as long as there is a box of it.
    pub(crate) fn address(&self) -> usize {
        self.0.addr().get()
    }

    /// The box as an address, with its count: to be turned back by [`Self::from_raw`].
    #[must_use]
    pub fn into_raw(self) -> NonNull<()> {
        ManuallyDrop::new(self).0.cast()
    }

    /// The box that an address stands for.
    ///
    /// # Safety
    /// The address comes from [`Self::into_raw`], and was turned back for each count at most once.
    #[must_use]
    pub const unsafe fn from_raw(raw: NonNull<()>) -> Self {
        Self(raw.cast())
    }

    /// Drops the value and gives its memory back.
    ///
    /// # Safety
    /// The last box is gone.
    #[cold]
    unsafe fn drop_value(footer: NonNull<Footer>) {
        // SAFETY: the footer is there until the memory is given back below.
        let value = unsafe { footer.as_ref() }.value;
        // SAFETY: the value was not dropped, for a box was left until now.
        let (layout, _) = layout(Layout::for_value(unsafe { value.as_ref() }));
        let start = value.cast();
        // Given back even if the value's drop panics.
        let _allocation = Allocation { start, layout };
        // SAFETY: nobody else has a box to reach the value by.
        unsafe { value.drop_in_place() }
    }
}

impl Clone for HostValue {
    /// Another box of the same value.
    ///
    /// Aborts if there are as many boxes as half the address space has bytes.
    fn clone(&self) -> Self {
        let before = self.footer().count.fetch_add(1, Ordering::Relaxed);
        if before > isize::MAX.unsigned_abs() {
            // Boxes were forgotten on purpose; one more wrap and the value would drop too early.
            std::process::abort();
        }
        Self(self.0)
    }
}

impl Drop for HostValue {
    fn drop(&mut self) {
        if self.footer().count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // What other boxes did with the value happened before it drops.
        fence(Ordering::Acquire);
        // SAFETY: the count fell to zero.
        unsafe { Self::drop_value(self.0) }
    }
}

impl Deref for HostValue {
    type Target = Opaque;

    fn deref(&self) -> &Opaque {
        // SAFETY: the value lives as long as this box; it is borrowed exclusively only through the
        // exclusive borrow of its only box.
        unsafe { self.footer().value.as_ref() }.opaque()
    }
}

impl PartialEq for HostValue {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for HostValue {}

impl PartialOrd for HostValue {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for HostValue {
    fn cmp(&self, other: &Self) -> Order {
        self.0.cmp(&other.0)
    }
}

impl Hash for HostValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for HostValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostValue").field(&self.0).finish()
    }
}

impl fmt::Pointer for HostValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
