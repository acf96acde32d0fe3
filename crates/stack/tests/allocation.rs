//! A warm walk allocates nothing: counted by the allocator.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(unsafe_code, reason = "counts allocations; walks its own stack")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use windrow_stack::{CodeRegistry, Registers, SuspendedStack, Unwinder, Walker};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The end of the stack that holds an address.
fn end_of_stack(address: usize) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let range = maps.lines().find_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let [start, end] = [start, end].map(|digits| usize::from_str_radix(digits, 16).unwrap());
        (start..end).contains(&address).then_some(end)
    });
    range.unwrap()
}

/// Calls itself so often, then walks twice: how many frames there are, and how often the second walk
/// allocated.
#[inline(never)]
fn walk_below(depth: u32) -> (u64, usize) {
    if depth > 0 {
        return black_box(walk_below(depth - 1));
    }
    let here = Registers::capture();
    // SAFETY: all of it is mapped as long as this thread runs, and the frames above wait.
    let stack = unsafe { SuspendedStack::new(here.sp()..end_of_stack(here.sp())) };
    let registry = CodeRegistry::new();
    let code = registry.read();
    let mut walker = Walker::new(Unwinder::Dwarf);
    let mut count = || {
        let mut frames = walker.stack(&stack, &code, here);
        while frames.next_frame().unwrap().is_some() {}
        frames.walked()
    };
    let cold = count();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let warm = count();
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert_eq!(cold, warm);
    (warm, allocations)
}

#[test]
fn a_warm_walk_allocates_nothing() {
    let (few, _) = walk_below(0);
    let (frames, allocations) = walk_below(300);
    assert!(frames >= few + 300, "{few} and {frames}");
    assert_eq!(allocations, 0);
}
