//! Linking: from names to what modules import.

use crate::engine::Engine;
#[cfg(feature = "js")]
use crate::enter::Slot;
use crate::error::Error;
use crate::func::{Caller, Func, HostBody, Importer};
use crate::global::{Global, GlobalData, GlobalType};
use crate::instance::Instance;
use crate::memory::{Memory, MemoryData, MemoryType};
use crate::module::parse::ImportDecl;
use crate::module::{ExternType, Module, ModuleInner};
use crate::table::{Table, TableData, TableType};
use crate::tag::{Tag, TagData};
use hashbrown::HashMap;
use std::fmt;
use std::sync::Arc;
use wasmparser::TypeRef;
use windrow::{FuncType, FunctionId, Store, TypeId, TypeRegistry, Val};

/// Something that can be imported and exported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// A global.
    Global(Global),
    /// A tag.
    Tag(Tag),
}

impl Extern {
    /// Its type now: a table's and memory's present size counts as their initial one.
    #[must_use]
    pub fn ty(&self) -> ExternType {
        match self {
            Self::Func(func) => ExternType::Func(func.ty().clone()),
            Self::Table(table) => ExternType::Table(table.ty()),
            Self::Memory(memory) => ExternType::Memory(memory.ty()),
            Self::Global(global) => ExternType::Global(global.ty()),
            Self::Tag(tag) => ExternType::Tag(tag.ty().clone()),
        }
    }
}

impl From<Func> for Extern {
    fn from(func: Func) -> Self {
        Self::Func(func)
    }
}

impl From<Table> for Extern {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Memory> for Extern {
    fn from(memory: Memory) -> Self {
        Self::Memory(memory)
    }
}

impl From<Tag> for Extern {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Global> for Extern {
    fn from(global: Global) -> Self {
        Self::Global(global)
    }
}

/// What a name stands for.
#[derive(Clone)]
enum Definition {
    Extern(Extern),
    /// A host function of any store: made in each when it is needed there.
    Host(FuncType, HostBody),
}

/// Finds what a name that has no definition stands for.
type Resolver =
    dyn Fn(&mut Store, &Module, &str, &ExternType) -> Result<Option<Extern>, Error> + Send + Sync;

/// Names by module and name, and what they stand for.
#[derive(Clone)]
pub struct Linker {
    engine: Engine,
    definitions: HashMap<String, HashMap<String, Definition>>,
    resolvers: HashMap<String, Arc<Resolver>>,
}

impl fmt::Debug for Linker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |(module, items): (&String, &HashMap<String, Definition>)| {
            (module.clone(), items.keys().cloned().collect::<Vec<_>>())
        };
        f.debug_map()
            .entries(self.definitions.iter().map(names))
            .finish()
    }
}

/// The imports of an instance, checked, in order.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    pub(crate) functions: Vec<FunctionId>,
    pub(crate) tables: Vec<Arc<TableData>>,
    pub(crate) memories: Vec<Arc<MemoryData>>,
    pub(crate) globals: Vec<Arc<GlobalData>>,
    /// Where the host functions made for the instance find it.
    pub(crate) importer: Arc<Importer>,
    pub(crate) tags: Vec<Arc<TagData>>,
}

