//! Modules: validated, compiled, ready to be instantiated.
//!
//! A module is parsed and its types registered first, then its bodies are compiled in parallel, and
//! the code of all is placed in one range.

pub(crate) mod const_expr;
mod bodies;
mod features;
mod origins;
pub(crate) mod parse;
pub(crate) mod types;

pub(crate) use features::feature_name;

use crate::code::{Code, Unplaced};
use crate::compile::Compiled;
use crate::engine::Engine;
use crate::env::ModuleEnv;
use crate::error::Error;
use crate::global::GlobalType;
use crate::memory::MemoryType;
use crate::table::TableType;
use crate::vmctx::VmOffsets;
use bodies::compile_all;
use origins::Origins;
use parse::{ExportDecl, ExportKind, Parsed, Sections, parse};
use std::fmt;
use std::sync::Arc;
use windrow::FuncType;

/// The first bytes of every binary.
const MAGIC: [u8; 4] = *b"\0asm";

/// The type of an import or export.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ExternType {
    /// A function's.
    Func(FuncType),
    /// A table's.
    Table(TableType),
    /// A memory's.
    Memory(MemoryType),
    /// A global's.
    Global(GlobalType),
    /// A tag's: the parameters are the arguments of its exceptions.
    Tag(FuncType),
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = |f: &mut fmt::Formatter<'_>, initial: u64, max: Option<u64>| {
            write!(f, "{initial}")?;
            max.map_or(Ok(()), |max| write!(f, " {max}"))
        };
        match self {
            Self::Func(ty) => ty.fmt(f),
            Self::Table(ty) => {
                f.write_str("(table ")?;
                limits(f, ty.initial.into(), ty.max.map(u64::from))?;
                write!(f, " {})", ty.element)
            }
            Self::Memory(ty) => {
                f.write_str("(memory ")?;
                limits(f, ty.initial_pages, ty.max_pages)?;
                f.write_str(")")
            }
            Self::Tag(ty) => write!(f, "(tag {ty})"),
            Self::Global(ty) if ty.mutable => write!(f, "(global (mut {}))", ty.content),
            Self::Global(ty) => write!(f, "(global {})", ty.content),
        }
    }
}

/// A compiled module.
///
/// Cheap to clone. Its code lives as long as the module or an instance of it.
#[derive(Clone)]
pub struct Module {
    pub(crate) inner: Arc<ModuleInner>,
}

/// What a module's handles and instances share.
pub(crate) struct ModuleInner {
    pub(crate) engine: Engine,
    pub(crate) env: ModuleEnv,
    pub(crate) sections: Sections,
    pub(crate) offsets: VmOffsets,
    code: Code,
    /// Where the code comes from.
    pub(crate) origins: Origins,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.inner.env.name)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Validates and compiles a module in the binary or the text format.
    ///
    /// Uses as many threads as the machine has.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Text`], [`Error::Invalid`], [`Error::Unsupported`] for what the
    /// bytes are; [`Error::Compile`], [`Error::Reservation`], [`Error::Heap`] for what ran out.
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        if bytes.starts_with(&MAGIC) {
            return Self::from_binary(engine, bytes);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let message = "it is neither a binary, which starts with \\0asm (magic header not detected), nor text";
            return Err(Error::Invalid {
                message: message.to_owned(),
                offset: 0,
            });
        };
        let binary = wat::parse_str(text).map_err(|error| Error::Text {
            message: error.to_string(),
        })?;
        Self::from_binary(engine, &binary)
    }

    fn from_binary(engine: &Engine, bytes: &[u8]) -> Result<Self, Error> {
        let Parsed {
            mut env,
            sections,
            bodies,
        } = parse(bytes, *engine.abi(), Arc::clone(engine.types()))?;
        env.checks = engine.checks();
        env.inlining = engine.inlining();
        let compiled = compile_all(engine, &env, &bodies)?;
        let number = engine.next_module();
        let mut unplaced = Vec::with_capacity(compiled.len());
        let mut origins = Origins::default();
        for (compiled, function) in compiled.into_iter().zip(env.imported_functions..) {
            let Compiled { mut code, inlined } = compiled;
            origins.push(std::mem::take(&mut code.locations), inlined);
            unplaced.push(Unplaced {
                code,
                id: Some(u64::from(number) << 32 | u64::from(function)),
            });
        }
        let imported = env.imported_functions;
        let own = |function: u32| function.checked_sub(imported).map(|index| index as usize);
        let display = |position: usize| {
            let position = u32::try_from(position).expect("functions are numbered");
            env.display_name(imported + position)
        };
        let code = Code::place(&engine.places(), &unplaced, own, display)?;
        let offsets = VmOffsets::new(&env);
        let inner = ModuleInner {
            engine: engine.clone(),
            env,
            sections,
            offsets,
            code,
            origins,
        };
        let inner = Arc::new(inner);
        engine.add_module(number, &inner);
        Ok(Self { inner })
    }

    /// The engine it was compiled by.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Its name, if it gives itself one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.inner.env.name.as_deref()
    }

    /// The contents of its custom sections of this name, in order. Those with names of functions and
    /// with debugging information are not kept.
    pub fn custom_sections(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let sections = self.inner.sections.custom.iter();
        sections.filter_map(move |(of, data)| (of == name).then_some(&**data))
    }

    /// What it needs: module name, name and type, in order.
    pub fn imports(&self) -> impl Iterator<Item = (&str, &str, ExternType)> {
        let inner = &*self.inner;
        inner.sections.imports.iter().map(|import| {
            (
                import.module.as_str(),
                import.name.as_str(),
                inner.import_type(import.ty),
            )
        })
    }

    /// What it offers: name and type, in order.
    pub fn exports(&self) -> impl Iterator<Item = (&str, ExternType)> {
        let inner = &*self.inner;
        inner
            .sections
            .exports
            .iter()
            .map(|export| (export.name.as_str(), inner.export_type(export)))
    }
}

