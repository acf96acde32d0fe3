//! The layout of the context that compiled code of one instance reads.
//!
//! ```text
//!  0   state pointer         (the pinned register's value; read by stack checks and entry)
//!  8   address of the Instance
//!  16  address of the builtin table: one code address for each Builtin, in order
//!  24  arrays, one after another:
//!      memories            8 bytes each: address of a VmMemory
//!      tables              8 bytes each: address of a VmTable
//!      globals             8 bytes each: address of a VmGlobal
//!      imported functions  16 bytes each: VmImport
//!      function ids        4 bytes each, every function of the module
//!      tags                4 bytes each: the tag's number
//! ```
//! The whole context is constant once the instance is made, so compiled code may treat its loads as
//! read-only and invariant; what lies behind the addresses is not. Cells that compiled code and the
//! host both write are atomics accessed with relaxed order: one thread runs a store at a time.

use crate::env::ModuleEnv;
use memoffset::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

/// A linear memory as compiled code sees it. The reservation is 8 GiB and a guard, so that
/// `base + zext(u32) + u32` needs no check: an access beyond `bytes` faults.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct VmMemory {
    /// Address of byte zero. Never changes.
    pub(crate) base: AtomicUsize,
    /// Accessible bytes.
    pub(crate) bytes: AtomicU64,
}

impl VmMemory {
    /// Offset of `base`.
    pub(crate) const BASE: i32 = 0;
    /// Offset of `bytes`.
    pub(crate) const BYTES: i32 = 8;
}

/// A table as compiled code sees it.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct VmTable {
    /// Address of element zero, four bytes each: references or function ids. Changes on growth.
    pub(crate) elements: AtomicUsize,
    /// Length in elements.
    pub(crate) len: AtomicU32,
    padding: u32,
}

impl VmTable {
    /// Offset of `elements`.
    pub(crate) const ELEMENTS: i32 = 0;
    /// Offset of `len`.
    pub(crate) const LEN: i32 = 8;
}

/// A global's value: its low bytes, in native order.
#[derive(Debug, Default)]
#[repr(C, align(16))]
pub(crate) struct VmGlobal {
    /// The value; 4-byte values use the first half only.
    pub(crate) low: AtomicU64,
    /// Room for vectors.
    pub(crate) high: AtomicU64,
}

/// An imported function.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct VmImport {
    /// Address of its code, in the convention of compiled functions.
    pub(crate) code: usize,
    /// The context its code expects.
    pub(crate) vmctx: usize,
}

impl VmImport {
    /// Offset of `code`.
    pub(crate) const CODE: i32 = 0;
    /// Offset of `vmctx`.
    pub(crate) const VMCTX: i32 = 8;
    /// Bytes of an entry.
    pub(crate) const BYTES: u32 = 16;
}

/// The context's first words.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct VmHeader {
    /// The state pointer.
    pub(crate) state: usize,
    /// Address of the `Instance`.
    pub(crate) instance: usize,
    /// Address of the builtin table.
    pub(crate) builtins: usize,
}

const _: () = {
    assert!(offset_of!(VmMemory, base) == VmMemory::BASE as usize);
    assert!(offset_of!(VmMemory, bytes) == VmMemory::BYTES as usize);
    assert!(offset_of!(VmTable, elements) == VmTable::ELEMENTS as usize);
    assert!(offset_of!(VmTable, len) == VmTable::LEN as usize);
    assert!(offset_of!(VmGlobal, low) == 0 && size_of::<VmGlobal>() == 16);
    assert!(offset_of!(VmImport, code) == VmImport::CODE as usize);
    assert!(offset_of!(VmImport, vmctx) == VmImport::VMCTX as usize);
    assert!(size_of::<VmImport>() == VmImport::BYTES as usize);
    assert!(offset_of!(VmHeader, state) == VmOffsets::STATE as usize);
    assert!(offset_of!(VmHeader, instance) == VmOffsets::INSTANCE as usize);
    assert!(offset_of!(VmHeader, builtins) == VmOffsets::BUILTINS as usize);
};

/// Where things are in the context of a module's instances. All offsets are bytes, as the
/// displacements of loads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VmOffsets {
    memories: u32,
    tables: u32,
    globals: u32,
    imports: u32,
    function_ids: u32,
    tags: u32,
    /// Bytes of the whole context.
    pub(crate) bytes: u32,
}

impl VmOffsets {
    /// Offset of the state pointer.
    pub(crate) const STATE: i32 = 0;
    /// Offset of the address of the `Instance`.
    pub(crate) const INSTANCE: i32 = 8;
    /// Offset of the address of the builtin table.
    pub(crate) const BUILTINS: i32 = 16;
    const ARRAYS: u32 = 24;

    /// The layout for a module.
    pub(crate) fn new(env: &ModuleEnv) -> Self {
        let count =
            |items: usize| u32::try_from(items).expect("the parser limits a module's items");
        let memories = Self::ARRAYS;
        let tables = memories + 8 * count(env.memories.len());
        let globals = tables + 8 * count(env.tables.len());
        let imports = globals + 8 * count(env.globals.len());
        let function_ids = imports + VmImport::BYTES * env.imported_functions;
        let tags = function_ids + 4 * count(env.functions.len());
        let bytes = (tags + 4 * count(env.tags.len())).next_multiple_of(8);
        Self {
            memories,
            tables,
            globals,
            imports,
            function_ids,
            tags,
            bytes,
        }
    }

    fn at(array: u32, stride: u32, index: u32) -> i32 {
        i32::try_from(array + stride * index).expect("a context is a few megabytes at most")
    }

    /// Offset of the address of a memory's [`VmMemory`].
    pub(crate) fn memory(&self, index: u32) -> i32 {
        Self::at(self.memories, 8, index)
    }

    /// Offset of the address of a table's [`VmTable`].
    pub(crate) fn table(&self, index: u32) -> i32 {
        Self::at(self.tables, 8, index)
    }

    /// Offset of the address of a global's [`VmGlobal`].
    pub(crate) fn global(&self, index: u32) -> i32 {
        Self::at(self.globals, 8, index)
    }

    /// Offset of an imported function's [`VmImport`].
    pub(crate) fn import(&self, function: u32) -> i32 {
        Self::at(self.imports, VmImport::BYTES, function)
    }

    /// Offset of a function's id, a `u32`.
    pub(crate) fn function_id(&self, function: u32) -> i32 {
        Self::at(self.function_ids, 4, function)
    }

    /// Offset of a tag's number, a `u32`.
    pub(crate) fn tag(&self, index: u32) -> i32 {
        Self::at(self.tags, 4, index)
    }
}
