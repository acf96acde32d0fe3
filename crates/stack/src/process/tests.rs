//! Tests of the images of this very process.

use super::*;

/// A function of this image whose address is known.
fn here() -> usize {
    here as *const () as usize
}

#[test]
fn code_of_the_program_and_of_libc_is_found_and_data_is_not() {
    // SAFETY: tests unload nothing and change no segments.
    let images = unsafe { Images::load() };
    let scratch = &mut UnwindScratch::default();
    let on_stack = 0_usize;
    if cfg!(not(all(target_os = "linux", target_pointer_width = "64"))) {
        assert_eq!(images.unwinding(here(), scratch), None);
        return;
    }
    for code in [here(), libc::malloc as *const () as usize] {
        let found = images.unwinding(code, scratch);
        assert!(
            matches!(found, Some((_, Unwinding::Compact(_)))),
            "{found:x?}"
        );
    }
    for data in [&raw const on_stack as usize, 0, 1, usize::MAX] {
        assert_eq!(images.unwinding(data, scratch), None);
    }
    assert!(images.are_current());
}

#[test]
fn a_library_that_is_loaded_makes_the_list_stale() {
    // SAFETY: the list is asked only whether it holds.
    let mut images = unsafe { Images::load() };
    if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
        images.version.added -= 1;
        assert!(!images.are_current());
    }
}
