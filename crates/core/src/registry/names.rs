//! Names of types and fields, for people: snapshots, retaining paths, messages.
//!
//! Names are no part of a type. Types are canonical, so programs that declare the same structure share
//! one type and one name: the first that is given stays.

use super::TypeRegistry;
use crate::TypeId;
use crate::types::{CompositeType, HeapType, RefType, StorageType, ValType};
use hashbrown::HashMap;
use std::fmt::Write;
use std::sync::{Arc, PoisonError, RwLock};

/// Longer descriptions end in an ellipsis.
const DESCRIPTION_CHARS: usize = 64;

#[derive(Default)]
pub(super) struct Names(RwLock<Given>);

#[derive(Default)]
struct Given {
    types: HashMap<TypeId, Arc<str>>,
    fields: HashMap<(TypeId, u32), Arc<str>>,
}

impl TypeRegistry {
    /// Names a type, for people. Whether the name was taken: the first one stays, and a type never
    /// handed out, or an empty name, is not.
    pub fn set_type_name(&self, id: TypeId, name: &str) -> bool {
        if name.is_empty() || self.try_sub_type(id).is_none() {
            return false;
        }
        let names = &mut self.names.0.write().unwrap_or_else(PoisonError::into_inner);
        names.types.try_insert(id, name.into()).is_ok()
    }

    /// Names a field of a struct type, for people. Whether the name was taken: the first one stays, and
    /// one for a field that is not there, or an empty one, is not.
    pub fn set_field_name(&self, id: TypeId, field: u32, name: &str) -> bool {
        let has_field = |of: &crate::StructType| (field as usize) < of.fields.len();
        let known = self.try_sub_type(id);
        if name.is_empty() || !known.is_some_and(|info| info.as_struct().is_some_and(has_field)) {
            return false;
        }
        let names = &mut self.names.0.write().unwrap_or_else(PoisonError::into_inner);
        names.fields.try_insert((id, field), name.into()).is_ok()
    }

    /// The name a type was given, if it was.
    #[must_use]
    pub fn type_name(&self, id: TypeId) -> Option<Arc<str>> {
        let names = self.names.0.read().unwrap_or_else(PoisonError::into_inner);
        names.types.get(&id).cloned()
    }

    /// The name a struct's field was given, if it was.
    #[must_use]
    pub fn field_name(&self, id: TypeId, field: u32) -> Option<Arc<str>> {
        let names = self.names.0.read().unwrap_or_else(PoisonError::into_inner);
        names.fields.get(&(id, field)).cloned()
    }

    /// The name of a type, or else its structure in a few words: `struct {i32, anyref}`, `array i8`.
    #[must_use]
    pub fn describe(&self, id: TypeId) -> Arc<str> {
        if let Some(name) = self.type_name(id) {
            return name;
        }
        match id {
            TypeId::EXTERN => return "host value".into(),
            TypeId::EXN => return "exception".into(),
            _ => {}
        }
        match self.try_sub_type(id) {
            Some(info) => shorten(self.structure(&info.composite)).into(),
            None => id.to_string().into(),
        }
    }

    fn structure(&self, composite: &CompositeType) -> String {
        match composite {
            CompositeType::Func(of) => of.to_string(),
            CompositeType::Array(of) => format!("array {}", self.storage(of.element.storage)),
            CompositeType::Struct(of) => {
                let mut text = "struct {".to_owned();
                // More would be cut off anyway.
                for (index, field) in of.fields.iter().take(DESCRIPTION_CHARS).enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    let _ = write!(text, "{comma}{}", self.storage(field.storage));
                }
                text + "}"
            }
        }
    }

    /// A field's type, references to declared types by name where they have one.
    fn storage(&self, storage: StorageType) -> String {
        match storage {
            StorageType::Val(ValType::Ref(RefType {
                heap_type: HeapType::Concrete(id),
                ..
            })) => match self.type_name(id) {
                Some(name) => name.to_string(),
                None => id.to_string(),
            },
            other => other.to_string(),
        }
    }
}

fn shorten(text: String) -> String {
    if text.chars().count() <= DESCRIPTION_CHARS {
        return text;
    }
    let kept = text.chars().take(DESCRIPTION_CHARS - 1);
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use crate::{ArrayType, FieldType, StorageType, StructType, TypeId, TypeRegistry, ValType};

    #[test]
    fn the_first_name_stays_and_structure_stands_in() {
        let registry = TypeRegistry::new();
        let pair = StructType::new([
            FieldType::mutable(ValType::I32),
            FieldType::mutable(ValType::ANYREF),
        ]);
        let pair = registry.register_struct(pair).expect("valid");
        let bytes = ArrayType::new(FieldType::mutable(StorageType::I8));
        let bytes = registry.register_array(bytes).expect("valid");
        assert_eq!(&*registry.describe(pair), "struct {i32, anyref}");
        assert_eq!(&*registry.describe(bytes), "array i8");
        assert_eq!(&*registry.describe(TypeId::EXTERN), "host value");
        assert_eq!(&*registry.describe(TypeId::from_bits(99)), "$99");

        assert!(registry.set_type_name(pair, "Node"));
        assert!(!registry.set_type_name(pair, "Other"));
        assert!(registry.set_field_name(pair, 1, "next"));
        assert!(!registry.set_field_name(pair, 1, "previous"));
        assert_eq!(&*registry.describe(pair), "Node");
        assert_eq!(registry.field_name(pair, 1).as_deref(), Some("next"));
        assert_eq!(registry.field_name(pair, 0), None);
        for (id, field) in [(pair, 2), (bytes, 0), (TypeId::from_bits(99), 0)] {
            assert!(!registry.set_field_name(id, field, "none"));
        }
        assert!(!registry.set_type_name(TypeId::from_bits(99), "none"));
        assert!(!registry.set_type_name(bytes, ""));
    }

    #[test]
    fn long_structures_are_cut() {
        let registry = TypeRegistry::new();
        let wide = StructType::new((0..5000).map(|_| FieldType::mutable(ValType::I64)));
        let wide = registry.register_struct(wide).expect("valid");
        let text = registry.describe(wide);
        assert_eq!(text.chars().count(), 64);
        assert!(
            text.starts_with("struct {i64, i64") && text.ends_with('…'),
            "{text}"
        );
    }
}
