//! Boxes of values of all sizes and alignments, dropped once; panics; identity; threads.

use super::*;
use std::collections::{BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted() -> (HostValue, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    (HostValue::new(Counted(Arc::clone(&drops))), drops)
}

#[test]
fn a_value_drops_once_with_its_last_box() {
    let (first, drops) = counted();
    let second = first.clone();
    assert_eq!((first.count(), drops.load(Ordering::Relaxed)), (2, 0));
    drop(first);
    assert_eq!((second.count(), drops.load(Ordering::Relaxed)), (1, 0));
    drop(second);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn a_value_is_what_it_was() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    #[repr(align(4096))]
    struct Aligned(u8);
    struct Nothing;

    let aligned = HostValue::new(Aligned(7));
    assert_eq!(aligned.downcast_ref(), Some(&Aligned(7)));
    let address = std::ptr::from_ref(&*aligned).cast::<u8>().addr();
    assert_eq!(address % 4096, 0);
    assert!(HostValue::new(Nothing).is::<Nothing>());
    let large = HostValue::new([3_u64; 5000]);
    assert_eq!(
        large.downcast_ref::<[u64; 5000]>().map(|all| all[4999]),
        Some(3)
    );
    assert_eq!(large.downcast_ref::<[u64; 4999]>(), None);
    let text: HostValue = HostValue::new("text".to_owned());
    assert!(text.is::<String>() && !text.is::<&str>());
    for odd in [
        HostValue::new([1_u8; 3]),
        HostValue::new(1_u16),
        HostValue::new([1_u8; 17]),
    ] {
        drop(odd.clone());
        assert_eq!(odd.count(), 1);
    }
}

#[test]
fn only_the_only_box_changes_the_value() {
    let mut first = HostValue::new(5_u32);
    *first.downcast_mut::<u32>().expect("it is one") += 1;
    assert!(first.downcast_mut::<i32>().is_none());
    let second = first.clone();
    assert!(first.get_mut().is_none());
    drop(second);
    assert!(first.get_mut().is_some_and(|value| value.is::<u32>()));
    assert_eq!(first.downcast_ref::<u32>(), Some(&6));
}

#[test]
fn a_box_goes_through_an_address_and_back() {
    let (value, drops) = counted();
    let other = value.clone();
    let raw = value.into_raw();
    assert_eq!(other.count(), 2);
    // SAFETY: from `into_raw`, once.
    let value = unsafe { HostValue::from_raw(raw) };
    assert_eq!(value, other);
    drop((value, other));
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn boxes_are_equal_by_identity() {
    let (a, b) = (HostValue::new(1_u8), HostValue::new(1_u8));
    assert_ne!(a, b);
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    let all = [a.clone(), b.clone(), a.clone()];
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 2);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(format!("{a:p}"), format!("{:p}", a.clone()));
    assert!(format!("{a:?}").starts_with("HostValue(0x"));
}

#[test]
fn a_panic_while_building_gives_the_memory_back() {
    let ended = catch_unwind(|| {
        HostValue::new_with(|| -> [u64; 100] { panic!("a builder of the test's") })
    });
    assert!(ended.is_err());
}

#[test]
fn a_panic_while_dropping_is_passed_on_and_gives_the_memory_back() {
    struct Panics(#[expect(dead_code, reason = "dropped after its owner panicked")] Counted);
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("a value of the test's");
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let value = HostValue::new(Panics(Counted(Arc::clone(&drops))));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(value))).is_err());
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn a_value_may_hold_boxes_and_drop_them() {
    struct Node(#[expect(dead_code, reason = "dropped with its owner")] Option<HostValue>);
    let (last, drops) = counted();
    let mut chain = last;
    for _ in 0..100 {
        chain = HostValue::new(Node(Some(chain)));
    }
    drop(chain);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn boxes_cross_threads() {
    let (value, drops) = counted();
    let threads = if cfg!(miri) { 2 } else { 8 };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let mine = value.clone();
            scope.spawn(move || {
                for _ in 0..50 {
                    drop(mine.clone());
                }
            });
        }
    });
    assert_eq!((value.count(), drops.load(Ordering::Relaxed)), (1, 0));
    drop(value);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

/// Two cells between which its alignment leaves a gap.
#[repr(align(64))]
struct Pair(HeapCell, u8, HeapCell);

impl TraceHost for Pair {
    fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
        visitor(&self.0);
        visitor(&self.2);
    }
}

#[test]
fn a_traced_value_is_a_value_that_shows_its_cells() {
    let mut value = HostValue::new_traced(Pair(HeapCell::new(), 7, HeapCell::new()));
    let pair = value.downcast_ref::<Pair>().unwrap();
    let mut expected = [&pair.0, &pair.2].map(std::ptr::from_ref).into_iter();
    value.trace(&mut |cell| assert!(expected.next().is_some_and(|it| std::ptr::eq(it, cell))));
    assert_eq!(expected.next(), None);
    assert_eq!(std::ptr::from_ref(pair).addr() % 64, 0);
    value.downcast_mut::<Pair>().unwrap().1 = 9;
    assert_eq!(value.clone().downcast_ref::<Pair>().unwrap().1, 9);
    assert!(value.is_traced() && value.is::<Pair>() && !value.is::<u8>());
    let plain = HostValue::new(3_u8);
    plain.trace(&mut |_| panic!("it has no cells"));
    assert!(!plain.is_traced());
}
