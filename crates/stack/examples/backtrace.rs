//! A backtrace of the program itself: no collector, no compiled code, nothing registered.
//!
//! ```sh
//! cargo run --package windrow-stack --example backtrace
//! ```
//!
//! Walks this thread's stack by the unwind tables of the program and its libraries, from a recursion
//! of its own and from a function that the C library calls back, and prints where each frame stands
//! with the name that the `backtrace` crate has for the address: names are no business of walks.

#![expect(clippy::print_stdout, reason = "an example prints")]
#![cfg_attr(
    all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ),
    expect(unsafe_code, reason = "vouches for the bounds of its own stack")
)]

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod walks {
    use std::cell::RefCell;
    use std::hint::black_box;
    use windrow_stack::{CodeRegistry, Registers, SuspendedStack, Unwinder, WalkError, Walker};

    /// Where the frames of this thread stand, from the caller's out: the addresses of calls.
    #[inline(never)]
    pub(crate) fn backtrace() -> Result<Vec<usize>, WalkError> {
        let registers = Registers::capture();
        // SAFETY: this function, whose stack pointer it is, waits for the walk, and so do its callers.
        let stack = unsafe { SuspendedStack::of_thread(registers.sp()) };
        let stack = stack.expect("the C library tells where the stack lies");
        // Code compiled at run time would be registered here.
        let registry = CodeRegistry::new();
        let code = registry.read();
        Walker::of_thread(Unwinder::Dwarf, |walker| {
            walker
                .stack(&stack, &code, registers)
                .skip(1)
                .map(|frame| frame.map(|frame| frame.pc.lookup()))
                .collect()
        })
    }

    /// The same from within so many more calls.
    #[inline(never)]
    pub(crate) fn recurse(depth: usize) -> Result<Vec<usize>, WalkError> {
        let found = match black_box(depth) {
            0 => backtrace(),
            depth => recurse(depth - 1),
        };
        // Something is left to do, so the call above is no jump.
        black_box(found)
    }

    thread_local! {
        static FOUND: RefCell<Option<Result<Vec<usize>, WalkError>>> =
            const { RefCell::new(None) };
    }

    extern "C" fn order(left: *const libc::c_void, right: *const libc::c_void) -> libc::c_int {
        FOUND.set(Some(backtrace()));
        // SAFETY: `qsort` passes addresses of the elements it was given.
        let [left, right] = [left, right].map(|word| unsafe { *word.cast::<u64>() });
        left.cmp(&right) as libc::c_int
    }

    /// The same from a function that the C library calls.
    #[inline(never)]
    pub(crate) fn within_qsort() -> Result<Vec<usize>, WalkError> {
        let mut words = [3_u64, 1, 2];
        // SAFETY: three elements of eight bytes, and an order on them.
        unsafe { libc::qsort(words.as_mut_ptr().cast(), 3, 8, Some(order)) };
        FOUND.take().expect("three elements take a comparison")
    }

    /// The name of the function at an address, if there is one to be found.
    pub(crate) fn name(address: usize) -> Option<String> {
        let mut name = None;
        let address = std::ptr::without_provenance_mut(address);
        backtrace::resolve(address, |symbol| {
            name = symbol.name().map(|name| format!("{name:#}"));
        });
        name
    }
}

fn main() {
    #[cfg(all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    for (title, found) in [
        ("a recursion", walks::recurse(3)),
        (
            "a comparison for the C library's sort",
            walks::within_qsort(),
        ),
    ] {
        println!("{title}:");
        match found {
            Ok(addresses) => {
                for (index, address) in addresses.into_iter().enumerate() {
                    let name = walks::name(address).unwrap_or_else(|| "?".to_owned());
                    println!("{index:>4} {address:#018x} {name}");
                }
            }
            Err(error) => println!("     {error}"),
        }
    }
    #[cfg(not(all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    println!("the process's own unwind tables are found on Linux with glibc only");
}
