//! WASI preview 1 for command programs: arguments, environment, files, clocks, random numbers.
//!
//! A [`WasiBuilder`] says what a program sees of the world, which is nothing unless given;
//! [`add_to_linker`] defines the functions of [`MODULE`]. A program that calls `proc_exit` ends with
//! [`Error::Exit`], through the same door as any failure of a host function.
//!
//! ```
//! use windrow::Config;
//! use windrow_wasm::wasi::{self, Captured, WasiBuilder};
//! use windrow_wasm::{Engine, Linker, Module};
//!
//! let engine = Engine::new(&Config::new())?;
//! let module = Module::new(&engine, br#"
//!     (module
//!         (import "wasi_snapshot_preview1" "fd_write"
//!             (func $fd_write (param i32 i32 i32 i32) (result i32)))
//!         (memory (export "memory") 1)
//!         (data (i32.const 0) "\08\00\00\00\03\00\00\00hi\n")
//!         (func (export "_start")
//!             (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
//! "#)?;
//! let output = Captured::default();
//! let mut linker = Linker::new(&engine);
//! wasi::add_to_linker(&mut linker, WasiBuilder::new().stdout(&output).build()?);
//! let mut store = engine.new_store()?;
//! let instance = linker.instantiate(&mut store, &module)?;
//! let start = instance.func(&mut store, "_start").expect("the module exports it");
//! start.call(&mut store, &[])?;
//! assert_eq!(output.contents(), b"hi\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The functions use the memory that the importing instance exports as `memory`. Pointers and
//! lengths come from the program: a range outside of the memory is `fault`, and nothing is allocated
//! by a program's say-so beyond small bounds.
//!
//! Files are reached through `cap-std`, so no path leads out of a directory that was given. Rights
//! are reported, but what decides is how a file was opened. Sockets are not supported, nor is
//! `proc_raise`. Readiness is not asked of the system: to `poll_oneoff` every stream and file is
//! ready. An [interruption](crate::InterruptHandle) ends a wait for a time; a read of the process's
//! standard input is waited for, and stops the program when it is over.

mod builder;
mod clock;
mod descriptors;
mod errno;
mod fd;
mod filestat;
mod guest;
mod listing;
mod open;
mod path;
mod poll;
mod process;
mod signature;
mod stdio;
mod transfer;

use crate::error::Error;
use crate::func::Caller;
use crate::interrupt::is_interrupted;
use crate::linker::{Extern, Linker};
use crate::trap::TrapKind;
use descriptors::Descriptors;
use errno::Errno;
use guest::{Guest, GuestMemory};
use signature::Implementation;
use std::sync::{Arc, Mutex, PoisonError};
use windrow::{FuncType, Val, ValType};

pub use builder::WasiBuilder;
pub use stdio::Captured;

/// The name modules import the functions from.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// What a program sees of the world: made by a [`WasiBuilder`], used by one program.
#[derive(Debug)]
pub struct WasiCtx {
    args: Vec<String>,
    env: Vec<String>,
    descriptors: Descriptors,
}

/// Defines all functions of [`MODULE`] for a program that sees `ctx`.
///
/// Instances made by the linker, and clones of the linker, share it.
pub fn add_to_linker(linker: &mut Linker, ctx: WasiCtx) {
    let mut functions = Functions {
        linker,
        ctx: Arc::new(Mutex::new(ctx)),
    };
    functions.add_process();
    functions.add_descriptors();
    functions.add_paths();
    functions.add_sockets();
    functions.linker.define_func(
        MODULE,
        "proc_exit",
        FuncType::new([ValType::I32], []),
        |_, args, _| match args {
            [Val::I32(code)] => Err(Error::Exit(code.cast_unsigned())),
            _ => unreachable!("arguments are of the declared types"),
        },
    );
}

/// A linker being given functions.
struct Functions<'a> {
    linker: &'a mut Linker,
    ctx: Arc<Mutex<WasiCtx>>,
}

