//! Saying what a program sees.

use super::WasiCtx;
use super::descriptors::{Descriptor, Descriptors, OpenDirectory};
use super::stdio::{Captured, Input, Output};
use crate::error::Error;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// What a program will see: at first no arguments, no environment, no directories, nothing to read,
/// and output that goes nowhere.
#[derive(Debug)]
pub struct WasiBuilder {
    args: Vec<String>,
    env: Vec<(String, String)>,
    directories: Vec<(PathBuf, String)>,
    stdin: Input,
    stdout: Output,
    stderr: Output,
}

impl Default for WasiBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl WasiBuilder {
    /// A program that sees nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            directories: Vec::new(),
            stdin: Input::Buffer(Cursor::new(Vec::new())),
            stdout: Output::Nowhere,
            stderr: Output::Nowhere,
        }
    }

    /// Adds arguments. The first of all is the program's name.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives the program a directory of the host, with all in it, to read and to write, under a name
    /// of its own. The directories get the descriptors from 3 on, in the order they are given.
    #[must_use]
    pub fn directory(mut self, host: impl AsRef<Path>, guest: impl Into<String>) -> Self {
        self.directories
            .push((host.as_ref().to_owned(), guest.into()));
        self
    }

    /// Gives the program the process's own standard input, output and error.
    #[must_use]
    pub fn inherit_stdio(mut self) -> Self {
        self.stdin = Input::Process;
        self.stdout = Output::Stdout;
        self.stderr = Output::Stderr;
        self
    }

    /// Lets the program read these bytes from standard input.
    #[must_use]
    pub fn stdin(mut self, contents: impl Into<Vec<u8>>) -> Self {
        self.stdin = Input::Buffer(Cursor::new(contents.into()));
        self
    }

    /// Keeps what the program writes to standard output.
    #[must_use]
    pub fn stdout(mut self, buffer: &Captured) -> Self {
        self.stdout = Output::Captured(buffer.clone());
        self
    }

    /// Keeps what the program writes to standard error.
    #[must_use]
    pub fn stderr(mut self, buffer: &Captured) -> Self {
        self.stderr = Output::Captured(buffer.clone());
        self
    }

    /// Opens the directories.
    ///
    /// # Errors
    /// [`Error::Directory`] for one that cannot be opened; [`Error::Environment`] for strings that
    /// hold a zero, which ends strings for programs, and variables without a name or with `=` in it.
    pub fn build(self) -> Result<WasiCtx, Error> {
        let no_zero = |what: &str, text: &str| match text.contains('\0') {
            true => refuse(what, text, "holds a zero byte; remove it"),
            false => Ok(()),
        };
        for arg in &self.args {
            no_zero("the argument", arg)?;
        }
        let mut env = Vec::with_capacity(self.env.len());
        for (name, value) in self.env {
            no_zero("the variable", &name)?;
            no_zero("the value", &value)?;
            if name.is_empty() || name.contains('=') {
                return refuse(
                    "the variable",
                    &name,
                    "has no proper name; give one without `=`",
                );
            }
            env.push(name + "=" + &value);
        }
        let mut descriptors = Descriptors::new(self.stdin, self.stdout, self.stderr);
        for (host, guest) in self.directories {
            no_zero("the directory name", &guest)?;
            if guest.is_empty() {
                return refuse("the directory name", &guest, "is empty; give one");
            }
            let dir = open(&host)?;
            let opened = descriptors.insert(Descriptor::Directory(OpenDirectory::given(dir, guest)));
            opened.map_err(|_| Error::Directory {
                path: host.display().to_string(),
                reason: "there are too many; give fewer".to_owned(),
            })?;
        }
        Ok(WasiCtx {
            args: self.args,
            env,
            descriptors,
        })
    }
}

fn refuse<T>(what: &str, text: &str, reason: &'static str) -> Result<T, Error> {
    Err(Error::Environment {
        what: format!("{what} {text:?}"),
        reason,
    })
}

fn open(host: &Path) -> Result<Dir, Error> {
    Dir::open_ambient_dir(host, ambient_authority()).map_err(|error| Error::Directory {
        path: host.display().to_string(),
        reason: error.to_string(),
    })
}
