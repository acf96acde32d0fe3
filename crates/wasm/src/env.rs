//! What is known of a module before its function bodies are compiled.
//!
//! The parser fills a [`ModuleEnv`]; the translator reads it, on several threads at once, and so
//! does instantiation. Types are kept as the parser gives them (in terms of the module's own type
//! indices) beside the canonical ids of the engine's type registry, which are what code embeds.

use crate::options::Checks;
use hashbrown::HashMap;
use std::sync::Arc;
use wasmparser::types::CoreTypeId;
use wasmparser::{
    AbstractHeapType, CompositeInnerType, FuncType, GlobalType, HeapType, MemoryType, RefType,
    SubType, TableType, UnpackedIndex, ValType,
};
use windrow::jit::CodeAbi;
use windrow::{TypeId, TypeRegistry};

/// How a value is represented in registers, slots and memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Repr {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// A 32-bit float.
    F32,
    /// A 64-bit float.
    F64,
    /// A vector of 128 bits.
    V128,
    /// A collected reference: `any`, `extern` and `exn` hierarchies. 32 bits, in stack maps.
    Gc,
    /// A function id: the `func` hierarchy. 32 bits, never in stack maps.
    Func,
}

/// One type of the module.
#[derive(Clone, Debug)]
pub(crate) struct ModuleType {
    /// Its canonical id.
    pub(crate) id: TypeId,
    /// Its declaration; every concrete index in it is a module index.
    pub(crate) sub_type: SubType,
}

/// A tag of the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModuleTag {
    /// The module index of its type.
    pub(crate) type_index: u32,
    /// The struct type that keeps the arguments of its exceptions.
    pub(crate) payload: TypeId,
}

/// Everything the translator may ask about a module.
#[derive(Debug)]
pub(crate) struct ModuleEnv {
    /// What code is compiled against.
    pub(crate) abi: CodeAbi,
    /// What code looks at from time to time.
    pub(crate) checks: Checks,
    /// Whether small functions are inlined.
    pub(crate) inlining: bool,
    /// Layouts, displays and subtyping of the canonical types.
    pub(crate) registry: Arc<TypeRegistry>,
    /// Types by module index.
    pub(crate) types: Vec<ModuleType>,
    /// From the validator's name of a type to its module index (the first of equal types).
    pub(crate) validated: HashMap<CoreTypeId, u32>,
    /// Type index of each function, imported ones first.
    pub(crate) functions: Vec<u32>,
    /// How many of the functions are imported.
    pub(crate) imported_functions: u32,
    /// Where in the binary the bodies of the others begin, in order.
    pub(crate) body_starts: Vec<u64>,
    /// Tables, imported ones first.
    pub(crate) tables: Vec<TableType>,
    /// How many of the tables are imported.
    pub(crate) imported_tables: u32,
    /// Memories, imported ones first.
    pub(crate) memories: Vec<MemoryType>,
    /// How many of the memories are imported.
    pub(crate) imported_memories: u32,
    /// Globals, imported ones first.
    pub(crate) globals: Vec<GlobalType>,
    /// How many of the globals are imported.
    pub(crate) imported_globals: u32,
    /// Tags, imported ones first.
    pub(crate) tags: Vec<ModuleTag>,
    /// The element type of each element segment.
    pub(crate) element_types: Vec<RefType>,
    /// How many data segments there are.
    pub(crate) data_segments: u32,
    /// The module's name, if it gives one.
    pub(crate) name: Option<String>,
    /// The names it gives functions, by function index.
    pub(crate) function_names: HashMap<u32, String>,
}

impl ModuleEnv {
    /// An environment with nothing in it.
    pub(crate) fn new(abi: CodeAbi, registry: Arc<TypeRegistry>) -> Self {
        Self {
            abi,
            checks: Checks::default(),
            inlining: true,
            registry,
            types: Vec::new(),
            validated: HashMap::new(),
            functions: Vec::new(),
            imported_functions: 0,
            body_starts: Vec::new(),
            tables: Vec::new(),
            imported_tables: 0,
            memories: Vec::new(),
            imported_memories: 0,
            globals: Vec::new(),
            imported_globals: 0,
            tags: Vec::new(),
            element_types: Vec::new(),
            data_segments: 0,
            name: None,
            function_names: HashMap::new(),
        }
    }

