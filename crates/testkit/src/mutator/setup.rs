//! From a case's data to what windrow calls it: configuration, type definitions, offsets.

use super::to_u32;
use crate::case::{CaseConfig, Field, MemoryChoice, Target};
use crate::schema::Resolved;
use std::sync::Arc;
use windrow_core::{
    ArrayType, Collector, CompositeType, FieldType, GrowthPolicy, HeapLimits, HeapType,
    IsolateConfig, MemoryKind, RefType, StorageType, StructType, SubTypeDef, TypeInfo,
    TypeRegistry, TypeUse, ValType, Zeal,
};

pub(super) fn isolate_config(
    collector: Arc<dyn Collector>,
    types: Arc<TypeRegistry>,
    config: &CaseConfig,
) -> IsolateConfig {
    let mut made = IsolateConfig::new(collector);
    made.types = types;
    made.memory = match config.memory {
        MemoryChoice::Guarded => MemoryKind::Guarded,
        MemoryChoice::Checked => MemoryKind::Checked,
    };
    made.limits = HeapLimits {
        initial_bytes: config.initial_bytes,
        max_bytes: config.max_bytes,
    };
    made.growth = GrowthPolicy::proportional(config.min_free_bytes, config.free_percent_of_live);
    made.zeal = Zeal {
        collect_every: config.zeal_every,
        poison: config.zeal_poison,
        verify: config.zeal_verify,
    };
    made
}

pub(super) fn offsets(info: &TypeInfo) -> Vec<u32> {
    match info.as_struct() {
        Some(of) => (0..to_u32(of.fields.len()))
            .map(|field| info.field_offset(field))
            .collect(),
        None => vec![info.shape.size_bytes],
    }
}

pub(super) fn definition(ty: &Resolved) -> SubTypeDef {
    let (supertype, composite) = match ty {
        Resolved::Struct {
            supertype, fields, ..
        } => {
            let fields = fields
                .iter()
                .map(|field| FieldType::mutable(storage(*field)));
            (supertype, CompositeType::Struct(StructType::new(fields)))
        }
        Resolved::Array { supertype, element } => (
            supertype,
            CompositeType::Array(ArrayType::new(FieldType::mutable(storage(*element)))),
        ),
    };
    SubTypeDef {
        is_final: false,
        supertype: supertype.map(|index| TypeUse::Member(to_u32(index))),
        composite,
    }
}

fn storage(field: Field) -> StorageType<TypeUse> {
    let heap_type = match field {
        Field::I8 => return StorageType::I8,
        Field::I16 => return StorageType::I16,
        Field::I32 => return ValType::I32.into(),
        Field::I64 => return ValType::I64.into(),
        Field::F64 => return ValType::F64.into(),
        Field::V128 => return ValType::V128.into(),
        Field::Ref(Target::Any) => HeapType::Any,
        Field::Ref(Target::Extern) => HeapType::Extern,
        Field::Ref(Target::Type(index)) => HeapType::Concrete(TypeUse::Member(index.into())),
    };
    ValType::Ref(RefType::nullable(heap_type)).into()
}
