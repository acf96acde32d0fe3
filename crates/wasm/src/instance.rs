//! Instances: a module's functions bound to their imports, with tables, memories and globals.
//!
//! An instance lives as long as its store. Instantiation follows the specification: everything is
//! allocated, with zeros and nulls; the instance becomes a root source; then globals, tables and
//! segments get their values in order, and last the start function runs. What came about before an
//! error stays, as other instances may refer to it already.

mod init;

use crate::attach::{StoreId, attach};
use crate::engine::Engine;
use crate::error::Error;
use crate::func::Func;
use crate::global::{Global, GlobalData};
use crate::linker::{Extern, Imports};
use crate::memory::{Memory, MemoryData, MemoryType};
use crate::module::parse::ExportKind;
use crate::module::{Module, ModuleInner};
use crate::roots::{Roots, add_roots};
use crate::segments::Segments;
use crate::table::{Table, TableData};
use crate::tag::{Tag, TagData};
use crate::vmctx::VmOffsets;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use windrow::jit::{FunctionEntry, RootVisitor};
use windrow::{FunctionId, Store, TypeId};

/// What compiled code, the collector and the handles share of an instance.
#[derive(Debug)]
pub(crate) struct InstanceData {
    module: Arc<ModuleInner>,
    /// The context compiled code runs with. Written once, before the code can run.
    context: Box<[AtomicU64]>,
    memories: Vec<Arc<MemoryData>>,
    tables: Vec<Arc<TableData>>,
    globals: Vec<Arc<GlobalData>>,
    functions: Vec<FunctionId>,
    tags: Vec<Arc<TagData>>,
    pub(crate) segments: Segments,
}

impl std::fmt::Debug for ModuleInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModuleInner")
            .field("name", &self.env.name)
            .finish_non_exhaustive()
    }
}

impl InstanceData {
    pub(crate) fn memory(&self, index: u32) -> &MemoryData {
        self.memories
            .get(index as usize)
            .expect("a validated memory index is in range")
    }

    pub(crate) fn table(&self, index: u32) -> &TableData {
        self.tables
            .get(index as usize)
            .expect("a validated table index is in range")
    }

    fn global(&self, index: u32) -> &GlobalData {
        self.globals
            .get(index as usize)
            .expect("a validated global index is in range")
    }

    fn function(&self, index: u32) -> FunctionId {
        *self
            .functions
            .get(index as usize)
            .expect("a validated function index is in range")
    }

    /// The engine of the module.
    pub(crate) fn engine(&self) -> &Engine {
        &self.module.engine
    }

    /// The canonical id of one of the module's types.
    pub(crate) fn type_id(&self, type_index: u32) -> TypeId {
        self.module.env.type_id(type_index)
    }

    /// Writes four or eight bytes of the context.
    fn set_context(&self, offset: i32, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("offsets in a context are not negative");
        let word = self
            .context
            .get(offset / 8)
            .expect("the context is as large as its layout says");
        let mut all = word.load(Ordering::Relaxed).to_ne_bytes();
        all[offset % 8..offset % 8 + bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_ne_bytes(all), Ordering::Relaxed);
    }

    fn set_context_address(&self, offset: i32, address: usize) {
        self.set_context(offset, &address.to_ne_bytes());
    }

    /// Fills the context in.
    fn fill_context(self: &Arc<Self>, store: &Store) {
        let ModuleInner {
            offsets,
            env,
            engine,
            ..
        } = &*self.module;
        self.set_context_address(
            VmOffsets::STATE,
            store.isolate().state_pointer().expose_provenance(),
        );
        self.set_context_address(VmOffsets::INSTANCE, Arc::as_ptr(self).expose_provenance());
        self.set_context_address(VmOffsets::BUILTINS, engine.builtins_address());
        for (memory, index) in self.memories.iter().zip(0..) {
            self.set_context_address(
                offsets.memory(index),
                (&raw const memory.vm).expose_provenance(),
            );
        }
        for (table, index) in self.tables.iter().zip(0..) {
            self.set_context_address(
                offsets.table(index),
                (&raw const table.vm).expose_provenance(),
            );
        }
        for (global, index) in self.globals.iter().zip(0..) {
            self.set_context_address(
                offsets.global(index),
                (&raw const global.vm).expose_provenance(),
            );
        }
        for (tag, index) in self.tags.iter().zip(0..) {
            self.set_context(offsets.tag(index), &tag.number.to_ne_bytes());
        }
        for (function, index) in self.functions.iter().zip(0..) {
            self.set_context(offsets.function_id(index), &function.bits().to_ne_bytes());
            if env.is_imported_function(index) {
                let entry = store
                    .isolate()
                    .function(*function)
                    .expect("the linker checked the function");
                self.set_context_address(offsets.import(index), entry.code);
                self.set_context_address(
                    offsets.import(index) + crate::vmctx::VmImport::VMCTX,
                    entry.context,
                );
            }
        }
    }
}