    /// The module index behind a type index as the parser or the validator gives it.
    ///
    /// # Panics
    /// If the index is not one of this module's, which validation rules out.
    pub(crate) fn type_index(&self, index: UnpackedIndex) -> u32 {
        match index {
            UnpackedIndex::Module(index) => index,
            UnpackedIndex::Id(id) => *self
                .validated
                .get(&id)
                .expect("a validated type is the module's"),
            UnpackedIndex::RecGroup(_) => {
                panic!("indices relative to a group stay inside the validator")
            }
        }
    }

    /// The type at a module index.
    ///
    /// # Panics
    /// If there is none, which validation rules out.
    pub(crate) fn module_type(&self, type_index: u32) -> &ModuleType {
        self.types
            .get(type_index as usize)
            .expect("a validated type index is in range")
    }

    /// The canonical id of the type at a module index.
    pub(crate) fn type_id(&self, type_index: u32) -> TypeId {
        self.module_type(type_index).id
    }

    /// The signature at a module index.
    ///
    /// # Panics
    /// If the type there is no function type, which validation rules out.
    pub(crate) fn signature(&self, type_index: u32) -> &FuncType {
        self.module_type(type_index).sub_type.unwrap_func()
    }

    /// The signature of a function.
    pub(crate) fn function_signature(&self, function: u32) -> &FuncType {
        self.signature(self.function_type_index(function))
    }

    /// The type index of a function.
    ///
    /// # Panics
    /// If there is no such function, which validation rules out.
    pub(crate) fn function_type_index(&self, function: u32) -> u32 {
        *self
            .functions
            .get(function as usize)
            .expect("a validated function index is in range")
    }

    /// A tag.
    ///
    /// # Panics
    /// If there is no such tag, which validation rules out.
    pub(crate) fn tag(&self, index: u32) -> ModuleTag {
        *self
            .tags
            .get(index as usize)
            .expect("a validated tag index is in range")
    }

    /// Whether a function is imported.
    pub(crate) const fn is_imported_function(&self, function: u32) -> bool {
        function < self.imported_functions
    }

    /// Whether a heap type belongs to the `func` hierarchy.
    pub(crate) fn is_func_heap_type(&self, heap_type: HeapType) -> bool {
        match heap_type {
            HeapType::Abstract { ty, .. } => {
                matches!(ty, AbstractHeapType::Func | AbstractHeapType::NoFunc)
            }
            HeapType::Concrete(index) | HeapType::Exact(index) => {
                let composite = &self
                    .module_type(self.type_index(index))
                    .sub_type
                    .composite_type;
                matches!(composite.inner, CompositeInnerType::Func(_))
            }
        }
    }

    /// How references of a type are represented.
    pub(crate) fn ref_repr(&self, ty: RefType) -> Repr {
        if self.is_func_heap_type(ty.heap_type()) {
            Repr::Func
        } else {
            Repr::Gc
        }
    }

    /// How values of a type are represented.
    pub(crate) fn repr(&self, ty: ValType) -> Repr {
        match ty {
            ValType::I32 => Repr::I32,
            ValType::I64 => Repr::I64,
            ValType::F32 => Repr::F32,
            ValType::F64 => Repr::F64,
            ValType::Ref(ty) => self.ref_repr(ty),
            ValType::V128 => Repr::V128,
        }
    }

    /// The function whose body an offset in the binary lies in, if it lies behind the start of one.
    pub(crate) fn function_at(&self, offset: u64) -> Option<u32> {
        let after = self.body_starts.partition_point(|start| *start <= offset);
        let own = u32::try_from(after.checked_sub(1)?).ok()?;
        Some(self.imported_functions + own)
    }

    /// What a backtrace calls a function: `<module>!name`, or its index where it has no name.
    pub(crate) fn display_name(&self, function: u32) -> String {
        let module = self.name.as_deref().unwrap_or("<module>");
        match self.function_names.get(&function) {
            Some(name) => format!("{module}!{name}"),
            None => format!("{module}!function {function}"),
        }
    }
}
