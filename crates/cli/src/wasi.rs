//! What WASI programs see: the arguments, and what `--dir` and `--env` give them.

use crate::args::RunArgs;
use crate::error::Failure;
use std::path::PathBuf;
use std::str::FromStr;
use windrow::FuncType;
use windrow_wasm::Linker;
use windrow_wasm::bench::{self, Marks};
use windrow_wasm::wasi::{self, WasiBuilder, WasiCtx};

/// A directory of the host, and its name for the program: `HOST::GUEST`, or one name for both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Directory {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
}

impl FromStr for Directory {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() {
            return Err("write PATH or HOST::GUEST");
        }
        Ok(Self {
            host: host.into(),
            guest: guest.to_owned(),
        })
    }
}

/// A variable of the environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Variable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("write NAME=VALUE"),
        }
    }
}

/// Whether a `_start` of this type finds the arguments itself.
pub(crate) fn is_command(start: &FuncType) -> bool {
    start.params.is_empty()
}

/// Defines what programs can import on any host: WASI, and the markers of `bench`, whose times are in
/// the result.
///
/// # Errors
/// [`Failure::Input`] for a directory that cannot be opened, and strings no program can be given.
pub(crate) fn add_to_linker(linker: &mut Linker, args: &RunArgs) -> Result<Marks, Failure> {
    wasi::add_to_linker(linker, context(args)?);
    Ok(bench::add_to_linker(linker))
}

/// What the program sees: the streams of this process, its own name and, for a command, the
/// arguments.
fn context(args: &RunArgs) -> Result<WasiCtx, Failure> {
    let name = args.file.file_name().unwrap_or(args.file.as_os_str());
    let mut builder = WasiBuilder::new()
        .inherit_stdio()
        .args([name.to_string_lossy()]);
    if args.invoke.is_none() {
        builder = builder.args(&args.args);
    }
    for Variable { name, value } in &args.env {
        builder = builder.env(name, value);
    }
    for Directory { host, guest } in &args.dir {
        builder = builder.directory(host, guest);
    }
    builder
        .build()
        .map_err(|error| Failure::input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_variables() {
        let directory = |text: &str| Directory::from_str(text).map(|d| (d.host, d.guest));
        assert_eq!(directory("a"), Ok(("a".into(), "a".to_owned())));
        assert_eq!(directory("/a/b::/"), Ok(("/a/b".into(), "/".to_owned())));
        assert_eq!(
            directory("a:b::c::d"),
            Ok(("a:b".into(), "c::d".to_owned()))
        );
        assert!(directory("").is_err() && directory("a::").is_err() && directory("::b").is_err());
        let variable = |text: &str| Variable::from_str(text).map(|v| (v.name, v.value));
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("A="), Ok(("A".to_owned(), String::new())));
        assert!(variable("A").is_err() && variable("=b").is_err());
    }
}
