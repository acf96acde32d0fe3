//! Structs: fields of every type, by index and looked up, and what is refused.

use crate::everywhere;
use windrow::{
    AnyRef, ArrayRef, CollectionKind, CompositeType, Error, ExnRef, FieldType, FunctionId,
    HeapError, HeapType, I31, RefType, Rooted, ScopedVal, StorageType, Store, StructRef,
    StructType, SubTypeDef, TypeId, TypeUse, Val, ValType,
};

/// One field of each storage, mutable, then an immutable one.
fn all_fields(store: &Store) -> TypeId {
    let types = [
        StorageType::I8,
        StorageType::I16,
        ValType::I32.into(),
        ValType::I64.into(),
        ValType::F32.into(),
        ValType::F64.into(),
        ValType::V128.into(),
        ValType::ANYREF.into(),
        ValType::EXTERNREF.into(),
        ValType::FUNCREF.into(),
    ];
    let fields = types.map(FieldType::mutable).into_iter();
    let fields = fields.chain([FieldType::immutable(ValType::I32)]);
    let all = store.types().register_struct(StructType::new(fields));
    all.expect("a small type")
}

fn values<'s>(of: Rooted<'s, AnyRef>) -> [ScopedVal<'s>; 11] {
    [
        Val::I32(0x1ff),
        Val::I32(0x1_8000),
        Val::I32(-3),
        Val::I64(i64::MIN),
        Val::from(1.5_f32),
        Val::F64(0x7ff8_0000_0000_1234),
        Val::V128(u128::MAX - 9),
        of.into(),
        ScopedVal::NULL,
        Val::Func(FunctionId::NULL),
        Val::I32(11),
    ]
}

#[test]
fn fields_of_every_type_hold_what_they_are_given() {
    everywhere(|store| {
        let all = all_fields(store);
        let mut scope = store.scope();
        let empty = StructRef::new_default(&mut scope, all).unwrap();
        let full = StructRef::new(&mut scope, all, &values(empty.into())).unwrap();
        scope.gc(CollectionKind::Full).unwrap();
        let read = full.fields(&mut scope).unwrap();
        assert_eq!(read[0].as_i32(), Some(0xff));
        assert_eq!(read[1].as_i32(), Some(0x8000));
        assert_eq!(read[2].as_i32(), Some(-3));
        assert_eq!(read[3].as_i64(), Some(i64::MIN));
        assert_eq!(read[4].as_f32(), Some(1.5));
        assert!(matches!(read[5], Val::F64(0x7ff8_0000_0000_1234)));
        assert_eq!(read[6].as_v128(), Some(u128::MAX - 9));
        assert!(read[7].as_ref().unwrap().ref_eq(&scope, empty));
        assert!(read[8].is_null() && read[9].is_null());
        assert_eq!(read[9].as_func(), Some(FunctionId::NULL));
        assert_eq!(read[10].as_i32(), Some(11));
        let signed = |scope: &mut windrow::Scope<'_>, field| {
            full.get_signed(scope, field).unwrap().as_i32().unwrap()
        };
        assert_eq!(signed(&mut scope, 0), -1);
        assert_eq!(signed(&mut scope, 1), -0x8000);
        // The same by writing to one made of defaults.
        for (field, value) in (0..10).zip(values(full.into())) {
            empty.set(&mut scope, field, value).unwrap();
        }
        let copied = empty.fields(&mut scope).unwrap();
        assert_eq!(copied[6].as_v128(), read[6].as_v128());
        assert!(copied[7].as_ref().unwrap().ref_eq(&scope, full));
        assert_eq!(copied[10].as_i32(), Some(0));
    });
}

