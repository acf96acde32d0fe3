//! The type language: WebAssembly 3.0's value, storage and composite types.
//!
//! Every type is generic over how it names a concrete type: by [`TypeId`] in canonical form (the
//! default), by [`TypeUse`] inside a recursion group that is being defined.

mod display;

use crate::TypeId;
use smallvec::SmallVec;

/// How a definition names a concrete type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TypeUse {
    /// A type registered before.
    Id(TypeId),
    /// The member of the same recursion group with this index.
    Member(u32),
}

/// What a reference may lead to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeapType<R = TypeId> {
    /// Anything of the internal hierarchy.
    Any,
    /// Anything that can be compared: `i31`, structs, arrays.
    Eq,
    /// A 31-bit integer.
    I31,
    /// Any struct.
    Struct,
    /// Any array.
    Array,
    /// Nothing: the bottom of the internal hierarchy.
    None,
    /// Any function.
    Func,
    /// Nothing: the bottom of the function hierarchy.
    NoFunc,
    /// Anything of the external hierarchy.
    Extern,
    /// Nothing: the bottom of the external hierarchy.
    NoExtern,
    /// Any exception.
    Exn,
    /// Nothing: the bottom of the exception hierarchy.
    NoExn,
    /// Values of a declared type.
    Concrete(R),
}

/// A reference type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RefType<R = TypeId> {
    /// Whether null is a value of the type.
    pub nullable: bool,
    /// What references of the type lead to.
    pub heap_type: HeapType<R>,
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValType<R = TypeId> {
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
    /// A reference.
    Ref(RefType<R>),
}

/// The type of a field or element: a value's, or an integer narrower than any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StorageType<R = TypeId> {
    /// An 8-bit integer.
    I8,
    /// A 16-bit integer.
    I16,
    /// A value.
    Val(ValType<R>),
}

/// A struct's field or an array's element.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FieldType<R = TypeId> {
    /// What it holds.
    pub storage: StorageType<R>,
    /// Whether it can be written after the object was made.
    pub mutable: bool,
}

/// The type of structs: fields in order of declaration.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct StructType<R = TypeId> {
    /// The fields.
    pub fields: SmallVec<[FieldType<R>; 4]>,
}

/// The type of arrays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ArrayType<R = TypeId> {
    /// The element.
    pub element: FieldType<R>,
}

/// The type of functions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FuncType<R = TypeId> {
    /// The parameters.
    pub params: SmallVec<[ValType<R>; 4]>,
    /// The results.
    pub results: SmallVec<[ValType<R>; 2]>,
}

/// A struct, array or function type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CompositeType<R = TypeId> {
    /// A struct type.
    Struct(StructType<R>),
    /// An array type.
    Array(ArrayType<R>),
    /// A function type.
    Func(FuncType<R>),
}

/// One member of a recursion group, as defined.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SubTypeDef {
    /// Whether it can have no subtypes.
    pub is_final: bool,
    /// Its declared supertype. A member of the group must come earlier in it.
    pub supertype: Option<TypeUse>,
    /// What it is.
    pub composite: CompositeType<TypeUse>,
}

impl<R: Copy> HeapType<R> {
    /// The top of the hierarchy this type is in. `is_func` tells whether a concrete type is a
    /// function type.
    #[must_use]
    pub fn top(self, is_func: impl FnOnce(R) -> bool) -> Self {
        match self {
            Self::Any | Self::Eq | Self::I31 | Self::Struct | Self::Array | Self::None => Self::Any,
            Self::Func | Self::NoFunc => Self::Func,
            Self::Extern | Self::NoExtern => Self::Extern,
            Self::Exn | Self::NoExn => Self::Exn,
            Self::Concrete(id) if is_func(id) => Self::Func,
            Self::Concrete(_) => Self::Any,
        }
    }

    /// The same type with concrete types named another way.
    pub fn map<S>(self, name: &impl Fn(R) -> S) -> HeapType<S> {
        match self {
            Self::Any => HeapType::Any,
            Self::Eq => HeapType::Eq,
            Self::I31 => HeapType::I31,
            Self::Struct => HeapType::Struct,
            Self::Array => HeapType::Array,
            Self::None => HeapType::None,
            Self::Func => HeapType::Func,
            Self::NoFunc => HeapType::NoFunc,
            Self::Extern => HeapType::Extern,
            Self::NoExtern => HeapType::NoExtern,
            Self::Exn => HeapType::Exn,
            Self::NoExn => HeapType::NoExn,
            Self::Concrete(id) => HeapType::Concrete(name(id)),
        }
    }
}

impl<R: Copy> RefType<R> {
    /// `(ref null heap_type)`.
    #[must_use]
    pub const fn nullable(heap_type: HeapType<R>) -> Self {
        Self {
            nullable: true,
            heap_type,
        }
    }

    /// `(ref heap_type)`.
    #[must_use]
    pub const fn non_null(heap_type: HeapType<R>) -> Self {
        Self {
            nullable: false,
            heap_type,
        }
    }

    /// The same type with concrete types named another way.
    pub fn map<S>(self, name: &impl Fn(R) -> S) -> RefType<S> {
        RefType {
            nullable: self.nullable,
            heap_type: self.heap_type.map(name),
        }
    }
}

impl<R: Copy> ValType<R> {
    /// `(ref null any)`.
    pub const ANYREF: Self = Self::Ref(RefType::nullable(HeapType::Any));
    /// `(ref null extern)`.
    pub const EXTERNREF: Self = Self::Ref(RefType::nullable(HeapType::Extern));
    /// `(ref null func)`.
    pub const FUNCREF: Self = Self::Ref(RefType::nullable(HeapType::Func));

