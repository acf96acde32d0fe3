//! How fast stacks are walked: nanoseconds a frame, beside other unwinders on the same stack.
//!
//! ```sh
//! cargo bench --package windrow-stack --bench stackwalk -- [--rounds N] [--only CONTENDER]
//! ```
//!
//! Functions compiled by Cranelift, each with a reference in its frame, call one another around a ring
//! and then the host, which has every unwinder walk the stack in turn, from the innermost compiled
//! frame (the system's: from where it stands) to the outermost, round after round. Tables show the
//! median round. *Cold* is a walker that has met no code yet; *roots* shows each reference to a
//! visitor as well. A ring of one function is recursion, which meets one return address; one of 256
//! meets as many.

#![expect(clippy::print_stdout, reason = "figures")]
#![cfg_attr(
    all(target_os = "linux", target_arch = "x86_64"),
    expect(unsafe_code, reason = "walks its own stack"),
    allow(clippy::unwrap_used, reason = "a failed unwrap ends the benchmark")
)]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../tests/compiled/build.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod build;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../tests/compiled/guest.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod guest;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../tests/compiled/shapes.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod shapes;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "stackwalk/contest.rs"]
mod contest;

fn main() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    contest::run();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    println!("the peers are set up for Linux on x86-64 only");
}
