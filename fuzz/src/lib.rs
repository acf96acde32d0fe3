//! What the fuzz targets and the example `compare` do, so that each of them is a few lines.
//!
//! Each check takes any bytes, says nothing if all is well, and panics with what is wrong. The
//! README beside this package says how to run them and what they found.

#![forbid(unsafe_code)]

pub mod setting;
pub mod mutator;
pub mod corrupted;
pub mod modules;
pub mod stackmaps;
pub mod eh_frame;
pub mod stacks;
#[cfg(feature = "oracle")]
pub mod differential;
#[cfg(feature = "oracle")]
mod generate;
#[cfg(feature = "oracle")]
mod observe;
#[cfg(feature = "oracle")]
mod ours;
pub mod random;
#[cfg(feature = "oracle")]
mod theirs;