    /// Whether a field or variable of this type starts out with a default value.
    #[must_use]
    pub const fn is_defaultable(self) -> bool {
        match self {
            Self::Ref(reference) => reference.nullable,
            _ => true,
        }
    }

    /// The same type with concrete types named another way.
    pub fn map<S>(self, name: &impl Fn(R) -> S) -> ValType<S> {
        match self {
            Self::I32 => ValType::I32,
            Self::I64 => ValType::I64,
            Self::F32 => ValType::F32,
            Self::F64 => ValType::F64,
            Self::V128 => ValType::V128,
            Self::Ref(reference) => ValType::Ref(reference.map(name)),
        }
    }
}

impl<R: Copy> StorageType<R> {
    /// log2 of the bytes a field or element takes.
    #[must_use]
    pub const fn bytes_log2(self) -> u8 {
        match self {
            Self::I8 => 0,
            Self::I16 => 1,
            Self::Val(ValType::I32 | ValType::F32 | ValType::Ref(_)) => 2,
            Self::Val(ValType::I64 | ValType::F64) => 3,
            Self::Val(ValType::V128) => 4,
        }
    }

    /// Bytes a field or element takes; four for a reference.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        1 << self.bytes_log2()
    }

    /// The type of the value a read yields: `i32` for packed integers.
    #[must_use]
    pub const fn unpacked(self) -> ValType<R> {
        match self {
            Self::I8 | Self::I16 => ValType::I32,
            Self::Val(val) => val,
        }
    }

    /// The same type with concrete types named another way.
    pub fn map<S>(self, name: &impl Fn(R) -> S) -> StorageType<S> {
        match self {
            Self::I8 => StorageType::I8,
            Self::I16 => StorageType::I16,
            Self::Val(val) => StorageType::Val(val.map(name)),
        }
    }
}

impl<R> From<ValType<R>> for StorageType<R> {
    fn from(val: ValType<R>) -> Self {
        Self::Val(val)
    }
}

impl<R: Copy> FieldType<R> {
    /// A field that can be written at any time.
    pub fn mutable(storage: impl Into<StorageType<R>>) -> Self {
        Self {
            storage: storage.into(),
            mutable: true,
        }
    }

    /// A field that is written once, when its object is made.
    pub fn immutable(storage: impl Into<StorageType<R>>) -> Self {
        Self {
            storage: storage.into(),
            mutable: false,
        }
    }

    /// Whether a field of this type starts out with a default value.
    #[must_use]
    pub const fn is_defaultable(&self) -> bool {
        match &self.storage {
            StorageType::Val(ValType::Ref(reference)) => reference.nullable,
            _ => true,
        }
    }

    /// The same type with concrete types named another way.
    pub fn map<S>(self, name: &impl Fn(R) -> S) -> FieldType<S> {
        FieldType {
            storage: self.storage.map(name),
            mutable: self.mutable,
        }
    }
}

impl<R> StructType<R> {
    /// A struct type with these fields.
    pub fn new(fields: impl IntoIterator<Item = FieldType<R>>) -> Self {
        Self {
            fields: fields.into_iter().collect(),
        }
    }
}

impl<R> ArrayType<R> {
    /// An array type with this element.
    #[must_use]
    pub const fn new(element: FieldType<R>) -> Self {
        Self { element }
    }
}

impl<R> FuncType<R> {
    /// A function type with these parameters and results.
    pub fn new(
        params: impl IntoIterator<Item = ValType<R>>,
        results: impl IntoIterator<Item = ValType<R>>,
    ) -> Self {
        Self {
            params: params.into_iter().collect(),
            results: results.into_iter().collect(),
        }
    }
}

impl<R: Copy> CompositeType<R> {
    /// The same type with concrete types named another way.
    pub fn map<S>(&self, name: &impl Fn(R) -> S) -> CompositeType<S> {
        match self {
            Self::Struct(of) => CompositeType::Struct(StructType::new(
                of.fields.iter().map(|field| field.map(name)),
            )),
            Self::Array(of) => CompositeType::Array(ArrayType::new(of.element.map(name))),
            Self::Func(of) => CompositeType::Func(FuncType::new(
                of.params.iter().map(|val| val.map(name)),
                of.results.iter().map(|val| val.map(name)),
            )),
        }
    }
}

impl ValType<TypeUse> {
    /// References, null among them, to the member of this index of the group being defined: a type's
    /// own, or that of one defined with it.
    #[must_use]
    pub const fn member(index: u32) -> Self {
        Self::Ref(RefType::nullable(HeapType::Concrete(TypeUse::Member(
            index,
        ))))
    }
}

impl SubTypeDef {
    /// A final type without a supertype, which mentions no other member of its group.
    #[must_use]
    pub fn plain(composite: &CompositeType) -> Self {
        composite.map(&TypeUse::Id).into()
    }
}

/// A final type without a supertype.
impl<T: Into<CompositeType<TypeUse>>> From<T> for SubTypeDef {
    fn from(composite: T) -> Self {
        Self {
            is_final: true,
            supertype: None,
            composite: composite.into(),
        }
    }
}

impl<R> From<StructType<R>> for CompositeType<R> {
    fn from(of: StructType<R>) -> Self {
        Self::Struct(of)
    }
}

impl<R> From<ArrayType<R>> for CompositeType<R> {
    fn from(of: ArrayType<R>) -> Self {
        Self::Array(of)
    }
}

impl<R> From<FuncType<R>> for CompositeType<R> {
    fn from(of: FuncType<R>) -> Self {
        Self::Func(of)
    }
}
