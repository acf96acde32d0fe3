//! What Lisp's values are in the heap: its types, and where their fields lie.
//!
//! | value | representation |
//! |---|---|
//! | `#f` | null |
//! | integers of 31 bits | `i31`, in the reference itself |
//! | other integers, floats | structs `long` and `float` |
//! | `()`, `#t`, nothing, what a variable has before its definition | structs `constant`, one each |
//! | pairs | structs `pair`; the reader makes a subtype that knows its place in the source |
//! | symbols | structs `symbol` with name, global value and syntactic keyword |
//! | strings | arrays of bytes: UTF-8 |
//! | vectors, environment frames | arrays of references, of two types |
//! | procedures | structs `closure` (code and environment) and `builtin` |
//! | weak tables | host values |
//!
//! Types are canonical: two structs of the same fields would be one type. Members of one recursion
//! group are told apart, so all types are registered as one.

use windrow::{
    ArrayRef, ArrayType, Error, Field, FieldType, GcRef, HeapType, RefField, RefType, StorageType,
    Store, StructType, SubTypeDef, TypeId, TypeUse, ValType,
};

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Pair,
    SourcePair,
    Symbol,
    Float,
    Long,
    Closure,
    Builtin,
    Constant,
    Str,
    Frame,
    Vector,
    False,
    Int,
    /// A weak table: the only host values there are.
    Host,
}

/// The kinds that are declared types, in the order of the group.
const DECLARED: [(Kind, &str, &[&str]); 11] = [
    (Kind::Pair, "pair", &["car", "cdr"]),
    (Kind::SourcePair, "source pair", &["car", "cdr", "place"]),
    (Kind::Symbol, "symbol", &["name", "value", "syntax"]),
    (Kind::Float, "float", &["value"]),
    (Kind::Long, "long", &["value"]),
    (Kind::Closure, "closure", &["environment", "code"]),
    (Kind::Builtin, "builtin", &["number"]),
    (Kind::Constant, "constant", &["number"]),
    (Kind::Str, "string", &[]),
    (Kind::Frame, "frame", &[]),
    (Kind::Vector, "vector", &[]),
];

/// Ids and fields, looked up once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Types {
    ids: [TypeId; DECLARED.len()],
    pub(crate) car: RefField,
    pub(crate) cdr: RefField,
    pub(crate) place: Field<i64>,
    pub(crate) name: RefField<ArrayRef>,
    pub(crate) value: RefField,
    pub(crate) syntax: Field<i32>,
    pub(crate) float: Field<f64>,
    pub(crate) long: Field<i64>,
    pub(crate) environment: RefField,
    pub(crate) code: Field<i32>,
    pub(crate) builtin: Field<i32>,
    pub(crate) constant: Field<i32>,
    /// Where the elements of frames and vectors start, in bytes.
    pub(crate) first_element: u32,
    /// Where the bytes of strings start.
    pub(crate) first_byte: u32,
}

fn definitions() -> Vec<SubTypeDef> {
    type Any = FieldType<TypeUse>;
    let (any, int) = (
        Any::mutable(ValType::<TypeUse>::Ref(RefType::nullable(HeapType::Any))),
        Any::immutable(ValType::I32),
    );
    let (long, double) = (Any::immutable(ValType::I64), Any::immutable(ValType::F64));
    let name = RefType::non_null(HeapType::Concrete(TypeUse::Member(8)));
    let name = Any::immutable(ValType::Ref(name));
    let of = |fields: &[Any]| SubTypeDef::from(StructType::new(fields.iter().copied()));
    let array = |element: Any| SubTypeDef::from(ArrayType::new(element));
    let pair = SubTypeDef {
        is_final: false,
        ..of(&[any, any])
    };
    let source_pair = SubTypeDef {
        supertype: Some(TypeUse::Member(0)),
        ..of(&[any, any, long])
    };
    let symbol = of(&[name, any, Any::mutable(ValType::I32)]);
    let closure = of(&[any, int]);
    let bytes = array(Any::immutable(StorageType::I8));
    vec![
        pair,
        source_pair,
        symbol,
        of(&[double]),
        of(&[long]),
        closure,
        of(&[int]),
        of(&[int]),
        bytes,
        array(any),
        array(any),
    ]
}

impl Types {
    /// Registers the types with a store's family, and names them for snapshots.
    pub(crate) fn register(store: &mut Store) -> Result<Self, Error> {
        let registered = store.types().register_group(&definitions())?;
        let mut ids = [TypeId::EXTERN; DECLARED.len()];
        ids.copy_from_slice(&registered);
        for (id, (_, name, fields)) in ids.iter().zip(DECLARED) {
            store.types().set_type_name(*id, name);
            for (index, field) in (0..).zip(fields) {
                store.types().set_field_name(*id, index, field);
            }
        }
        let id = |kind: Kind| ids[kind as usize];
        Ok(Self {
            ids,
            car: store.ref_field(id(Kind::Pair), 0)?,
            cdr: store.ref_field(id(Kind::Pair), 1)?,
            place: store.field(id(Kind::SourcePair), 2)?,
            name: store.ref_field(id(Kind::Symbol), 0)?,
            value: store.ref_field(id(Kind::Symbol), 1)?,
            syntax: store.field(id(Kind::Symbol), 2)?,
            float: store.field(id(Kind::Float), 0)?,
            long: store.field(id(Kind::Long), 0)?,
            environment: store.ref_field(id(Kind::Closure), 0)?,
            code: store.field(id(Kind::Closure), 1)?,
            builtin: store.field(id(Kind::Builtin), 0)?,
            constant: store.field(id(Kind::Constant), 0)?,
            first_element: store.types().tables().shape(id(Kind::Frame)).size_bytes,
            first_byte: store.types().tables().shape(id(Kind::Str)).size_bytes,
        })
    }

    /// The type of a declared kind.
    #[inline]
    pub(crate) fn id(&self, kind: Kind) -> TypeId {
        self.ids[kind as usize]
    }

    /// What a reference leads to.
    #[inline]
    pub(crate) fn kind(&self, store: &Store, value: GcRef) -> Kind {
        let Some(object) = value.as_object() else {
            return if value.is_null() {
                Kind::False
            } else {
                Kind::Int
            };
        };
        let id = store.isolate().type_of(object);
        // The members of a group have consecutive ids.
        let index = id.bits().wrapping_sub(self.ids[0].bits()) as usize;
        DECLARED.get(index).map_or(Kind::Host, |(kind, _, _)| *kind)
    }
}
