//! Allocation by size and form: objects that die at once.
//!
//! Each round has a store of its own that allocates 32 MiB. What a collector saves by using memory again
//! is in the figure, and so is what the system charges for memory that was never used before.

use crate::measure::{Group, operation, timed};
use std::hint::black_box;
use windrow::{
    ArrayRef, ArrayType, CollectorKind, Config, Error, FieldType, Scope, StorageType, Store,
    StructRef, StructType, TypeId, ValType,
};

const ROUND_BYTES: u32 = 32 << 20;
/// Objects made in one scope of handles.
const SCOPE: u32 = 256;

/// What is made.
struct Form {
    name: &'static str,
    /// About its size, header included.
    bytes: u32,
    declare: fn(&Store) -> Result<TypeId, Error>,
    make: fn(&mut Scope<'_>, TypeId) -> Result<(), Error>,
}

const FORMS: [Form; 7] = [
    Form {
        name: "struct of 2 references, 16 B",
        bytes: 16,
        declare: |store| declare_struct(store, ValType::ANYREF, 2),
        make: make_struct,
    },
    Form {
        name: "struct of 2 i64, 24 B",
        bytes: 24,
        declare: |store| declare_struct(store, ValType::I64, 2),
        make: make_struct,
    },
    Form {
        name: "struct of 14 references, 64 B",
        bytes: 64,
        declare: |store| declare_struct(store, ValType::ANYREF, 14),
        make: make_struct,
    },
    Form {
        name: "array of 20 bytes, 32 B",
        bytes: 32,
        declare: declare_bytes,
        make: |scope, type_id| make_array(scope, type_id, 20),
    },
    Form {
        name: "array of 253 references, 1 KiB",
        bytes: 1024,
        declare: declare_references,
        make: |scope, type_id| make_array(scope, type_id, 253),
    },
    Form {
        name: "array of 65,536 bytes, 64 KiB",
        bytes: 64 << 10,
        declare: declare_bytes,
        make: |scope, type_id| make_array(scope, type_id, 64 << 10),
    },
    Form {
        name: "array of 262,144 references, 1 MiB",
        bytes: 1 << 20,
        declare: declare_references,
        make: |scope, type_id| make_array(scope, type_id, 1 << 18),
    },
];

fn declare_struct(store: &Store, field: ValType, count: usize) -> Result<TypeId, Error> {
    let fields = std::iter::repeat_n(FieldType::mutable(field), count);
    Ok(store.types().register_struct(StructType::new(fields))?)
}

fn declare_bytes(store: &Store) -> Result<TypeId, Error> {
    let element = FieldType::mutable(StorageType::I8);
    Ok(store.types().register_array(ArrayType::new(element))?)
}

fn declare_references(store: &Store) -> Result<TypeId, Error> {
    let element = FieldType::mutable(ValType::ANYREF);
    Ok(store.types().register_array(ArrayType::new(element))?)
}

fn make_struct(scope: &mut Scope<'_>, type_id: TypeId) -> Result<(), Error> {
    black_box(StructRef::new_unchecked(scope, type_id)?);
    Ok(())
}

fn make_array(scope: &mut Scope<'_>, type_id: TypeId, length: u32) -> Result<(), Error> {
    black_box(ArrayRef::new_unchecked(scope, type_id, length)?);
    Ok(())
}

pub(crate) fn bench(group: &mut Group<'_>) {
    for form in &FORMS {
        let objects = ROUND_BYTES / form.bytes;
        // Large objects die one by one, small ones by the scope.
        let scope_objects = SCOPE.min((4 << 10) / form.bytes).max(1);
        for kind in CollectorKind::ALL {
            operation(group, form.name, *kind, objects, || {
                let mut store = Store::new(&Config::new().collector(*kind))?;
                let type_id = (form.declare)(&store)?;
                timed(|| {
                    for _ in 0..objects / scope_objects {
                        let mut scope = store.scope();
                        for _ in 0..scope_objects {
                            (form.make)(&mut scope, type_id)?;
                        }
                    }
                    Ok(())
                })
            });
        }
    }
}
