//! As much of WASI preview 1 as the programs import, for wasmtime: one directory to read from, and
//! standard output. `peer.mjs` has the same for the JavaScript engines.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use wasmtime::{Caller, Extern, Linker, Memory, Result};

const MODULE: &str = "wasi_snapshot_preview1";
const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const FAULT: i32 = 21;
const NOENT: i32 = 44;

/// The descriptor of the directory.
const DIRECTORY: i32 = 3;

/// What a command has open, and what it printed.
pub(super) struct Context {
    directory: PathBuf,
    files: HashMap<i32, File>,
    next: i32,
    printed: Vec<u8>,
}

impl Context {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            files: HashMap::new(),
            next: DIRECTORY + 1,
            printed: Vec::new(),
        }
    }

    /// What went to standard output.
    pub(super) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed).into_owned()
    }
}

/// Defines the functions.
pub(super) fn add_to_linker(linker: &mut Linker<Context>) -> Result<()> {
    linker.func_wrap(MODULE, "path_open", path_open)?;
    linker.func_wrap(
        MODULE,
        "fd_read",
        |caller: Caller<'_, Context>, fd, list, count, sum| {
            code(vectors(caller, list, count, sum, |context, bytes| {
                let file = context.files.get_mut(&fd).ok_or(BADF)?;
                file.read(bytes).map_err(|_| FAULT)
            }))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |caller: Caller<'_, Context>, fd: i32, list, count, sum| {
            code(vectors(caller, list, count, sum, |context, bytes| {
                match fd {
                    1 => context.printed.extend_from_slice(bytes),
                    2 => {}
                    _ => return Err(BADF),
                }
                Ok(bytes.len())
            }))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "fd_close",
        |mut caller: Caller<'_, Context>, fd: i32| match caller.data_mut().files.remove(&fd) {
            Some(_) => SUCCESS,
            None => BADF,
        },
    )?;
    // Any bytes are random enough for a program whose result must not depend on them.
    linker.func_wrap(
        MODULE,
        "random_get",
        |mut caller: Caller<'_, Context>, start: u32, length: u32| {
            let mut fill = || {
                let (bytes, _) = memory(&mut caller)?.data_and_store_mut(&mut caller);
                bytes_at(bytes, start, length)?.fill(0x5a);
                Ok(())
            };
            code(fill())
        },
    )?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the function's own")]
fn path_open(
    mut caller: Caller<'_, Context>,
    fd: i32,
    _flags: i32,
    path: u32,
    length: u32,
    _open: i32,
    _rights: i64,
    _inheriting: i64,
    _fdflags: i32,
    opened: u32,
) -> i32 {
    let mut open = || {
        if fd != DIRECTORY {
            return Err(BADF);
        }
        let (bytes, context) = memory(&mut caller)?.data_and_store_mut(&mut caller);
        let name = std::str::from_utf8(bytes_at(bytes, path, length)?).map_err(|_| NOENT)?;
        let file = File::open(context.directory.join(name)).map_err(|_| NOENT)?;
        let fd = context.next;
        context.next += 1;
        context.files.insert(fd, file);
        bytes_at(bytes, opened, 4)?.copy_from_slice(&fd.to_le_bytes());
        Ok(())
    };
    code(open())
}

/// Calls `each` with the bytes of every buffer of a list; the sum of what it returns is stored.
fn vectors(
    mut caller: Caller<'_, Context>,
    list: u32,
    count: u32,
    sum: u32,
    mut each: impl FnMut(&mut Context, &mut [u8]) -> Result<usize, i32>,
) -> Result<(), i32> {
    let (bytes, context) = memory(&mut caller)?.data_and_store_mut(&mut caller);
    let mut total = 0;
    for index in 0..count {
        let at = list.wrapping_add(index.wrapping_mul(8));
        let (start, length) = (word(bytes, at)?, word(bytes, at.wrapping_add(4))?);
        total += each(context, bytes_at(bytes, start, length)?)?;
    }
    let total = u32::try_from(total).map_err(|_| FAULT)?;
    bytes_at(bytes, sum, 4)?.copy_from_slice(&total.to_le_bytes());
    Ok(())
}

fn memory(caller: &mut Caller<'_, Context>) -> Result<Memory, i32> {
    let export = caller.get_export("memory");
    export.and_then(Extern::into_memory).ok_or(FAULT)
}

fn bytes_at(bytes: &mut [u8], start: u32, length: u32) -> Result<&mut [u8], i32> {
    let start = usize::try_from(start).map_err(|_| FAULT)?;
    let length = usize::try_from(length).map_err(|_| FAULT)?;
    let rest = bytes.get_mut(start..).ok_or(FAULT)?;
    rest.get_mut(..length).ok_or(FAULT)
}

fn word(bytes: &mut [u8], at: u32) -> Result<u32, i32> {
    let word = bytes_at(bytes, at, 4)?.try_into().map_err(|_| FAULT)?;
    Ok(u32::from_le_bytes(word))
}

fn code(result: Result<(), i32>) -> i32 {
    result.err().unwrap_or(SUCCESS)
}