impl ModuleInner {
    /// Address of the code of one of the module's own functions.
    pub(crate) fn function_address(&self, function: u32) -> usize {
        self.code
            .address((function - self.env.imported_functions) as usize)
    }

    /// The type of an import.
    pub(crate) fn import_type(&self, ty: wasmparser::TypeRef) -> ExternType {
        match ty {
            wasmparser::TypeRef::Func(index) | wasmparser::TypeRef::FuncExact(index) => {
                ExternType::Func(self.func_type(index))
            }
            wasmparser::TypeRef::Table(ty) => ExternType::Table(self.table_type(&ty)),
            wasmparser::TypeRef::Memory(ty) => ExternType::Memory(MemoryType::of_module(&ty)),
            wasmparser::TypeRef::Global(ty) => ExternType::Global(self.global_type(&ty)),
            wasmparser::TypeRef::Tag(ty) => ExternType::Tag(self.func_type(ty.func_type_idx)),
        }
    }

    fn export_type(&self, export: &ExportDecl) -> ExternType {
        let index = export.index as usize;
        match export.kind {
            ExportKind::Func => {
                ExternType::Func(self.func_type(self.env.function_type_index(export.index)))
            }
            ExportKind::Table => ExternType::Table(self.table_type(&self.env.tables[index])),
            ExportKind::Memory => {
                ExternType::Memory(MemoryType::of_module(&self.env.memories[index]))
            }
            ExportKind::Tag => {
                ExternType::Tag(self.func_type(self.env.tag(export.index).type_index))
            }
            ExportKind::Global => ExternType::Global(self.global_type(&self.env.globals[index])),
        }
    }

    pub(crate) fn func_type(&self, type_index: u32) -> FuncType {
        let info = self.engine.types().sub_type(self.env.type_id(type_index));
        info.as_func()
            .expect("a validated function has a function type")
            .clone()
    }

    pub(crate) fn table_type(&self, ty: &wasmparser::TableType) -> TableType {
        TableType {
            element: self.env.canonical_ref(ty.element_type),
            initial: u32::try_from(ty.initial).unwrap_or(u32::MAX),
            max: ty.maximum.map(|max| u32::try_from(max).unwrap_or(u32::MAX)),
        }
    }

    pub(crate) fn global_type(&self, ty: &wasmparser::GlobalType) -> GlobalType {
        GlobalType {
            content: self.env.canonical_val(ty.content_type),
            mutable: ty.mutable,
        }
    }
}
