//! From the parser's types to canonical ones.

use crate::env::{ModuleEnv, ModuleType};
use crate::error::Error;
use wasmparser::{
    AbstractHeapType, CompositeInnerType, HeapType as WasmHeapType, RecGroup,
    RefType as WasmRefType, StorageType as WasmStorageType, SubType, UnpackedIndex,
    ValType as WasmValType,
};
use windrow::{
    ArrayType, CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, StructType,
    SubTypeDef, TypeId, TypeUse, ValType,
};

/// Registers a recursion group and appends its members to the module's types.
///
/// # Errors
/// [`Error::Unsupported`] for types of features this engine has not, [`Error::Compile`] where the
/// registry refuses the group.
pub(crate) fn register_types(env: &mut ModuleEnv, group: RecGroup) -> Result<(), Error> {
    let first = u32::try_from(env.types.len()).expect("the validator limits the number of types");
    let members: Vec<(u64, SubType)> = group.into_types_and_offsets().collect();
    let name = |index: UnpackedIndex| match index {
        UnpackedIndex::Module(index) if index < first => TypeUse::Id(env.type_id(index)),
        UnpackedIndex::Module(index) => TypeUse::Member(index - first),
        UnpackedIndex::RecGroup(member) => TypeUse::Member(member),
        UnpackedIndex::Id(_) => unreachable!("the parser names types by module index"),
    };
    let mut definitions = Vec::with_capacity(members.len());
    for (offset, sub_type) in &members {
        definitions.push(SubTypeDef {
            is_final: sub_type.is_final,
            supertype: sub_type
                .supertype_idxs
                .first()
                .map(|index| name(index.unpack())),
            composite: composite(sub_type, *offset, &name)?,
        });
    }
    let ids = env.registry.register_group(&definitions)?;
    for (id, (_, sub_type)) in ids.into_iter().zip(members) {
        env.types.push(ModuleType { id, sub_type });
    }
    Ok(())
}

fn unsupported(feature: &'static str, offset: u64) -> Error {
    Error::Unsupported {
        feature,
        message: "one of its types needs it".to_owned(),
        offset,
    }
}

fn composite<R>(
    sub_type: &SubType,
    offset: u64,
    name: &impl Fn(UnpackedIndex) -> R,
) -> Result<CompositeType<R>, Error> {
    let val = |ty: &WasmValType| {
        val_type(*ty, name).ok_or_else(|| unsupported("stack switching", offset))
    };
    let field = |ty: &wasmparser::FieldType| -> Result<FieldType<R>, Error> {
        let storage = match &ty.element_type {
            WasmStorageType::I8 => StorageType::I8,
            WasmStorageType::I16 => StorageType::I16,
            WasmStorageType::Val(ty) => StorageType::Val(val(ty)?),
        };
        Ok(FieldType {
            storage,
            mutable: ty.mutable,
        })
    };
    Ok(match &sub_type.composite_type.inner {
        CompositeInnerType::Func(ty) => CompositeType::Func(FuncType {
            params: ty.params().iter().map(val).collect::<Result<_, _>>()?,
            results: ty.results().iter().map(val).collect::<Result<_, _>>()?,
        }),
        CompositeInnerType::Struct(ty) => CompositeType::Struct(StructType {
            fields: ty.fields.iter().map(field).collect::<Result<_, _>>()?,
        }),
        CompositeInnerType::Array(ty) => CompositeType::Array(ArrayType {
            element: field(&ty.0)?,
        }),
        CompositeInnerType::Cont(_) => return Err(unsupported("stack switching", offset)),
    })
}

/// A value type, or `None` for one of a feature this engine has not.
pub(crate) fn val_type<R>(
    ty: WasmValType,
    name: &impl Fn(UnpackedIndex) -> R,
) -> Option<ValType<R>> {
    Some(match ty {
        WasmValType::I32 => ValType::I32,
        WasmValType::I64 => ValType::I64,
        WasmValType::F32 => ValType::F32,
        WasmValType::F64 => ValType::F64,
        WasmValType::V128 => ValType::V128,
        WasmValType::Ref(ty) => ValType::Ref(ref_type(ty, name)?),
    })
}

/// A reference type, or `None` for one of a feature this engine has not.
pub(crate) fn ref_type<R>(
    ty: WasmRefType,
    name: &impl Fn(UnpackedIndex) -> R,
) -> Option<RefType<R>> {
    let heap_type = match ty.heap_type() {
        WasmHeapType::Concrete(index) | WasmHeapType::Exact(index) => {
            HeapType::Concrete(name(index))
        }
        WasmHeapType::Abstract { ty, .. } => match ty {
            AbstractHeapType::Any => HeapType::Any,
            AbstractHeapType::Eq => HeapType::Eq,
            AbstractHeapType::I31 => HeapType::I31,
            AbstractHeapType::Struct => HeapType::Struct,
            AbstractHeapType::Array => HeapType::Array,
            AbstractHeapType::None => HeapType::None,
            AbstractHeapType::Func => HeapType::Func,
            AbstractHeapType::NoFunc => HeapType::NoFunc,
            AbstractHeapType::Extern => HeapType::Extern,
            AbstractHeapType::NoExtern => HeapType::NoExtern,
            AbstractHeapType::Exn => HeapType::Exn,
            AbstractHeapType::NoExn => HeapType::NoExn,
            AbstractHeapType::Cont | AbstractHeapType::NoCont => return None,
        },
    };
    Some(RefType {
        nullable: ty.is_nullable(),
        heap_type,
    })
}

impl ModuleEnv {
    /// The canonical form of a value type of the module.
    ///
    /// # Panics
    /// For types of features that validation refuses.
    pub(crate) fn canonical_val(&self, ty: WasmValType) -> ValType {
        val_type(ty, &|index| self.canonical_id(index)).expect("the module's types were converted")
    }

    /// The canonical form of a reference type of the module.
    ///
    /// # Panics
    /// For types of features that validation refuses.
    pub(crate) fn canonical_ref(&self, ty: WasmRefType) -> RefType {
        ref_type(ty, &|index| self.canonical_id(index)).expect("the module's types were converted")
    }

    fn canonical_id(&self, index: UnpackedIndex) -> TypeId {
        self.type_id(self.type_index(index))
    }
}