/// The roots are those of its own globals, tables and segments. Imported ones are their makers' to
/// show.
impl Roots for InstanceData {
    fn visit(&self, visitor: &mut dyn RootVisitor) {
        let env = &self.module.env;
        for global in self.globals.iter().skip(env.imported_globals as usize) {
            global.visit(visitor);
        }
        for table in self.tables.iter().skip(env.imported_tables as usize) {
            table.visit(visitor);
        }
        self.segments.visit(visitor);
    }
}

/// A module's instance in a store.
#[derive(Clone, Debug)]
pub struct Instance {
    store: StoreId,
    data: Arc<InstanceData>,
}

impl Instance {
    /// Instantiates a module with imports that were checked against it.
    pub(crate) fn new(store: &mut Store, module: &Module, imports: Imports) -> Result<Self, Error> {
        let module = Arc::clone(&module.inner);
        let id = attach(&module.engine, store)?;
        let words = module.offsets.bytes as usize / 8;
        let context: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
        let Imports {
            mut functions,
            mut tables,
            mut memories,
            mut globals,
            importer,
            mut tags,
        } = imports;
        add_functions(
            store,
            &module,
            context.as_ptr().expose_provenance(),
            &mut functions,
        )?;
        let env = &module.env;
        for ty in env.memories.iter().skip(memories.len()) {
            memories.push(Memory::new(store, MemoryType::of_module(ty))?.data);
        }
        for ty in env.tables.iter().skip(tables.len()) {
            tables.push(Arc::new(TableData::new(store, module.table_type(ty))?));
        }
        for ty in env.globals.iter().skip(globals.len()) {
            globals.push(Arc::new(GlobalData::new(store, module.global_type(ty))));
        }
        for tag in env.tags.iter().skip(tags.len()) {
            let ty = module.func_type(tag.type_index);
            let type_id = env.type_id(tag.type_index);
            tags.push(Arc::new(TagData::new(type_id, tag.payload, ty)));
        }
        let segments = Segments::new(&module);
        let data = Arc::new(InstanceData {
            context,
            memories,
            tables,
            globals,
            functions,
            tags,
            segments,
            module,
        });
        data.fill_context(store);
        importer
            .set(Arc::downgrade(&data))
            .expect("imports belong to one instance");
        store
            .isolate_mut()
            .keep_alive(Arc::clone(&data) as Arc<dyn Any + Send + Sync>);
        add_roots(store, &data);
        let instance = Self { store: id, data };
        instance.initialise(store)?;
        Ok(instance)
    }

    /// The instance with this data, which is of `store`.
    pub(crate) fn of_data(store: &mut Store, data: Arc<InstanceData>) -> Self {
        Self {
            store: StoreId::assign(store),
            data,
        }
    }

    /// The engine of its module.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.data.module.engine
    }

    /// What the instance exports by this name, or `None` if it exports nothing by it.
    ///
    /// # Panics
    /// If the instance belongs to another store.
    #[must_use]
    pub fn export(&self, store: &mut Store, name: &str) -> Option<Extern> {
        self.store
            .check(store, "the instance")
            .expect("an instance is used with its store");
        let export = self
            .data
            .module
            .sections
            .exports
            .iter()
            .find(|export| export.name == name)?;
        let index = export.index as usize;
        let id = self.store;
        Some(match export.kind {
            ExportKind::Func => Extern::Func(Func::of_id(
                self.engine(),
                store,
                self.data.function(export.index),
            )?),
            ExportKind::Table => Extern::Table(Table {
                store: id,
                data: Arc::clone(self.data.tables.get(index)?),
            }),
            ExportKind::Memory => Extern::Memory(Memory {
                store: id,
                data: Arc::clone(self.data.memories.get(index)?),
            }),
            ExportKind::Tag => Extern::Tag(Tag {
                store: id,
                data: Arc::clone(self.data.tags.get(index)?),
            }),
            ExportKind::Global => Extern::Global(Global {
                store: id,
                data: Arc::clone(self.data.globals.get(index)?),
            }),
        })
    }

    /// The function the instance exports by this name.
    ///
    /// # Panics
    /// If the instance belongs to another store.
    #[must_use]
    pub fn func(&self, store: &mut Store, name: &str) -> Option<Func> {
        match self.export(store, name)? {
            Extern::Func(func) => Some(func),
            _ => None,
        }
    }

    /// Names of everything the instance exports, in order.
    pub fn export_names(&self) -> impl Iterator<Item = &str> {
        self.data
            .module
            .sections
            .exports
            .iter()
            .map(|export| export.name.as_str())
    }
}

/// Adds the module's own functions to the store.
fn add_functions(
    store: &mut Store,
    module: &Arc<ModuleInner>,
    context: usize,
    functions: &mut Vec<FunctionId>,
) -> Result<(), Error> {
    let env = &module.env;
    for (type_index, function) in env.functions.iter().zip(0..).skip(functions.len()) {
        let type_id = env.type_id(*type_index);
        let entry = FunctionEntry {
            code: module.function_address(function),
            context,
            type_id: type_id.bits(),
            padding: 0,
            array_entry: module.engine.trampolines(type_id)?.entry,
        };
        // SAFETY: the code was compiled for this type and this context's layout, and the instance,
        // which the store keeps alive, owns the context and keeps module and engine.
        functions.push(unsafe { store.isolate_mut().add_function(entry) });
    }
    Ok(())
}
