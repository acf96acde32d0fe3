//! A program that lends its imports and its memory to the test.

use crate::unwinders;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use windrow::{Config, Store, Val, ValType};
use windrow_wasm::wasi::{self, WasiBuilder};
use windrow_wasm::{Extern, Instance, Linker, Memory, Module};

/// Every function that returns an error number: its name and parameters, `i` for 32 bits, `I` for
/// 64 and `p` for a pointer.
pub(crate) const FUNCTIONS: [(&str, &str); 45] = [
    ("args_get", "pp"),
    ("args_sizes_get", "pp"),
    ("environ_get", "pp"),
    ("environ_sizes_get", "pp"),
    ("clock_res_get", "ip"),
    ("clock_time_get", "iIp"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ip"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ip"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "ipiIp"),
    ("fd_prestat_get", "ip"),
    ("fd_prestat_dir_name", "ipi"),
    ("fd_pwrite", "ipiIp"),
    ("fd_read", "ipip"),
    ("fd_readdir", "ipiIp"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIip"),
    ("fd_sync", "i"),
    ("fd_tell", "ip"),
    ("fd_write", "ipip"),
    ("path_create_directory", "ipi"),
    ("path_filestat_get", "iipip"),
    ("path_filestat_set_times", "iipiIIi"),
    ("path_link", "iipiipi"),
    ("path_open", "iipiiIIip"),
    ("path_readlink", "ipipip"),
    ("path_remove_directory", "ipi"),
    ("path_rename", "ipiipi"),
    ("path_symlink", "piipi"),
    ("path_unlink_file", "ipi"),
    ("poll_oneoff", "ppip"),
    ("proc_raise", "i"),
    ("random_get", "pi"),
    ("sched_yield", ""),
    ("sock_accept", "iip"),
    ("sock_recv", "ipiipp"),
    ("sock_send", "ipiip"),
    ("sock_shutdown", "ii"),
];

/// Error numbers.
pub(crate) mod errno {
    pub(crate) const SUCCESS: i32 = 0;
    pub(crate) const BADF: i32 = 8;
    pub(crate) const EXIST: i32 = 20;
    pub(crate) const FAULT: i32 = 21;
    pub(crate) const ILSEQ: i32 = 25;
    pub(crate) const INVAL: i32 = 28;
    pub(crate) const ISDIR: i32 = 31;
    pub(crate) const LOOP: i32 = 32;
    pub(crate) const NAMETOOLONG: i32 = 37;
    pub(crate) const NOENT: i32 = 44;
    pub(crate) const NOSPC: i32 = 51;
    pub(crate) const NOTDIR: i32 = 54;
    pub(crate) const NOTEMPTY: i32 = 55;
    pub(crate) const NOTSUP: i32 = 58;
    pub(crate) const PERM: i32 = 63;
    pub(crate) const SPIPE: i32 = 70;
}

/// How `path_open` opens.
pub(crate) mod how {
    pub(crate) const CREATE: i64 = 1;
    pub(crate) const DIRECTORY: i64 = 2;
    pub(crate) const EXCLUSIVE: i64 = 4;
    pub(crate) const TRUNCATE: i64 = 8;
}

pub(crate) const READ: i64 = 1 << 1;
pub(crate) const WRITE: i64 = 1 << 6;
pub(crate) const APPEND: i64 = 1;
pub(crate) const FOLLOW: i64 = 1;

/// Kinds of files.
pub(crate) const DIRECTORY: u8 = 3;
pub(crate) const REGULAR: u8 = 4;
pub(crate) const SYMBOLIC_LINK: u8 = 7;

/// Where tests put results.
pub(crate) const OUT: i64 = 8;
/// Where they put the description of buffers.
pub(crate) const BUFFERS: i64 = 64;
/// Where they put paths.
pub(crate) const PATH: i64 = 0x1000;
pub(crate) const OTHER_PATH: i64 = 0x3000;
/// Where they put data.
pub(crate) const DATA: i64 = 0x8000;

/// Bytes of the program's memory.
pub(crate) const MEMORY_BYTES: i64 = 4 << 16;

/// A program of imports that are its exports.
fn lender() -> String {
    let mut text = String::from("(module\n");
    for (name, params) in FUNCTIONS {
        let types: String = params
            .chars()
            .map(|param| if param == 'I' { " i64" } else { " i32" })
            .collect();
        text += &format!(
            "(func (export \"{name}\") (import \"{}\" \"{name}\") (param{types}) (result i32))\n",
            wasi::MODULE
        );
    }
    text + "(memory (export \"memory\") 4))"
}

/// A program whose functions the test calls.
pub(crate) struct Guest {
    pub(crate) store: Store,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    pub(crate) fn new(builder: WasiBuilder) -> Self {
        let engine = unwinders::engine(&Config::new()).unwrap();
        let module = Module::new(&engine, lender().as_bytes()).unwrap();
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker, builder.build().unwrap());
        let mut store = engine.new_store().unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let Some(Extern::Memory(memory)) = instance.export(&mut store, "memory") else {
            panic!("it exports its memory");
        };
        Self {
            store,
            instance,
            memory,
        }
    }

    /// Calls a function. The error number it returns.
    #[track_caller]
    pub(crate) fn call(&mut self, name: &str, args: &[i64]) -> i32 {
        let func = self.instance.func(&mut self.store, name).unwrap();
        let params = func.ty().params.clone();
        assert_eq!(args.len(), params.len(), "{name}");
        let value = |(arg, ty): (&i64, &ValType)| match ty {
            ValType::I64 => Val::I64(*arg),
            _ => Val::I32(u32::try_from(arg & 0xffff_ffff).unwrap().cast_signed()),
        };
        let args: Vec<Val> = args.iter().zip(&params).map(value).collect();
        match func.call(&mut self.store, &args).unwrap()[..] {
            [Val::I32(errno)] => errno,
            ref other => panic!("{name}: {other:?}"),
        }
    }

    /// Calls a function that must succeed.
    #[track_caller]
    pub(crate) fn ok(&mut self, name: &str, args: &[i64]) {
        assert_eq!(self.call(name, args), errno::SUCCESS, "{name} {args:?}");
    }

    pub(crate) fn put(&mut self, address: i64, bytes: &[u8]) {
        let address = u64::try_from(address).unwrap();
        self.memory.write(&mut self.store, address, bytes).unwrap();
    }

    pub(crate) fn bytes(&self, address: i64, bytes: usize) -> Vec<u8> {
        let mut target = vec![0; bytes];
        let address = u64::try_from(address).unwrap();
        self.memory.read(&self.store, address, &mut target).unwrap();
        target
    }

    pub(crate) fn u32(&self, address: i64) -> u32 {
        u32::from_le_bytes(self.bytes(address, 4).try_into().unwrap())
    }

    pub(crate) fn u64(&self, address: i64) -> u64 {
        u64::from_le_bytes(self.bytes(address, 8).try_into().unwrap())
    }

    /// Puts a path into memory: its address and length.
    pub(crate) fn path(&mut self, path: &str) -> [i64; 2] {
        self.put(PATH, path.as_bytes());
        [PATH, i64::try_from(path.len()).unwrap()]
    }

    /// As [`Self::path`], for a call's second path.
    pub(crate) fn other_path(&mut self, path: &str) -> [i64; 2] {
        self.put(OTHER_PATH, path.as_bytes());
        [OTHER_PATH, i64::try_from(path.len()).unwrap()]
    }

    /// Describes buffers one after the other from [`DATA`] on.
    pub(crate) fn buffers(&mut self, sizes: &[usize]) -> [i64; 2] {
        let mut at = u32::try_from(DATA).unwrap();
        for (index, size) in sizes.iter().enumerate() {
            let size = u32::try_from(*size).unwrap();
            let place = BUFFERS + 8 * i64::try_from(index).unwrap();
            self.put(place, &at.to_le_bytes());
            self.put(place + 4, &size.to_le_bytes());
            at += size;
        }
        [BUFFERS, i64::try_from(sizes.len()).unwrap()]
    }

    /// Opens a path below descriptor 3: the error number, and the descriptor at [`OUT`].
    #[track_caller]
    pub(crate) fn try_open(&mut self, path: &str, how: i64, rights: i64, flags: i64) -> i32 {
        let [path, bytes] = self.path(path);
        let args = [3, FOLLOW, path, bytes, how, rights, 0, flags, OUT];
        self.call("path_open", &args)
    }

    /// Opens a path below descriptor 3.
    #[track_caller]
    pub(crate) fn open(&mut self, path: &str, how: i64, rights: i64) -> i64 {
        assert_eq!(
            self.try_open(path, how, rights, 0),
            errno::SUCCESS,
            "{path}"
        );
        self.u32(OUT).into()
    }

    /// Writes to a descriptor: how many bytes.
    #[track_caller]
    pub(crate) fn write(&mut self, fd: i64, bytes: &[u8]) -> u32 {
        self.put(DATA, bytes);
        let [buffers, count] = self.buffers(&[bytes.len()]);
        self.ok("fd_write", &[fd, buffers, count, OUT]);
        self.u32(OUT)
    }

    /// Reads from a descriptor into one buffer.
    #[track_caller]
    pub(crate) fn read(&mut self, fd: i64, bytes: usize) -> Vec<u8> {
        let [buffers, count] = self.buffers(&[bytes]);
        self.ok("fd_read", &[fd, buffers, count, OUT]);
        self.bytes(DATA, self.u32(OUT) as usize)
    }
}

/// A directory that is deleted when dropped.
pub(crate) struct TempDir {
    path: PathBuf,
}

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wasi-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A program that is given the directory, as `/`, with descriptor 3.
    pub(crate) fn guest(&self) -> Guest {
        Guest::new(WasiBuilder::new().directory(&self.path, "/"))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Best effort: it lies in the build directory.
        let _ = fs::remove_dir_all(&self.path);
    }
}
