//! Which type is a subtype of which.

use super::{Inner, TypeRegistry};
use crate::TypeId;
use crate::types::{CompositeType, FieldType, HeapType, RefType, StorageType, ValType};

impl TypeRegistry {
    /// Whether `sub` is `sup` or declares it, directly or not, as its supertype.
    #[must_use]
    pub fn is_subtype(&self, sub: TypeId, sup: TypeId) -> bool {
        self.read().is_subtype(sub, sup)
    }

    /// Whether every value of `sub` is one of `sup`.
    #[must_use]
    pub fn heap_type_matches(&self, sub: HeapType, sup: HeapType) -> bool {
        self.read().heap_type_matches(sub, sup)
    }

    /// Whether every value of `sub` is one of `sup`.
    #[must_use]
    pub fn ref_type_matches(&self, sub: RefType, sup: RefType) -> bool {
        self.read().ref_type_matches(sub, sup)
    }

    /// Whether every value of `sub` is one of `sup`.
    #[must_use]
    pub fn val_type_matches(&self, sub: ValType, sup: ValType) -> bool {
        self.read().val_type_matches(sub, sup)
    }

    /// Whether an object whose header names `type_id` is a value of `heap_type`. Stand-ins of host
    /// values belong to `any` and `extern`, and so does everything that was converted to either.
    #[must_use]
    pub fn is_instance(&self, type_id: TypeId, heap_type: HeapType) -> bool {
        self.read().is_instance(type_id, heap_type)
    }

    /// Whether references of this type lead into the heap. References to functions do not: they
    /// are ids of a table.
    #[must_use]
    pub fn is_traced(&self, heap_type: HeapType) -> bool {
        self.read().is_traced(heap_type)
    }
}

impl Inner {
    fn is_subtype(&self, sub: TypeId, sup: TypeId) -> bool {
        sub == sup
            || self
                .info(sub)
                .is_some_and(|info| info.ancestors.contains(&sup))
    }

    fn composite(&self, id: TypeId) -> Option<&CompositeType> {
        self.info(id).map(|info| &info.composite)
    }

    pub(super) fn is_traced(&self, heap_type: HeapType) -> bool {
        match heap_type {
            HeapType::Func | HeapType::NoFunc => false,
            HeapType::Concrete(id) => !matches!(self.composite(id), Some(CompositeType::Func(_))),
            _ => true,
        }
    }

    fn heap_type_matches(&self, sub: HeapType, sup: HeapType) -> bool {
        use HeapType::{
            Any, Array, Concrete, Eq, Exn, Extern, Func, I31, NoExn, NoExtern, NoFunc, None, Struct,
        };
        match (sub, sup) {
            (Concrete(a), Concrete(b)) => self.is_subtype(a, b),
            (Concrete(a), _) => match self.composite(a) {
                Some(CompositeType::Struct(_)) => matches!(sup, Any | Eq | Struct),
                Some(CompositeType::Array(_)) => matches!(sup, Any | Eq | Array),
                Some(CompositeType::Func(_)) => sup == Func,
                Option::None => false,
            },
            (None, Concrete(b)) => self.is_traced(Concrete(b)),
            (NoFunc, Concrete(b)) => !self.is_traced(Concrete(b)),
            (_, Concrete(_)) => false,
            (None, _) => matches!(sup, Any | Eq | I31 | Struct | Array | None),
            (I31 | Struct | Array, _) => sup == sub || matches!(sup, Any | Eq),
            (Eq, _) => matches!(sup, Any | Eq),
            (NoFunc, _) => matches!(sup, Func | NoFunc),
            (NoExtern, _) => matches!(sup, Extern | NoExtern),
            (NoExn, _) => matches!(sup, Exn | NoExn),
            (Any | Func | Extern | Exn, _) => sub == sup,
        }
    }

    fn ref_type_matches(&self, sub: RefType, sup: RefType) -> bool {
        (sup.nullable || !sub.nullable) && self.heap_type_matches(sub.heap_type, sup.heap_type)
    }

    fn val_type_matches(&self, sub: ValType, sup: ValType) -> bool {
        match (sub, sup) {
            (ValType::Ref(sub), ValType::Ref(sup)) => self.ref_type_matches(sub, sup),
            _ => sub == sup,
        }
    }

    fn storage_matches(&self, sub: StorageType, sup: StorageType) -> bool {
        match (sub, sup) {
            (StorageType::Val(sub), StorageType::Val(sup)) => self.val_type_matches(sub, sup),
            _ => sub == sup,
        }
    }

    /// A mutable field is written through the supertype too, so it must be the very same.
    fn field_matches(&self, sub: FieldType, sup: FieldType) -> bool {
        sub.mutable == sup.mutable
            && self.storage_matches(sub.storage, sup.storage)
            && (!sub.mutable || self.storage_matches(sup.storage, sub.storage))
    }

    pub(super) fn is_instance(&self, type_id: TypeId, heap_type: HeapType) -> bool {
        match type_id {
            TypeId::EXTERN => matches!(heap_type, HeapType::Any | HeapType::Extern),
            TypeId::EXN => heap_type == HeapType::Exn,
            // A zeroed or forged header.
            id if self.info(id).is_none() => false,
            id if heap_type == HeapType::Extern => self.is_traced(HeapType::Concrete(id)),
            id => self.heap_type_matches(HeapType::Concrete(id), heap_type),
        }
    }

    /// Whether `id` may declare `supertype`: what differs if not.
    pub(super) fn check_extends(&self, id: TypeId, supertype: TypeId) -> Result<(), &'static str> {
        match (self.composite(id), self.composite(supertype)) {
            (Some(CompositeType::Struct(sub)), Some(CompositeType::Struct(sup))) => {
                if sub.fields.len() < sup.fields.len() {
                    return Err("it has fewer fields");
                }
                let matches = sub
                    .fields
                    .iter()
                    .zip(&sup.fields)
                    .all(|(a, b)| self.field_matches(*a, *b));
                if matches {
                    Ok(())
                } else {
                    Err("a field of the supertype is declared otherwise")
                }
            }
            (Some(CompositeType::Array(sub)), Some(CompositeType::Array(sup))) => {
                let matches = self.field_matches(sub.element, sup.element);
                if matches {
                    Ok(())
                } else {
                    Err("the elements do not match")
                }
            }
            (Some(CompositeType::Func(sub)), Some(CompositeType::Func(sup))) => {
                let params = sub.params.len() == sup.params.len()
                    && sub
                        .params
                        .iter()
                        .zip(&sup.params)
                        .all(|(a, b)| self.val_type_matches(*b, *a));
                let results = sub.results.len() == sup.results.len()
                    && sub
                        .results
                        .iter()
                        .zip(&sup.results)
                        .all(|(a, b)| self.val_type_matches(*a, *b));
                if params && results {
                    Ok(())
                } else {
                    Err("the signatures do not match")
                }
            }
            _ => Err("one is a struct, an array or a function, the other is not"),
        }
    }
}