#[test]
fn fields_looked_up_read_the_same() {
    everywhere(|store| {
        let all = all_fields(store);
        let byte = store.field::<i8>(all, 0).unwrap();
        let short = store.field::<u16>(all, 1).unwrap();
        let double = store.field::<f64>(all, 5).unwrap();
        let vector = store.field::<u128>(all, 6).unwrap();
        let any = store.ref_field::<AnyRef>(all, 7).unwrap();
        let constant = store.field::<i32>(all, 10).unwrap();
        let mut scope = store.scope();
        let object = StructRef::new_default(&mut scope, all).unwrap();
        object.write(&mut scope, byte, -1).unwrap();
        object.write(&mut scope, short, 0xfffe).unwrap();
        object.write(&mut scope, double, -0.5).unwrap();
        object.write_unchecked(&mut scope, vector, 1 << 100);
        let own = Some(object.to_any());
        object.write_ref(&mut scope, any, own).unwrap();
        scope.gc(CollectionKind::Full).unwrap();
        assert_eq!(object.read(&scope, byte), Ok(-1));
        assert_eq!(object.read_unchecked(&scope, short), 0xfffe);
        assert_eq!(object.read(&scope, double), Ok(-0.5));
        assert_eq!(object.read(&scope, vector), Ok(1 << 100));
        let read = object.read_ref(&mut scope, any).unwrap().unwrap();
        assert!(read.ref_eq(&scope, object));
        object.write_ref_unchecked(&mut scope, any, None);
        assert!(object.read_ref_unchecked(&mut scope, any).is_none());
        let immutable = Error::Immutable {
            type_id: all,
            field: 10,
        };
        assert_eq!(object.write(&mut scope, constant, 1), Err(immutable));
        assert_eq!(
            scope.field::<i64>(all, 5).unwrap_err().to_string(),
            format!("field 5 of type {all} holds f64, which is not read as i64")
        );
        assert!(scope.ref_field::<ArrayRef>(all, 7).is_err());
        assert!(scope.ref_field::<AnyRef>(all, 9).is_err());
    });
}

