//! Walks of the process's own frames by what anyone may use, without any collector.

#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../examples/backtrace.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod example;

use example::walks;
use std::ffi::{CStr, c_void};
use windrow_stack::{
    CodeAddress, CodeRegistry, Register, Registers, StackMemory, Unwinder, WalkFault, Walker,
};

fn names(addresses: Vec<usize>) -> Vec<String> {
    let named = addresses.into_iter().filter_map(walks::name);
    named.collect()
}

#[test]
fn the_example_sees_each_call_of_its_recursion() {
    for depth in [0, 1, 50] {
        let names = names(walks::recurse(depth).unwrap());
        let own = names.iter().take_while(|name| name.ends_with("recurse"));
        assert_eq!(own.count(), depth + 1, "{names:?}");
        let this = "the_example_sees_each_call_of_its_recursion";
        assert!(names.iter().any(|name| name.contains(this)), "{names:?}");
    }
}

#[test]
fn the_example_sees_through_the_c_library() {
    let names = names(walks::within_qsort().unwrap());
    let position = |part: &str| names.iter().position(|name| name.contains(part));
    let (order, outer) = (position("order"), position("within_qsort"));
    assert!(order.unwrap() + 1 < outer.unwrap(), "{names:?}");
}

/// A stack of one zero after another.
struct Zeros;

impl StackMemory for Zeros {
    fn word(&self, _: usize) -> Option<usize> {
        Some(0)
    }
}

/// What a walk says that begins at the first instruction of the function at `address`, which was
/// called from nowhere.
fn walk_from(walker: &mut Walker, address: usize) -> Result<usize, WalkFault> {
    let registry = CodeRegistry::new();
    let code = registry.read();
    let mut registers = Registers::at(CodeAddress::Exact(address));
    for register in Register::all() {
        registers.set(register, 0);
    }
    registers.set(Register::STACK_POINTER, 0x1000);
    let frames = walker.stack(&Zeros, &code, registers);
    let frames = frames.collect::<Result<Vec<_>, _>>();
    frames.map_or_else(|error| Err(error.fault), |frames| Ok(frames.len()))
}

/// A library that is not loaded, and a function in it.
const LIBRARIES: [(&CStr, &CStr); 4] = [
    (c"libresolv.so.2", c"ns_get16"),
    (c"libm.so.6", c"cbrt"),
    (c"libthread_db.so.1", c"td_init"),
    (c"libBrokenLocale.so.1", c"__ctype_get_mb_cur_max"),
];

#[test]
#[expect(unsafe_code, reason = "loads a library and lets it go")]
fn a_library_is_known_from_when_it_is_loaded_until_it_is_unloaded() {
    /// Opens a library if it is loaded, or with `flags` in any case.
    fn open(library: &CStr, flags: libc::c_int) -> *mut c_void {
        // SAFETY: the libraries above do nothing when they are loaded.
        unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | flags) }
    }
    let mut tried = 0;
    let mut walker = Walker::new(Unwinder::Dwarf);
    for (library, function) in LIBRARIES {
        if !open(library, libc::RTLD_NOLOAD).is_null() {
            continue;
        }
        // The walker knows the images that there are without it.
        assert_eq!(
            walk_from(&mut walker, walk_from as *const () as usize),
            Ok(1)
        );
        let handle = open(library, 0);
        if handle.is_null() {
            continue;
        }
        // SAFETY: the handle is of a library that is loaded.
        let address = unsafe { libc::dlsym(handle, function.as_ptr()) }.addr();
        if address != 0 {
            assert_eq!(walk_from(&mut walker, address), Ok(1), "{library:?}");
        }
        // SAFETY: opened above; nothing of it is in use.
        assert_eq!(unsafe { libc::dlclose(handle) }, 0);
        if address != 0 && open(library, libc::RTLD_NOLOAD).is_null() {
            let after = walk_from(&mut walker, address);
            assert_eq!(after, Err(WalkFault::NoUnwindInfo), "{library:?}");
            tried += 1;
        }
    }
    assert!(tried > 0, "one of them can be loaded and unloaded");
}