impl Functions<'_> {
    /// Defines a function that returns an error number.
    fn add<P>(&mut self, name: &str, function: impl Implementation<P>) {
        let ctx = Arc::clone(&self.ctx);
        let ty = FuncType::new(function.params(), [ValType::I32]);
        self.linker
            .define_func(MODULE, name, ty, move |caller, args, results| {
                let errno = call(&ctx, caller, |guest| function.call(guest, args))?;
                results[0] = Val::I32(errno.into());
                Ok(())
            });
    }

    fn add_process(&mut self) {
        self.add("args_get", process::args_get);
        self.add("args_sizes_get", process::args_sizes_get);
        self.add("environ_get", process::environ_get);
        self.add("environ_sizes_get", process::environ_sizes_get);
        self.add("clock_res_get", clock::res_get);
        self.add("clock_time_get", clock::time_get);
        self.add("poll_oneoff", poll::oneoff);
        self.add("proc_raise", process::raise);
        self.add("random_get", process::random_get);
        self.add("sched_yield", process::sched_yield);
    }

    fn add_descriptors(&mut self) {
        self.add("fd_advise", fd::advise);
        self.add("fd_allocate", fd::allocate);
        self.add("fd_close", fd::close);
        self.add("fd_datasync", fd::datasync);
        self.add("fd_fdstat_get", fd::fdstat_get);
        self.add("fd_fdstat_set_flags", fd::fdstat_set_flags);
        self.add("fd_fdstat_set_rights", fd::fdstat_set_rights);
        self.add("fd_filestat_get", filestat::of_descriptor);
        self.add("fd_filestat_set_size", filestat::set_size);
        self.add("fd_filestat_set_times", filestat::set_descriptor_times);
        self.add("fd_pread", transfer::pread);
        self.add("fd_prestat_dir_name", fd::prestat_dir_name);
        self.add("fd_prestat_get", fd::prestat_get);
        self.add("fd_pwrite", transfer::pwrite);
        self.add("fd_read", transfer::read);
        self.add("fd_readdir", listing::readdir);
        self.add("fd_renumber", fd::renumber);
        self.add("fd_seek", fd::seek);
        self.add("fd_sync", fd::sync);
        self.add("fd_tell", fd::tell);
        self.add("fd_write", transfer::write);
    }

    fn add_paths(&mut self) {
        self.add("path_create_directory", path::create_directory);
        self.add("path_filestat_get", filestat::of_path);
        self.add("path_filestat_set_times", filestat::set_path_times);
        self.add("path_link", path::link);
        self.add("path_open", open::open);
        self.add("path_readlink", path::readlink);
        self.add("path_remove_directory", path::remove_directory);
        self.add("path_rename", path::rename);
        self.add("path_symlink", path::symlink);
        self.add("path_unlink_file", path::unlink_file);
    }

    fn add_sockets(&mut self) {
        self.add("sock_accept", process::sock_accept);
        self.add("sock_recv", process::sock_recv);
        self.add("sock_send", process::sock_send);
        self.add("sock_shutdown", process::sock_shutdown);
    }
}

/// Runs a function for the program that calls. The error number to return.
///
/// # Errors
/// [`Error::Host`] for a program that exports no memory; [`Error::Trap`] if the program was
/// interrupted meanwhile.
fn call(
    ctx: &Mutex<WasiCtx>,
    mut caller: Caller<'_>,
    body: impl FnOnce(&mut Guest<'_>) -> Result<(), Errno>,
) -> Result<u16, Error> {
    let Some(Extern::Memory(memory)) = caller.export("memory") else {
        let message = "a WASI function needs the program's memory; export it as \"memory\"";
        return Err(Error::host(message));
    };
    let mut ctx = ctx.lock().unwrap_or_else(PoisonError::into_inner);
    let mut guest = Guest {
        ctx: &mut ctx,
        memory: GuestMemory::new(caller.store, memory),
    };
    let errno = body(&mut guest).map_or_else(|errno| errno as u16, |()| 0);
    if is_interrupted(guest.memory.store()) {
        return Err(TrapKind::Interrupted.into());
    }
    Ok(errno)
}