impl Linker {
    /// A linker that knows no names.
    #[must_use]
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            definitions: HashMap::new(),
            resolvers: HashMap::new(),
        }
    }

    /// The engine whose modules it links.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Defines a name, in place of what it stood for before.
    pub fn define(&mut self, module: &str, name: &str, item: impl Into<Extern>) -> &mut Self {
        self.insert(module, name, Definition::Extern(item.into()))
    }

    /// Defines a host function, which any store may use.
    pub fn define_func(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        closure: impl Fn(Caller<'_>, &[Val], &mut [Val]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> &mut Self {
        let body = HostBody::Values(Arc::new(closure));
        self.insert(module, name, Definition::Host(ty, body))
    }

    /// Defines every name of a module that has no definition of its own: `resolve` is asked, at
    /// each instantiation, with the module being instantiated, the name and the type it must have.
    /// What it returns is checked like any definition; `None` leaves the import missing.
    pub fn define_with(
        &mut self,
        module: &str,
        resolve: impl Fn(&mut Store, &Module, &str, &ExternType) -> Result<Option<Extern>, Error>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        self.resolvers.insert(module.to_owned(), Arc::new(resolve));
        self
    }

    /// As [`Self::define_func`], of a closure that takes raw references.
    #[cfg(feature = "js")]
    pub(crate) fn define_raw(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        closure: impl Fn(&mut Store, &mut [Slot]) -> Result<(), Error> + Send + Sync + 'static,
    ) -> &mut Self {
        let body = HostBody::Raw(Arc::new(closure));
        self.insert(module, name, Definition::Host(ty, body))
    }

    /// Defines everything an instance exports, under a module name.
    ///
    /// # Panics
    /// If the instance belongs to another store.
    pub fn define_instance(
        &mut self,
        store: &mut Store,
        module: &str,
        instance: &Instance,
    ) -> &mut Self {
        let names: Vec<String> = instance.export_names().map(str::to_owned).collect();
        for name in names {
            if let Some(item) = instance.export(store, &name) {
                self.define(module, &name, item);
            }
        }
        self
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> &mut Self {
        self.definitions
            .entry_ref(module)
            .or_default()
            .insert(name.to_owned(), definition);
        self
    }

    /// Instantiates a module with its imports looked up by name, and runs its start function.
    ///
    /// # Errors
    /// [`Error::MissingImport`], [`Error::ImportType`], [`Error::WrongStore`], before anything ran;
    /// [`Error::Trap`] from a segment that does not fit or the start function;
    /// [`Error::WrongEngine`], [`Error::Reservation`], [`Error::Compile`].
    pub fn instantiate(&self, store: &mut Store, module: &Module) -> Result<Instance, Error> {
        if !module.engine().is_same(&self.engine) {
            return Err(Error::WrongEngine);
        }
        crate::attach::attach(&self.engine, store)?;
        let mut imports = Imports::default();
        for import in &module.inner.sections.imports {
            self.resolve(store, module, import, &mut imports)?;
        }
        Instance::new(store, module, imports)
    }

    /// Finds what an import stands for, checks it, and adds it to the others.
    fn resolve(
        &self,
        store: &mut Store,
        module: &Module,
        import: &ImportDecl,
        imports: &mut Imports,
    ) -> Result<(), Error> {
        let inner = &*module.inner;
        let ImportDecl {
            module: from,
            name,
            ty,
        } = import;
        let expected = || inner.import_type(*ty).to_string();
        let item = match self.definitions.get(from).and_then(|items| items.get(name)) {
            None => match self.resolvers.get(from) {
                Some(resolve) => resolve(store, module, name, &inner.import_type(*ty))?,
                None => None,
            },
            Some(Definition::Extern(item)) => Some(item.clone()),
            Some(Definition::Host(ty, body)) => {
                let importer = Arc::clone(&imports.importer);
                Some(Func::imported(&self.engine, store, ty, body.clone(), importer)?.into())
            }
        };
        let Some(item) = item else {
            let (module, name) = (from.clone(), name.clone());
            return Err(Error::MissingImport {
                module,
                name,
                ty: expected(),
            });
        };
        if imports.accept(store, inner, &item, *ty)? {
            return Ok(());
        }
        let (module, name, found) = (from.clone(), name.clone(), item.ty().to_string());
        Err(Error::ImportType {
            module,
            name,
            expected: expected(),
            found,
        })
    }
}

impl Imports {
    /// Adds an item, and says whether it is what the import asks for.
    fn accept(
        &mut self,
        store: &Store,
        module: &ModuleInner,
        item: &Extern,
        ty: TypeRef,
    ) -> Result<bool, Error> {
        let types = store.types();
        Ok(match (item, ty) {
            (Extern::Func(func), TypeRef::Func(index) | TypeRef::FuncExact(index)) => {
                func.store.check(store, "an imported function")?;
                self.functions.push(func.id);
                let found = store
                    .isolate()
                    .function(func.id)
                    .map(|entry| TypeId::from_bits(entry.type_id));
                found.is_some_and(|found| types.is_subtype(found, module.env.type_id(index)))
            }
            (Extern::Table(table), TypeRef::Table(ty)) => {
                table.store.check(store, "an imported table")?;
                self.tables.push(Arc::clone(&table.data));
                table_fits(table.ty(), module.table_type(&ty))
            }
            (Extern::Memory(memory), TypeRef::Memory(ty)) => {
                memory.store.check(store, "an imported memory")?;
                self.memories.push(Arc::clone(&memory.data));
                memory_fits(memory.ty(), MemoryType::of_module(&ty))
            }
            (Extern::Global(global), TypeRef::Global(ty)) => {
                global.store.check(store, "an imported global")?;
                self.globals.push(Arc::clone(&global.data));
                global_fits(types, global.ty(), module.global_type(&ty))
            }
            (Extern::Tag(tag), TypeRef::Tag(ty)) => {
                tag.store.check(store, "an imported tag")?;
                self.tags.push(Arc::clone(&tag.data));
                tag.data.type_id == module.env.type_id(ty.func_type_idx)
            }
            _ => false,
        })
    }
}

/// Whether limits are within those an import asks for.
fn limits_fit(
    initial: u64,
    max: Option<u64>,
    wanted_initial: u64,
    wanted_max: Option<u64>,
) -> bool {
    initial >= wanted_initial
        && wanted_max.is_none_or(|wanted| max.is_some_and(|max| max <= wanted))
}

fn table_fits(found: TableType, wanted: TableType) -> bool {
    found.element == wanted.element
        && limits_fit(
            found.initial.into(),
            found.max.map(u64::from),
            wanted.initial.into(),
            wanted.max.map(u64::from),
        )
}

fn memory_fits(found: MemoryType, wanted: MemoryType) -> bool {
    limits_fit(
        found.initial_pages,
        found.max_pages,
        wanted.initial_pages,
        wanted.max_pages,
    )
}

fn global_fits(types: &TypeRegistry, found: GlobalType, wanted: GlobalType) -> bool {
    found.mutable == wanted.mutable
        && if wanted.mutable {
            found.content == wanted.content
        } else {
            types.val_type_matches(found.content, wanted.content)
        }
}
