//! Walks of real host frames, from captured registers up to where the thread began, against those
//! of another unwinder.

use super::*;
use crate::frame_section::{UnwindScratch, Unwinding};
use crate::live::SuspendedStack;
use crate::process::Images;
use crate::row::Step;
use std::cell::RefCell;
use std::hint::black_box;

/// Where walks of the same frames by two unwinders stood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Walks {
    ours: Vec<usize>,
    theirs: Vec<usize>,
    interpreted: usize,
}

/// The stack of this thread, from an address in it on.
fn stack_from(low: usize) -> SuspendedStack {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let end = maps
        .lines()
        .map(|line| line.split_once([' ']).unwrap().0)
        .map(|range| range.split_once('-').unwrap())
        .map(|(start, end)| [start, end].map(|digits| usize::from_str_radix(digits, 16).unwrap()))
        .find(|[start, end]| (*start..*end).contains(&low))
        .unwrap()[1];
    // SAFETY: all of it is mapped as long as this thread runs, and it is only read, while the
    // frames above the captured one wait.
    unsafe { SuspendedStack::new(low..end) }
}

#[inline(never)]
fn walk() -> Walks {
    let mut registers = Registers::capture();
    let memory = stack_from(registers.sp());
    // SAFETY: tests unload nothing.
    let images = unsafe { Images::load() };
    let scratch = &mut UnwindScratch::default();
    let mut walks = Walks::default();
    loop {
        walks.ours.push(registers.pc.address());
        let address = registers.pc.lookup();
        let step = match images.unwinding(address, scratch) {
            Some((_, Unwinding::Compact(row))) => row.step(&memory, &mut registers),
            Some((entry, Unwinding::Interpreted(_))) => {
                walks.interpreted += 1;
                images.interpret(entry, &memory, &mut registers, scratch)
            }
            other => panic!("{other:?} at {address:#x} after {:x?}", walks.ours),
        };
        if step.unwrap() == Step::Outermost {
            break;
        }
    }
    backtrace::trace(|frame| {
        // Beyond the outermost frame comes one at no address.
        let address = frame.ip() as usize;
        walks.theirs.extend((address != 0).then_some(address));
        true
    });
    // The frames within: their own, and this function's at another instruction.
    walks.ours.remove(0);
    let own = walks
        .theirs
        .iter()
        .position(|address| *address == walks.ours[0])
        .unwrap();
    walks.theirs.drain(..own);
    walks
}

fn check(walks: &Walks, least: usize) {
    assert_eq!(walks.ours, walks.theirs);
    assert!(walks.ours.len() > least, "{walks:x?}");
}

#[inline(never)]
fn recurse(depth: usize) -> Walks {
    let mut block = black_box([depth; 3]);
    let walks = if depth == 0 {
        walk()
    } else {
        recurse(depth - 1)
    };
    black_box(&mut block);
    walks
}

thread_local! {
    static FOUND: RefCell<Option<Walks>> = const { RefCell::new(None) };
}

fn found() -> Walks {
    FOUND.take().unwrap()
}

#[test]
fn frames_of_the_program_are_walked_to_the_beginning_of_the_thread() {
    check(&recurse(0), 3);
    check(&recurse(100), 100);
}

#[test]
fn frames_of_the_c_library_are_walked() {
    extern "C" fn order(left: *const libc::c_void, right: *const libc::c_void) -> libc::c_int {
        FOUND.with(|found| found.borrow_mut().get_or_insert_with(|| recurse(1)).clone());
        // SAFETY: `qsort` passes pointers to elements.
        let [left, right] = [left, right].map(|word| unsafe { *word.cast::<u64>() });
        left.cmp(&right) as libc::c_int
    }
    let mut words = [3_u64, 1, 2];
    // SAFETY: three elements of eight bytes, and an order on them.
    unsafe { libc::qsort(words.as_mut_ptr().cast(), 3, 8, Some(order)) };
    assert_eq!(words, [1, 2, 3]);
    check(&found(), 4);
}

#[test]
fn frames_that_a_signal_interrupted_are_walked() {
    extern "C" fn handler(_: libc::c_int) {
        FOUND.with(|found| *found.borrow_mut() = Some(recurse(1)));
    }
    let handler: extern "C" fn(libc::c_int) = handler;
    // SAFETY: the signal is raised just here, between two instructions that expect it, so the
    // handler may do anything.
    unsafe {
        let before = libc::signal(libc::SIGUSR2, handler as libc::sighandler_t);
        assert_ne!(before, libc::SIG_ERR);
        assert_eq!(libc::raise(libc::SIGUSR2), 0);
        libc::signal(libc::SIGUSR2, before);
    }
    let walks = found();
    check(&walks, 5);
    // The frame of the signal itself tells of its registers by expressions.
    assert!(walks.interpreted > 0);
}