#[test]
fn a_subtype_has_its_supertypes_fields() {
    everywhere(|store| {
        let of = |fields: &[ValType<TypeUse>]| {
            let fields = fields.iter().map(|field| FieldType::mutable(*field));
            CompositeType::Struct(StructType::new(fields))
        };
        let node = ValType::member(0);
        let group = [
            SubTypeDef {
                is_final: false,
                supertype: None,
                composite: of(&[ValType::I32, node]),
            },
            SubTypeDef {
                is_final: true,
                supertype: Some(TypeUse::Member(0)),
                composite: of(&[ValType::I32, node, ValType::I64]),
            },
        ];
        let ids = store.types().register_group(&group).unwrap();
        let (node, leaf) = (ids[0], ids[1]);
        let number = store.field::<i32>(node, 0).unwrap();
        let next = store.ref_field::<StructRef>(node, 1).unwrap();
        let extra = store.field::<i64>(leaf, 2).unwrap();
        let other = all_fields(store);
        let mut scope = store.scope();
        let sub = StructRef::new_default(&mut scope, leaf).unwrap();
        let sup = StructRef::new(&mut scope, node, &[Val::I32(1), sub.into()]).unwrap();
        sub.write(&mut scope, number, 5).unwrap();
        sub.write(&mut scope, extra, 6).unwrap();
        let read: Rooted<'_, StructRef> = sup.read_ref(&mut scope, next).unwrap().unwrap();
        assert_eq!(read.read(&scope, extra), Ok(6));
        assert_eq!(
            sup.read(&scope, extra),
            Err(Error::WrongObject {
                expected: leaf,
                found: node
            })
        );
        // A field of one struct type takes no other struct.
        let stranger = StructRef::new_default(&mut scope, other).unwrap();
        let error = sup
            .write_ref(&mut scope, next, Some(stranger.to_any()))
            .unwrap_err();
        assert!(matches!(error, Error::WrongValue { .. }), "{error}");
        let error = sup.set(&mut scope, 1, stranger.into()).unwrap_err();
        assert!(matches!(error, Error::WrongValue { .. }), "{error}");
        sup.write_ref(&mut scope, next, Some(sup.to_any())).unwrap();
    });
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    everywhere(|store| {
        let all = all_fields(store);
        let strict = StructType::new([FieldType::mutable(ValType::Ref(RefType::non_null(
            HeapType::Struct,
        )))]);
        let strict = store.types().register_struct(strict).unwrap();
        let mut scope = store.scope();
        let object = StructRef::new_default(&mut scope, all).unwrap();
        let error = object.set(&mut scope, 3, Val::I32(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a value of type i64, found an i32"
        );
        let error = object.set(&mut scope, 10, Val::I32(1)).unwrap_err();
        assert!(matches!(error, Error::Immutable { field: 10, .. }));
        let error = object.set(&mut scope, 11, Val::I32(1)).unwrap_err();
        assert!(matches!(error, Error::NoSuchField { count: 11, .. }));
        let error = StructRef::new(&mut scope, all, &[]).unwrap_err();
        assert!(matches!(error, Error::FieldCount { expected: 11, .. }));
        let error = StructRef::new_default(&mut scope, strict).unwrap_err();
        assert!(matches!(error, Error::NotDefaultable { field: 0, .. }));
        for wrong in [ScopedVal::NULL, I31::MAX.into(), Val::I64(0)] {
            let error = StructRef::new(&mut scope, strict, &[wrong]).unwrap_err();
            assert!(matches!(error, Error::WrongValue { .. }), "{error}");
        }
        let unknown = TypeId::from_bits(0xff_ffff);
        let error = StructRef::new(&mut scope, unknown, &[]).unwrap_err();
        assert_eq!(error, Error::UnknownType { type_id: unknown });
        let error = StructRef::new(&mut scope, TypeId::EXTERN, &[]).unwrap_err();
        assert!(matches!(error, Error::UnknownType { .. }));
        assert!(object.get(&mut scope, 3).unwrap().as_i64() == Some(0));
    });
}

#[test]
fn a_full_heap_is_an_error_and_usable_again() {
    for collector in windrow::CollectorKind::ALL {
        let config = windrow::Config::new()
            .collector(*collector)
            .heap_max_bytes(1 << 20);
        let mut store = Store::new(&config).unwrap();
        let all = all_fields(&store);
        let mut scope = store.scope();
        let error = loop {
            if let Err(error) = StructRef::new_default(&mut scope, all) {
                break error;
            }
        };
        let Error::Heap(HeapError::HeapFull {
            needed_bytes,
            limit_bytes,
        }) = error
        else {
            panic!("{error}")
        };
        assert!(needed_bytes >= 64 && limit_bytes == 1 << 20);
        drop(scope);
        if collector.instance().properties().collects {
            let mut scope = store.scope();
            StructRef::new_default(&mut scope, all).expect("room again");
        }
    }
}

#[test]
fn exceptions_hold_a_tag_and_arguments() {
    everywhere(|store| {
        let all = all_fields(store);
        let mut scope = store.scope();
        let arguments = StructRef::new_default(&mut scope, all).unwrap();
        let thrown = ExnRef::new(&mut scope, 7, Some(arguments)).unwrap();
        let bare = ExnRef::new(&mut scope, 8, None).unwrap();
        scope.gc(CollectionKind::Full).unwrap();
        let found = thrown.arguments(&mut scope).unwrap().unwrap();
        assert!(found.ref_eq(&scope, arguments));
        assert!(bare.arguments(&mut scope).unwrap().is_none());
        assert_eq!((thrown.tag(&scope), bare.tag(&scope)), (Ok(7), Ok(8)));
        assert!(thrown.to_any().is::<ExnRef>(&scope) && !arguments.is::<ExnRef>(&scope));
        // No field of type `anyref` takes an exception.
        let refused = arguments.set(&mut scope, 7, thrown.into());
        assert!(matches!(refused, Err(Error::WrongValue { .. })));
    });
}
